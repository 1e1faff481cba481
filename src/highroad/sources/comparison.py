"""What lies between two commits, bounded in size, for people to read: files with their lines, and the patch.

`deployments` shows it to whoever approves. Files above 200 KiB count as binary, as git calls it, so that no minified
bundle floods memory or page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from highroad.sources import tree as trees
from highroad.sources.repository import Repository
from highroad.sources.tree import EMPTY_TREE

MOST_FILES = 60
MOST_LINES = 3000
LONGEST_FILE = 1500
MOST_BYTES = 300_000
_OPTIONS = ("-r", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")
_AS_BINARY = ("-c", "core.bigFileThreshold=200k")


@dataclass(frozen=True, slots=True)
class FileChange:
    """Lines added and removed; None for a binary file."""

    path: str
    added: int | None
    removed: int | None

    @property
    def lines(self) -> int:
        return (self.added or 0) + (self.removed or 0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All files, and the patch of as many as fit; `left_out` is how many files the patch lacks."""

    files: tuple[FileChange, ...]
    patch: str
    left_out: int

    @property
    def lines(self) -> int:
        return sum(each.lines for each in self.files)


def compare(repository: Repository, old: str | None, new: str) -> Comparison:
    """From `old` (None: nothing) to `new`. Raises `UnknownRevision`."""
    base = repository.resolve(old) if old else EMPTY_TREE
    head = repository.resolve(new)
    files = _files(repository, base, head)
    chosen = _fitting(files)
    patch = _patch(repository, base, head, chosen) if chosen else ""
    cut = len(patch.encode()) > MOST_BYTES
    if cut:
        patch = patch.encode()[:MOST_BYTES].decode(errors="ignore").rpartition("\n")[0]
    return Comparison(files, patch, len(files) - len(chosen) + cut)


def _files(repository: Repository, base: str, head: str) -> tuple[FileChange, ...]:
    output = _git(repository, "diff-tree", "--numstat", "-z", *_OPTIONS, base, head)
    found = []
    for row in output.split(b"\0"):
        if row:
            added, removed, path = row.split(b"\t", 2)
            found.append(FileChange(trees.text(path), _number(added), _number(removed)))
    return tuple(found)


def _number(text: bytes) -> int | None:
    return None if text == b"-" else int(text)


def _fitting(files: Sequence[FileChange]) -> list[str]:
    chosen: list[str] = []
    lines = 0
    for each in files:
        fits = each.added is not None and each.lines <= LONGEST_FILE and lines + each.lines <= MOST_LINES
        if fits and len(chosen) < MOST_FILES:
            chosen.append(each.path)
            lines += each.lines
    return chosen


def _patch(repository: Repository, base: str, head: str, paths: Sequence[str]) -> str:
    named = [f":(top,literal){path}" for path in paths]
    output = _git(repository, "diff-tree", "--patch", "--unified=3", *_OPTIONS, base, head, "--", *named)
    return output.decode(errors="replace")


def _git(repository: Repository, *arguments: str) -> bytes:
    return repository.git.run(*_AS_BINARY, *arguments, repository=repository.path, seconds=20.0)
