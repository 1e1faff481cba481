"""Trees of a commit as values: reading git's listings, and the decision whether a tree is safe to write out.

Pure. `repository` decides with it before a checkout, `inspection` before a push is accepted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from highroad.errors import FieldError, Invalid, NotFound
from highroad.sources.links import bad_links

MOST_FILES = 200_000
LONGEST_TARGET = 4096  # PATH_MAX on Linux; a longer link cannot be created
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # every git knows it unstored (SHA-1 repositories)
SHOWN = 5  # paths named in a message


class NoSuchDirectory(NotFound):
    code = "no-such-directory"
    title = "The commit has no such directory"


class UnsafeTree(Invalid):
    code = "unsafe-tree"
    title = "The commit holds a path that leaves its directory"


class TooManyFiles(Invalid):
    code = "too-many-files"
    title = "The commit holds too many files"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree. `mode` as git writes it: 100644, 100755, 120000 (symbolic link) or 160000 (submodule)."""

    mode: str
    object: str
    path: str

    @property
    def is_file(self) -> bool:
        return self.mode.startswith("100")

    @property
    def is_link(self) -> bool:
        return self.mode == "120000"

    @property
    def is_submodule(self) -> bool:
        return self.mode == "160000"


def text(path: bytes) -> str:
    """A path as text; bytes that are not UTF-8 survive a round trip, as in `os.fsdecode`."""
    return path.decode("utf-8", "surrogateescape")


def shown(paths: Sequence[str]) -> str:
    """A few paths for a message, printable on any terminal."""
    named = ", ".join(path.encode("utf-8", "backslashreplace").decode() for path in paths[:SHOWN])
    return named if len(paths) <= SHOWN else f"{named} and {len(paths) - SHOWN} more"


def parse_listing(output: bytes) -> list[Entry]:
    """`git ls-tree -r -z`: `mode SP type SP object TAB path NUL`."""
    entries = []
    for row in output.split(b"\0")[:-1]:
        head, _, path = row.partition(b"\t")
        mode, _, name = head.decode().split(" ")
        entries.append(Entry(mode, name, text(path)))
    return entries


def parse_trees(output: bytes) -> dict[str, str]:
    """Directories of a `git ls-tree -d -z`: path -> tree object. A submodule is listed there too and is left out."""
    rows = (row.partition(b"\t") for row in output.split(b"\0")[:-1])
    return {text(path): head.decode().split(" ")[2] for head, _, path in rows if b" tree " in head}


def parse_changes(output: bytes) -> list[Entry]:
    """What `git diff-tree -r -z --raw --no-renames` says was added or modified; what was deleted is left out."""
    fields = output.split(b"\0")[:-1]
    entries = []
    for head, path in zip(fields[::2], fields[1::2], strict=True):
        _, mode, _, name, status = head.decode().split(" ")
        if status != "D":
            entries.append(Entry(mode, name, text(path)))
    return entries


def parse_batch(output: bytes) -> Iterator[tuple[str, bytes]]:
    """`git cat-file --batch`: `object SP type SP size LF content LF`; missing objects are left out."""
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        words = output[at:end].decode().split(" ")
        at = end + 1
        if words[-1] == "missing":
            continue
        size = int(words[2])
        yield words[0], output[at : at + size]
        at += size + 1


def inside(subdirectory: str | None) -> str:
    """The path in its plain form, empty for the repository's root. Raises `UnsafeTree` for `..` and absolute paths."""
    path = PurePosixPath(subdirectory or ".")
    if path.is_absolute() or ".." in path.parts or "\0" in str(path):
        raise UnsafeTree(
            f"The path {subdirectory!r} leads out of the repository.",
            next_step="Give a path inside the repository, such as `services/api`.",
        )
    return "" if path == PurePosixPath(".") else str(path)


def bad_names(entries: Sequence[Entry]) -> list[str]:
    """Paths that leave the tree or enter `.git`. Git refuses them on push; this is for what came another way."""
    return [
        entry.path
        for entry in entries
        if any(part.lower() in ("", ".", "..", ".git") for part in entry.path.split("/"))
    ]


def refuse_unsafe(entries: Sequence[Entry], targets: Mapping[str, str]) -> None:
    """Raise `TooManyFiles` or `UnsafeTree` for a whole tree. `targets` holds the target of every link, by path."""
    if len(entries) > MOST_FILES:
        raise TooManyFiles(
            f"The commit holds {len(entries):,} files; at most {MOST_FILES:,} are taken.",
            next_step="Remove generated files: `git rm -r --cached DIRECTORY`, and list them in .gitignore.",
        )
    if names := bad_names(entries):
        raise UnsafeTree(
            f"The commit holds paths that no checkout may write: {shown(names)}.",
            next_step="Remove them from the commit and push again.",
            errors=[FieldError(name, "not a safe path") for name in names[:SHOWN]],
        )
    if links := bad_links(targets):
        raise UnsafeTree(
            f"The commit holds symbolic links out of the repository: {shown([str(link) for link in links])}.",
            next_step="Replace each link by its file, or by a relative link that stays inside, and push again.",
            errors=[FieldError(link.path, link.reason) for link in links[:SHOWN]],
        )
