"""One bare Git repository of a service: made, read, checked out and removed. Knows no database and no HTTP.

The gateway serves it, pipelines check commits out of it, and `heads` is what a restarted control plane compares with
the changes it has recorded. All methods block; they take 2 to 10 ms unless they say otherwise.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from highroad.errors import NotFound
from highroad.kit.clock import from_unix
from highroad.kit.ids import new_id
from highroad.sources import tree as trees
from highroad.sources.git import Git, GitFailed
from highroad.sources.packing import may_pack
from highroad.sources.tree import EMPTY_TREE, LONGEST_TARGET, Entry, NoSuchDirectory

# Fields end with NUL, and so do commits (`-z`): the one character that no part of a commit can hold.
_FORMAT = "%H%x00%T%x00%an%x00%ae%x00%at%x00%ct%x00%P%x00%B"
_FIELDS = 8
_LEFTOVERS = ("objects/tmp_objdir-*", "objects/incoming-*", "index-*")
_LOCKS = ("*.lock", "refs/**/*.lock")


class UnknownRevision(NotFound):
    code = "unknown-revision"
    title = "The repository has no such commit"


@dataclass(frozen=True, slots=True)
class Commit:
    """`message` is the whole text; `authored` and `committed` are in UTC. `tree` is as `Repository.tree` gives it.

    All of it is the word of whoever made the commit: names may be empty, and an instant that no calendar has becomes
    the nearest one that `datetime` can hold.
    """

    sha: str
    tree: str
    author: str
    email: str
    authored: datetime
    committed: datetime
    parents: tuple[str, ...]
    message: str

    @property
    def subject(self) -> str:
        return self.message.split("\n", 1)[0]


@dataclass(frozen=True, slots=True)
class Checkout:
    """What was written: how many files, and the submodules, which stay empty directories (they are not fetched)."""

    files: int
    submodules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repository:
    """`path` is the bare repository's directory, for example `<data>/repositories/<service id>.git`."""

    path: Path
    git: Git

    def create(self) -> None:
        """Make the repository unless it exists. It appears whole or not at all; of two creators at once one wins."""
        if self.exists():
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self.path.with_name(f".{new_id('new')}.partial")
        try:
            self.git.run("init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(partial))
            partial.chmod(0o700)
            try:
                partial.rename(self.path)
            except OSError:
                if not self.exists():  # otherwise somebody else was first, and that is what was wanted
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def exists(self) -> bool:
        return (self.path / "HEAD").is_file()

    def delete(self) -> None:
        """Remove the repository and all it holds; nothing happens when there is none. It disappears at once."""
        gone = self.path.with_name(f".{new_id('gone')}.partial")
        try:
            self.path.rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone)

    def heads(self) -> dict[str, str]:
        """Every branch and the commit it points to."""
        return self._refs("refs/heads/")

    def tags(self) -> dict[str, str]:
        """Every tag and the commit (of an odd tag: the object) it points to."""
        return self._refs("refs/tags/")

    def ref(self, name: str) -> str | None:
        """What a full ref name (`refs/heads/main`) points to, a tag object unpeeled; None when it does not exist."""
        rows = self._run("for-each-ref", "--format=%(refname) %(objectname)", name).decode().splitlines()
        return dict(row.split(" ") for row in rows).get(name)

    def default_branch(self) -> str | None:
        """The branch that a clone checks out; None while it does not exist."""
        name = self._head()
        return name if name in self.heads() else None

    def settle_head(self) -> None:
        """Let HEAD name an existing branch: `main`, else `master`, else the first by name. For after a first push."""
        heads = self.heads()
        if not heads or self._head() in heads:
            return
        chosen = next((name for name in ("main", "master") if name in heads), min(heads))
        self._run("symbolic-ref", "HEAD", f"refs/heads/{chosen}")

    def resolve(self, revision: str) -> str:
        """The commit that a branch, tag or (shortened) commit id names. Raises `UnknownRevision`."""
        return self._peeled(revision, "^{commit}")

    def _peeled(self, revision: str, to: str) -> str:
        try:
            return self._run("rev-parse", "--verify", "--quiet", "--end-of-options", revision + to).decode().split()[-1]
        except GitFailed as error:
            raise _unknown(revision) from error

    def has(self, commit: str) -> bool:
        try:
            return self.resolve(commit) == commit
        except UnknownRevision:
            return False

    def commit_info(self, commit: str) -> Commit:
        """One commit by its id, in one git process: each push asks several times. Raises `UnknownRevision`."""
        found = self._log(1, f"{commit}^{{commit}}")
        if not found:
            raise _unknown(commit)
        return found[0]

    def log(self, revision: str, *, limit: int = 50, since: str | None = None) -> list[Commit]:
        """Commits reachable from `revision` (and not from `since`), newest first. Raises `UnknownRevision`."""
        return self._log(limit, self.resolve(revision), *([f"^{self.resolve(since)}"] if since else []))

    def is_ancestor(self, old: str, new: str) -> bool:
        """True when `new` contains `old`. A push from `old` to `new` was forced otherwise. Raises `UnknownRevision`."""
        return not self._run("rev-list", "--max-count=1", self.resolve(old), f"^{self.resolve(new)}")

    def tree(self, commit: str, *, subdirectory: str | None = None) -> str:
        """The hash of the commit's content, or of a directory in it: equal content, equal hash.

        Raises `UnknownRevision`, `NoSuchDirectory`, `UnsafeTree` (the path leads out of the repository).
        """
        directory = trees.inside(subdirectory)
        if not directory:
            return self._peeled(commit, "^{commit}^{tree}")
        sha = self.resolve(commit)
        rows = trees.parse_trees(self._run("ls-tree", "-d", "-z", "--full-tree", sha, "--", directory))
        if directory not in rows:
            raise NoSuchDirectory(
                f"The commit {sha[:12]} has no directory {directory!r}.",
                next_step="Correct the path in the service's settings, or push the directory.",
            )
        return rows[directory]

    def entries(self, treeish: str, *, extra: Mapping[str, str] | None = None) -> list[Entry]:
        """Every file of a tree. `extra` variables let the gateway look into a push that is not accepted yet."""
        return trees.parse_listing(self._run("ls-tree", "-r", "-z", "--full-tree", treeish, extra=extra))

    def changes(self, old: str | None, new: str, *, extra: Mapping[str, str] | None = None) -> list[Entry]:
        """What `new` has that `old` has not (everything when `old` is None). Submodules count, deletions do not."""
        asked = ("diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", old or EMPTY_TREE, new)
        return trees.parse_changes(self._run(*asked, extra=extra))

    def contents(self, objects: Iterable[str], *, extra: Mapping[str, str] | None = None) -> dict[str, bytes]:
        """The contents of blobs, all in memory: for small ones."""
        asked = "".join(f"{name}\n" for name in dict.fromkeys(objects)).encode()
        if not asked:
            return {}
        return dict(trees.parse_batch(self._run("cat-file", "--batch", "--buffer", stdin=asked, extra=extra)))

    def sizes(self, objects: Iterable[str], *, extra: Mapping[str, str] | None = None) -> dict[str, int]:
        """Sizes of blobs in bytes; missing objects are left out."""
        asked = "".join(f"{name}\n" for name in dict.fromkeys(objects)).encode()
        if not asked:
            return {}
        form = "--batch-check=%(objectname) %(objectsize)"
        rows = (
            line.split()
            for line in self._run("cat-file", form, "--buffer", stdin=asked, extra=extra).decode().splitlines()
        )
        return {name: int(size) for name, size in rows if size.isdigit()}

    def link_targets(self, entries: Sequence[Entry], *, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Where the symbolic links among `entries` point, by path. One too long to be a link counts as absolute."""
        links = [entry for entry in entries if entry.is_link]
        sizes = self.sizes((entry.object for entry in links), extra=extra)
        short = [entry.object for entry in links if sizes.get(entry.object, 0) <= LONGEST_TARGET]
        targets = self.contents(short, extra=extra)
        return {entry.path: trees.text(targets.get(entry.object, b"/(too long)")) for entry in links}

    def read(self, commit: str, path: str, *, most: int = 1024 * 1024) -> bytes | None:
        """One file of a commit, without a checkout; None when it is no file there, or larger than `most` bytes."""
        wanted = trees.inside(path) or "."
        listed = self._run("ls-tree", "-z", "--full-tree", self.resolve(commit), "--", wanted)
        found = [entry for entry in trees.parse_listing(listed) if entry.is_file and entry.path == wanted]
        if not found or self.sizes([found[0].object])[found[0].object] > most:
            return None
        return self.contents([found[0].object])[found[0].object]

    def changed_paths(self, old: str | None, new: str) -> list[str]:
        """Paths that differ between two commits, deletions too; every path of `new` when `old` is None."""
        base = self.resolve(old) if old else EMPTY_TREE
        output = self._run("diff-tree", "-r", "-z", "--name-only", "--no-renames", base, self.resolve(new))
        return [trees.text(path) for path in output.split(b"\0") if path]

    def checkout(self, commit: str, into: Path, *, subdirectory: str | None = None) -> Checkout:
        """Write the commit's files, or those of a directory in it, into `into`: a missing or empty directory.

        One git process writes with an index of its own, so checkouts may run side by side; 50,000 files take seconds.
        Raises `UnknownRevision`, `NoSuchDirectory`, `TooManyFiles`, `UnsafeTree`; then nothing has been written.
        """
        tree = self.tree(commit, subdirectory=subdirectory)
        entries = self.entries(tree)
        trees.refuse_unsafe(entries, self.link_targets(entries))
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="index-", dir=self.path) as private:
            index = {"GIT_INDEX_FILE": str(Path(private) / "index")}
            self.git.run("read-tree", "--reset", "-u", tree, repository=self.path, work_tree=into, extra=index)
        submodules = tuple(entry.path for entry in entries if entry.is_submodule)
        return Checkout(len(entries) - len(submodules), submodules)

    def archive(self, commit: str, file: Path) -> None:
        """Write the commit as a tar file. Raises `UnknownRevision`."""
        self._run("archive", "--format=tar", f"--output={file.absolute()}", self.resolve(commit))

    def maintain(self) -> None:
        """Pack loose objects and refs, drop what nothing has reached for two weeks. Slow: never in a push's way, and
        left for another time while a backup reads."""
        with may_pack(self.path.parent) as free:
            if free:
                self._run("-c", "gc.auto=500", "gc", "--auto", "--quiet")
        self.sweep()

    def sweep(self, *, older_than: float = 600.0) -> None:
        """Remove what killed processes left: quarantines of broken pushes, private indexes, locks nobody holds.

        `older_than` is in seconds and longer than any push may take; 0 only when no git process can be running.
        """
        before = time.time() - older_than
        for pattern in (*_LEFTOVERS, *_LOCKS):
            for leftover in self.path.glob(pattern):
                if leftover.stat().st_mtime > before:
                    continue
                if leftover.is_dir():
                    shutil.rmtree(leftover)
                else:
                    leftover.unlink()

    def _log(self, limit: int, *asked: str) -> list[Commit]:
        form = (f"--format=tformat:{_FORMAT}", "-z", "--encoding=UTF-8")
        options = (f"--max-count={limit}", *form, "--end-of-options")
        try:
            output = self._run("log", *options, *asked, "--")
        except GitFailed as error:
            raise _unknown(asked[0].partition("^")[0]) from error
        fields = output.decode(errors="replace").split("\0")[:-1]
        return [_commit(*fields[at : at + _FIELDS]) for at in range(0, len(fields), _FIELDS)]

    def _head(self) -> str:
        return (self.path / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")

    def _refs(self, prefix: str) -> dict[str, str]:
        form = "--format=%(refname) %(objectname) %(*objectname)"
        rows = (line.split(" ") for line in self._run("for-each-ref", form, prefix).decode().splitlines())
        return {name.removeprefix(prefix): peeled or sha for name, sha, peeled in rows}

    def _run(self, *arguments: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None) -> bytes:
        return self.git.run(*arguments, repository=self.path, stdin=stdin, extra=extra)


def _unknown(revision: str) -> UnknownRevision:
    return UnknownRevision(
        f"{revision[:100]!r} names no commit in this repository.",
        next_step="Push it first, or name a branch, a tag or a commit that `git log` shows.",
    )


def _commit(
    sha: str, tree: str, author: str, email: str, authored: str, committed: str, parents: str, message: str
) -> Commit:
    return Commit(
        sha=sha,
        tree=tree,
        author=author,
        email=email,
        authored=from_unix(authored),
        committed=from_unix(committed),
        parents=tuple(parents.split()),
        message=message.strip("\n"),
    )
