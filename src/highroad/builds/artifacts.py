"""The artifact store: content-addressed directories, each whole or not there. `build` fills it, `app` prunes it.

`artifacts/<hex>/tree` is the tree and `artifacts/<hex>/artifact.json`, written last, the mark that it is whole.
Builds happen in that final place, because build tools write absolute paths; a lock keeps a second builder out, and
whoever gets the lock removes what a dead one left.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from highroad.builds.cache import Pruned
from highroad.builds.failures import disk_full
from highroad.builds.locks import locked, locked_or_skipped
from highroad.builds.model import Artifact
from highroad.builds.trees import remove

_MARK = "artifact.json"
_CONDEMNED = ".condemned.json"


class ArtifactStore:
    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, digest: str) -> Artifact | None:
        """The whole artifact with this digest, or None. Whoever asks will use it: that makes it young again."""
        mark = self.root / _hex(digest) / _MARK
        try:
            with mark.open() as file:
                os.utime(file.fileno())
                text = file.read()
            mark.stat()  # gone if `prune` had taken it before it was young
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Artifact.from_json(text)

    def tree(self, digest: str) -> Path:
        """Where the tree of this artifact is, or would be."""
        return self.root / _hex(digest) / "tree"

    def digests(self) -> tuple[str, ...]:
        return tuple(sorted(f"sha256:{mark.parent.name}" for mark in self.root.glob(f"[0-9a-f]*/{_MARK}")))

    @contextmanager
    def making(self, digest: str, *, waiting: Callable[[], None]) -> Iterator[Callable[[Artifact], None]]:
        """Hold the place of `digest`, empty; call what is yielded when the artifact is whole, or all of it goes.

        Check `find` again inside: another builder may have been first. Raises `BuildDiskFull`.
        """
        place = self.root / _hex(digest)
        with locked(self.root / ".locks" / _hex(digest), waiting=waiting):
            if self.find(digest) is None:
                remove(place)
                place.mkdir(mode=0o755, parents=True)
            try:
                yield lambda artifact: _write_mark(place, artifact)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise disk_full("storing the artifact") from error
                raise
            finally:
                if self.find(digest) is None:
                    remove(place)

    def prune(self, keep: Collection[str], *, fresh_seconds: float, now: float) -> Pruned:
        """Remove artifacts not in `keep` that were made or found more than `fresh_seconds` before `now` (Unix seconds),
        and what dead builds left. A younger one may belong to a release that is about to be recorded."""
        wanted = {_hex(digest) for digest in keep}
        before = now - fresh_seconds
        removed = freed = 0
        for place in sorted(self.root.glob("[0-9a-f]*")):
            if place.name in wanted or _changed(place) > before:
                continue
            with locked_or_skipped(self.root / ".locks" / place.name) as free:
                if free and _withdrawn(place, before):
                    removed, freed = removed + 1, freed + _size(place / _CONDEMNED)
                    remove(place)
        for trash in self.root.glob(".trash*"):
            remove(trash)
        return Pruned(removed, freed)

    def size(self) -> int:
        """Bytes of all artifacts together."""
        return sum(_size(mark) for mark in self.root.glob(f"[0-9a-f]*/{_MARK}"))


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _changed(place: Path) -> float:
    """When the artifact was made or last found; of a leftover, when it was begun."""
    try:
        return (place / _MARK).stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return place.lstat().st_mtime


def _withdrawn(place: Path, before: float) -> bool:
    """Take the artifact's mark away, unless it turns out that somebody found it just now.

    The mark goes first and its age is read afterwards, so that of `find` and this one sees the other.
    """
    mark, condemned = place / _MARK, place / _CONDEMNED
    try:
        mark.rename(condemned)
    except (FileNotFoundError, NotADirectoryError):
        return True
    if condemned.stat().st_mtime > before:
        condemned.rename(mark)
        return False
    return True


def _size(mark: Path) -> int:
    try:
        return Artifact.from_json(mark.read_text()).size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _write_mark(place: Path, artifact: Artifact) -> None:
    partial = place / f".{_MARK}"
    with partial.open("w") as file:
        file.write(artifact.to_json())
        file.flush()
        os.fsync(file.fileno())
    partial.rename(place / _MARK)
