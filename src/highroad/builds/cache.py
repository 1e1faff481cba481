"""The dependency store: what was once installed from a lock file is installed for every build with the same lock.

An entry is a directory `dependencies/<key>`, where the key covers everything that decides its content. It is made in
`dependencies/.install/<key>.partial-<id>` and renamed when it is whole, so a process that dies in the middle leaves
only rubbish that the next one sweeps away. The languages install through `build`; `app` prunes.

`.install` also holds the caches of the package tools: it is one mount in the sandbox, so that uv can hard-link from its
cache. Code of a package never runs while that mount is writable (see `python` and `node`): one project could poison
another's packages otherwise.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from highroad.builds.failures import disk_full
from highroad.builds.locks import locked, locked_or_skipped
from highroad.builds.model import BUILDER_VERSION
from highroad.builds.trees import open_permissions, remove
from highroad.kit.ids import new_id

_MARK = "highroad-entry.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """Installed dependencies: `packages` is their number, `size` bytes, `detail` what the language wants to know."""

    key: str
    directory: Path
    packages: int = 0
    size: int = 0
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installer reports: how many packages, and details for the language's own later use."""

    packages: int = 0
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many things were removed and how many bytes that freed."""

    removed: int = 0
    freed: int = 0


def key_of(language: str, runtime: str, *parts: bytes | str) -> str:
    """64 hexadecimal digits over the builder's version, the platform, the runtime's version and `parts` in order."""
    digest = hashlib.sha256()
    machine = os.uname()
    for part in (BUILDER_VERSION, machine.sysname, machine.machine, language, runtime, *parts):
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


class DependencyStore:
    """`owner` is the user that installs (see `steps.build_user`), None for Highroad's own."""

    def __init__(self, root: Path, *, owner: int | None = None) -> None:
        self.root = root
        self.owner = owner

    @property
    def workshop(self) -> Path:
        """The directory that installers may write: caches and unfinished entries."""
        return self.root / ".install"

    def cache(self, tool: str) -> Path:
        return self._make(self.workshop / tool)

    def find(self, key: str) -> Entry | None:
        """The whole entry for `key`, marked as used now, or None."""
        directory = self.root / key
        entry = _read(directory)
        if entry is not None:
            os.utime(directory / _MARK)
        return entry

    def make(
        self, key: str, install: Callable[[Path], Installed], *, waiting: Callable[[], None]
    ) -> tuple[Entry, bool]:
        """The entry for `key` and whether this call installed it.

        `install` fills an empty directory that belongs to the installing user; what it raises leaves no entry. If
        another builder is at it this one waits, calling `waiting`, and uses the other's. Raises `BuildDiskFull`.
        """
        entry = self.find(key)
        if entry is not None:
            return entry, False
        with locked(self.root / ".locks" / key, waiting=waiting):
            entry = self.find(key)
            if entry is not None:
                return entry, False
            self._sweep(key)
            return self._install(key, install), True

    def _install(self, key: str, install: Callable[[Path], Installed]) -> Entry:
        partial = self._make(self.workshop / f"{key}.partial-{new_id('try')}")
        try:
            installed = install(partial)
            measured = open_permissions(partial)
            final = self.root / key
            entry = Entry(key, final, installed.packages, measured.size, installed.detail)
            _write(partial, entry)
            remove(final)
            partial.rename(final)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise disk_full("installing dependencies") from error
            raise
        finally:
            remove(partial)
        return entry

    def _make(self, directory: Path) -> Path:
        """Make a directory in the workshop, for the installing user."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (self.workshop, directory):
            path.mkdir(mode=0o755, exist_ok=True)
            if self.owner is not None and os.geteuid() == 0:
                os.chown(path, self.owner, self.owner)
        return directory

    def _sweep(self, key: str) -> None:
        for leftover in self.workshop.glob(f"{key}.partial-*") if self.workshop.is_dir() else ():
            remove(leftover)

    def keys(self) -> tuple[str, ...]:
        return tuple(sorted(path.parent.name for path in self.root.glob(f"*/{_MARK}")))

    def prune(
        self, *, in_use: Collection[str], keep_bytes: int, keep_seconds: float, fresh_seconds: float = 3600.0
    ) -> Pruned:
        """Remove entries not `in_use`: those unused for `keep_seconds`, and the longest unused above `keep_bytes`.

        Nothing that was used in the last `fresh_seconds` goes: a build may have found it and not yet be recorded.
        """
        now = time.time()
        entries = [(directory, entry) for directory in self.root.glob("[0-9a-f]*") if (entry := _read(directory))]
        aged = sorted(((now - _last_used(directory), directory, entry) for directory, entry in entries), key=_age)
        kept = freed = removed = 0
        for age, directory, entry in aged:
            wanted = entry.key in in_use or age < fresh_seconds
            if wanted or (age < keep_seconds and kept + entry.size <= keep_bytes):
                kept += entry.size
                continue
            with locked_or_skipped(self.root / ".locks" / entry.key) as free:
                if free:
                    remove(directory)
                    removed, freed = removed + 1, freed + entry.size
        self._prune_leftovers(now - fresh_seconds)
        return Pruned(removed, freed)

    def _prune_leftovers(self, before: float) -> None:
        candidates = (*self.workshop.glob("*.partial-*"), *self.root.glob(".trash*"), *self.workshop.glob(".trash*"))
        for path in candidates:
            if path.lstat().st_mtime < before:
                remove(path)


def _age(item: tuple[float, Path, Entry]) -> float:
    return item[0]


def _last_used(directory: Path) -> float:
    return (directory / _MARK).stat().st_mtime


def _write(directory: Path, entry: Entry) -> None:
    stored = {"key": entry.key, "packages": entry.packages, "size": entry.size, "detail": dict(entry.detail)}
    # An installer may have left anything under this name, a link included.
    remove(directory / _MARK)
    mark = directory / _MARK
    mark.write_text(json.dumps(stored, sort_keys=True) + "\n")
    mark.chmod(0o644)


def _read(directory: Path) -> Entry | None:
    try:
        stored = json.loads((directory / _MARK).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Entry(stored["key"], directory, stored["packages"], stored["size"], stored["detail"])
