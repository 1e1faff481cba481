"""Trees of files that came from strangers: read them without being led outside, settle them, remove them.

Highroad reads and changes these trees as itself, often as root, while what is in them was written by a repository or
a build command. So nothing here follows a link out of its tree. Called by `build`, `testing`, the stores and languages.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from highroad.builds.failures import BadManifest, LeavesTheTree, disk_full
from highroad.kit.ids import new_id

_LARGEST_MANIFEST = 32 * 1024**2


@dataclass(frozen=True, slots=True)
class Measured:
    size: int
    files: int


@dataclass(frozen=True, slots=True)
class Source:
    """A service's directory (`root` / `subdirectory`) in a checked-out tree, read without leaving `root`."""

    root: Path
    subdirectory: str = ""

    @property
    def directory(self) -> Path:
        return self.root / self.subdirectory if self.subdirectory else self.root

    def path(self, name: str) -> Path:
        """The absolute path of `name`, relative to the service's directory. Raises `LeavesTheTree`."""
        path = Path(os.path.normpath(self.directory / name))
        real_root = os.path.realpath(self.root)
        real = os.path.realpath(path)
        if real != real_root and not real.startswith(real_root + os.sep):
            raise LeavesTheTree(
                f"{name} leads outside the repository.",
                next_step="Replace the link or path by a file inside the repository.",
            )
        return path

    def has(self, name: str) -> bool:
        return self.path(name).is_file()

    def read(self, name: str) -> bytes | None:
        """The content of a manifest, or None when there is none. Raises `BadManifest` above 32 MiB."""
        path = self.path(name)
        try:
            if path.stat().st_size > _LARGEST_MANIFEST:
                raise BadManifest(f"{name} is larger than 32 MiB.", next_step=f"Make {name} smaller.")
            return path.read_bytes() if path.is_file() else None
        except (FileNotFoundError, NotADirectoryError):
            return None

    def text(self, name: str) -> str | None:
        content = self.read(name)
        try:
            return None if content is None else content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadManifest(f"{name} is not UTF-8 text.", next_step=f"Save {name} as UTF-8.") from error


def settle(tree: Path, *, epoch: int, take_over: bool, allowed: tuple[Path, ...] = ()) -> Measured:
    """Give a finished tree its final form: directories 0755, files 0644 or 0755, modification times at `epoch`.

    No setuid bit, pipe, socket or device survives. With `take_over` everything belongs to Highroad's user afterwards.
    Raises `LeavesTheTree` for a link that leads neither into the tree nor into one of `allowed`; nothing may be running
    in the tree any more.
    """
    size = files = 0
    root = os.path.realpath(tree)
    inside = (root + os.sep, *(f"{os.path.realpath(path)}{os.sep}" for path in allowed))
    owner, group = os.geteuid(), os.getegid()
    pending = [root]
    while pending:
        directory = pending.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                kind = stat.S_IFMT(found.st_mode)
                if take_over and (found.st_uid != owner or found.st_gid != group):
                    os.chown(entry.path, owner, group, follow_symlinks=False)
                if kind == stat.S_IFLNK:
                    _require_inside(entry.path, root, inside)
                    files += 1
                elif kind == stat.S_IFDIR:
                    _set_mode(entry.path, found.st_mode, 0o755)
                    pending.append(entry.path)
                elif kind == stat.S_IFREG:
                    _set_mode(entry.path, found.st_mode, 0o755 if found.st_mode & 0o111 else 0o644)
                    os.utime(entry.path, (epoch, epoch))
                    size += found.st_size
                    files += 1
                else:
                    Path(entry.path).unlink()
    if take_over:
        os.chown(root, owner, group)
    _set_mode(root, 0, 0o755)
    return Measured(size=size, files=files)


def _set_mode(path: str, mode: int, wanted: int) -> None:
    if stat.S_IMODE(mode) != wanted:
        Path(path).chmod(wanted)


def _require_inside(link: str, root: str, inside: tuple[str, ...]) -> None:
    real = os.path.realpath(link)
    if real != root and not real.startswith(inside):
        name = os.path.relpath(link, root)
        raise LeavesTheTree(
            f"{name} is a symbolic link that leads outside the repository ({str(Path(link).readlink())[:200]}).",
            next_step=f"Replace {name} by the file itself, or remove it.",
        )


def require_links_inside(tree: Path) -> None:
    """Raise `LeavesTheTree` for a link below `tree` that leads out of it."""
    root = os.path.realpath(tree)
    for directory, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = f"{directory}{os.sep}{name}"
            if Path(path).is_symlink():
                _require_inside(path, root, (root + os.sep,))


def open_permissions(tree: Path) -> Measured:
    """Make everything below `tree` readable for every user; links are left alone. For installed dependencies."""
    size = files = 0
    for directory, _folders, names in os.walk(tree):
        _set_mode(directory, os.lstat(directory).st_mode, 0o755)
        for name in names:
            path = f"{directory}{os.sep}{name}"
            found = os.lstat(path)
            files += 1
            if stat.S_ISREG(found.st_mode):
                size += found.st_size
                _set_mode(path, found.st_mode, 0o755 if found.st_mode & 0o111 else 0o644)
    return Measured(size=size, files=files)


def read_from_strangers(root: Path, name: str, *, limit: int) -> bytes | None:
    """A regular file below `root`, with no link on the way to it; None if absent, no file, or over `limit` bytes.

    For what a build or test left behind and Highroad reads as itself (a JUnit file that is a link to a secret).
    """
    parts = [part for part in Path(name).parts if part not in ("", ".")]
    if not parts or ".." in parts or Path(name).is_absolute():
        return None
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for index, part in enumerate(parts):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            if index < len(parts) - 1:
                flags |= os.O_DIRECTORY
            try:
                deeper = os.open(part, flags, dir_fd=descriptor)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENXIO, errno.EACCES):
                    return None
                raise
            os.close(descriptor)
            descriptor = deeper
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
            return None
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(limit)
    finally:
        os.close(descriptor)


def move(source: Path, target: Path) -> None:
    """Rename a directory; copy it where that crosses file systems. Raises `BuildDiskFull`."""
    try:
        try:
            source.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copytree(source, target, symlinks=True)
            remove(source)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full("moving the source") from error
        raise


def remove(path: Path) -> None:
    """Delete a directory or file with all in it; absent is fine. It is out of the way at once, by one rename."""
    condemned = path.with_name(f".{new_id('trash')}")
    try:
        path.rename(condemned)
    except FileNotFoundError:
        return
    if condemned.is_dir() and not condemned.is_symlink():
        shutil.rmtree(condemned, onerror=_make_removable)
    else:
        condemned.unlink()


def _make_removable(_function: object, path: str, _error: object) -> None:
    """A directory without write permission (Go's module cache) holds its files back from everybody but root."""
    held = Path(path)
    with suppress(FileNotFoundError):
        held.parent.chmod(0o700)
        if held.is_symlink() or not held.is_dir():
            held.unlink()
        else:
            held.chmod(0o700)
            shutil.rmtree(held)
