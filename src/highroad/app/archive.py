"""The files of a backup: which ones, in which order, and how they come out again without leading astray.

`backup` calls it. The installation goes on meanwhile, so the order is what makes the copy whole: of a repository the
refs come before the objects, which only gain; of an artifact its mark of completeness comes last.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from highroad.errors import Invalid
from highroad.sources.packing import no_packing

ROOMS = ("repositories", "artifacts", "dependencies", "logs", "git")
PAPERS = ("manifest.json", "database.jsonl", "settings.json", "master.key")
_MARKS = ("artifact.json", "highroad-entry.json")
_HALF_MADE = ("incoming-", "tmp_")
_PIECE = 1024 * 1024


class BadBackup(Invalid):
    code = "bad-backup"
    title = "This is not a backup that can be restored"


@contextmanager
def begun(file: Path) -> Iterator[tarfile.TarFile]:
    """A new archive, for the owner alone."""
    file.touch(mode=0o600)
    # Level 1: artifacts are mostly compressed already, and a backup should not take all of a core for minutes.
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        yield archive


def add_rooms(archive: tarfile.TarFile, data: Path) -> int:
    """Everything of the rooms of a data directory; how many files. Waits while a repository is being packed."""
    with no_packing(data / "repositories"):
        return sum(add(archive, path, str(path.relative_to(data))) for path in _contents(data))


def add(archive: tarfile.TarFile, path: Path, name: str) -> bool:
    """Add a file, link or directory; False when it is neither, or gone by now (a rotated log, a leftover)."""
    try:
        kind = stat.S_IFMT(path.lstat().st_mode)
        if kind == stat.S_IFREG:
            with path.open("rb") as file:  # sized after it was opened, for it may be replaced by a shorter one
                archive.addfile(archive.gettarinfo(arcname=name, fileobj=file), file)
        elif kind in (stat.S_IFDIR, stat.S_IFLNK):
            archive.add(path, name, recursive=False)
        else:
            return False
    except FileNotFoundError:
        return False
    return True


def extract(file: Path, into: Path) -> int:
    """Write a backup's files below `into`, and nowhere else; how many. Raises `BadBackup`."""
    names: list[str] = []

    def checked(member: tarfile.TarInfo, directory: str) -> tarfile.TarInfo:
        _require_known(member, file)
        if member.islnk():
            _require_inside(member, into, file)
        names.append(member.name)
        return tarfile.tar_filter(member, directory)

    try:
        with tarfile.open(file, "r:gz") as archive:
            archive.extractall(into, numeric_owner=True, filter=checked)  # noqa: S202  # each member is checked
            assert archive.fileobj is not None, "it is open"
            while archive.fileobj.read(_PIECE):  # to the checksum at its end, which stands behind the last member
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise BadBackup(f"{file} cannot be read to its end: {error}", next_step="Use another backup.") from error
    return len(names)


def _require_known(member: tarfile.TarInfo, file: Path) -> None:
    top, *below = Path(member.name).parts or ("",)
    known = (member.isreg() and not below) if top in PAPERS else top in ROOMS and (bool(below) or member.isdir())
    if not known or not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise BadBackup(f"{file} holds {member.name[:80]!r}.", next_step="Use a file of `highroad backup`.")


def _require_inside(member: tarfile.TarInfo, into: Path, file: Path) -> None:
    """A hard link to a file elsewhere would have the next member of its name written there."""
    if not Path(os.path.realpath(into / member.linkname)).is_relative_to(os.path.realpath(into)):
        raise BadBackup(f"{file} links to {member.linkname[:80]!r}.", next_step="Use a file of `highroad backup`.")


def _contents(data: Path) -> Iterator[Path]:
    """Everything of the rooms, without locks and half-made things, whose names begin with a dot at the top."""
    for room in ROOMS:
        root = data / room
        if not root.is_dir():
            continue
        yield root
        for top in sorted(root.iterdir()):
            if top.name.startswith(".") and top.name != ".gitconfig":
                continue
            yield top
            if top.is_dir() and not top.is_symlink():
                yield from _repository(top) if room == "repositories" else _marked(top)


def _repository(top: Path) -> Iterator[Path]:
    """Refs before objects, so that all they lead to is there; loose refs before packed ones and loose objects before
    packs, because that is the way in which git moves them."""
    first = (*_below(top / "refs"), top / "packed-refs", top / "HEAD")
    yield top / "refs"
    yield from first
    seen = {top / "refs", *first}
    for path in _below(top):
        if path not in seen and not path.is_relative_to(top / "refs"):
            yield path


def _marked(top: Path) -> Iterator[Path]:
    marks = [top / name for name in _MARKS]
    yield from (path for path in _below(top) if path not in marks)
    yield from (mark for mark in marks if mark.exists())


def _below(top: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(top):
        names[:] = sorted(
            name for name in names if not name.startswith(_HALF_MADE) or not directory.endswith("objects")
        )
        yield from (Path(directory) / name for name in sorted((*names, *files)))
