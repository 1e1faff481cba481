"""What a push must satisfy beyond git's own checks, decided while its objects wait in git's quarantine.

The gateway calls `inspect` from git's pre-receive hook. Only the content of the new tips is looked at, against what the
branch had before: that keeps a one-line push at three git processes. Checkout checks the whole tree once more, so this
is where the developer hears of it early, not the only guard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from highroad.sources import tree as trees
from highroad.sources.protocol import RefUpdate
from highroad.sources.repository import Repository
from highroad.sources.tree import MOST_FILES, Entry, TooManyFiles, UnsafeTree, shown

MOST_BYTES = 100 * 1024 * 1024  # of one file, as at the large forges
_POINTER = b"version https://git-lfs.github.com/spec/v1\n"
_POINTER_SIZES = range(len(_POINTER), 1024)  # the LFS specification: smaller than 1024 bytes
_COUNT_FROM = 1000  # added files in one push from which on counting the whole tree is worth its time


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is empty when the push is fine, else a few words for git's report. `lines` are for the developer."""

    reason: str
    lines: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        return not self.reason


def misplaced_refs(updates: Sequence[RefUpdate]) -> Verdict:
    """Refuses what is neither a branch nor a tag. Needs no objects."""
    wrong = [update.ref for update in updates if not update.branch and not update.tag]
    if not wrong:
        return Verdict("", ())
    return Verdict(
        "not a branch or a tag",
        (
            f"Refused: Highroad takes branches and tags, not {shown(wrong)}.",
            "Next: push branches by name, for example `git push highroad main` (not --mirror).",
        ),
    )


def inspect(repository: Repository, updates: Sequence[RefUpdate], quarantine: Path | None) -> Verdict:
    """Look at the branches a push brings. `quarantine` is the directory of its objects, None when it brought none.

    Tags are not looked at: an old project comes with thousands, and what one of them holds is no reason to refuse it.
    """
    extra = _variables(repository, quarantine)
    base = _known(repository)
    warnings: list[str] = []
    for update in updates:
        if update.new is None or update.branch is None:
            continue
        changed = repository.changes(update.old or base, update.new, extra=extra)
        verdict = _inspect_tip(repository, update.new, changed, extra)
        if not verdict.accepted:
            where = (f"On branch {update.branch}:",) if len(updates) > 1 else ()
            return Verdict(verdict.reason, where + verdict.lines)
        warnings += [line for line in verdict.lines if line not in warnings]
        base = base or update.new
    return Verdict("", tuple(warnings))


def _inspect_tip(repository: Repository, tip: str, changed: Sequence[Entry], extra: Mapping[str, str]) -> Verdict:
    if len(changed) >= _COUNT_FROM or any(entry.is_link for entry in changed):
        whole = repository.entries(tip, extra=extra)
        try:
            trees.refuse_unsafe(whole, repository.link_targets(whole, extra=extra))
        except TooManyFiles as error:
            return Verdict(f"more than {MOST_FILES:,} files", (f"Refused: {error.detail}", f"Next: {error.next_step}"))
        except UnsafeTree as error:
            return Verdict("unsafe path", (f"Refused: {error.detail}", f"Next: {error.next_step}"))
    files = [entry for entry in changed if entry.is_file]
    sizes = repository.sizes((entry.object for entry in files), extra=extra)
    if large := [entry.path for entry in files if sizes.get(entry.object, 0) > MOST_BYTES]:
        return _too_large(large)
    small = [entry for entry in files if sizes.get(entry.object, 0) in _POINTER_SIZES]
    contents = repository.contents((entry.object for entry in small), extra=extra)
    if pointers := [entry.path for entry in small if contents[entry.object].startswith(_POINTER)]:
        return _pointers(pointers)
    submodules = [entry.path for entry in changed if entry.is_submodule]
    if submodules:
        warning = f"Warning: submodules are not fetched; empty directories will stand for {shown(submodules)}."
        return Verdict("", (warning,))
    return Verdict("", ())


def _too_large(paths: Sequence[str]) -> Verdict:
    return Verdict(
        f"file larger than {MOST_BYTES // 1024**2} MB",
        (
            f"Refused: a file may have {MOST_BYTES // 1024**2} MB; larger: {shown(paths)}.",
            "Next: `git rm --cached FILE && git commit --amend`, push again, and fetch the file during the build.",
        ),
    )


def _pointers(paths: Sequence[str]) -> Verdict:
    return Verdict(
        "Git LFS pointers",
        (
            f"Refused: Git LFS pointers instead of files: {shown(paths)}. Highroad does not store LFS objects.",
            "Next: put the files themselves into git (`git lfs migrate export --include='*' --everything`).",
        ),
    )


def _variables(repository: Repository, quarantine: Path | None) -> dict[str, str]:
    """The variables with which git sees the quarantined objects beside the stored ones."""
    if quarantine is None:
        return {}
    stored = str(repository.path / "objects").replace("\\", "\\\\").replace('"', '\\"')
    return {
        "GIT_OBJECT_DIRECTORY": str(quarantine),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{stored}"',  # quoted: a colon in the path would end it
        "GIT_QUARANTINE_PATH": str(quarantine),
    }


def _known(repository: Repository) -> str | None:
    """A tip that was inspected before: what a new branch shares with it need not be looked at again."""
    branch = (repository.path / "HEAD").read_text().strip().removeprefix("ref: ")
    loose = repository.path / branch
    # The plain file answers without a process; a packed ref is worth one only when there are packed refs.
    if loose.is_file():
        return loose.read_text().strip()
    return repository.ref(branch) if (repository.path / "packed-refs").is_file() else None
