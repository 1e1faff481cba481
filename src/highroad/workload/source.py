"""A read-only view of a source tree, so that detection never reads outside of it nor runs anything in it.

`detect` and the readers get one; `pipelines` opens it on a checkout, `highroad init` on the developer's directory.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from highroad.errors import FieldError, Invalid, TooLarge

FILE_LIMIT = 1024 * 1024
LIST_LIMIT = 10_000

Kind = Literal["file", "directory"]


class UnreadableFile(Invalid):
    code = "unreadable-file"
    title = "A file of the source cannot be read"


class FileLeavesSource(Invalid):
    code = "file-leaves-source"
    title = "A link points out of the source"


class FileTooLong(TooLarge):
    code = "file-too-long"
    title = "A file of the source is too long to be read"


@dataclass(frozen=True, slots=True)
class Source:
    """The tree at `root` (a real path), seen from `subdirectory` (`""` or a relative POSIX path)."""

    root: Path
    subdirectory: str = ""

    @classmethod
    def at(cls, root: Path, subdirectory: str = "") -> Source:
        """The source in `root`. Raises `UnreadableFile` when there is no such directory, `FileLeavesSource`."""
        source = cls(Path(os.path.realpath(root)), subdirectory.strip("/") if subdirectory != "." else "")
        if source._kind("") != "directory":
            raise UnreadableFile(
                f"There is no directory {subdirectory or str(root)!r}.",
                next_step="Set the service's path to a directory of the repository.",
            )
        return source

    def has(self, path: str) -> bool:
        """Whether `path` is a regular file."""
        return self._kind(path) == "file"

    def has_directory(self, path: str) -> bool:
        return self._kind(path) == "directory"

    def first(self, *paths: str) -> str | None:
        """The first of `paths` that is a regular file."""
        return next((path for path in paths if self.has(path)), None)

    def names(self, path: str = "") -> tuple[str, ...]:
        """Sorted names in the directory `path`, at most `LIST_LIMIT`; empty when it is not a directory."""
        if not self.has_directory(path):
            return ()
        with os.scandir(self._inside(path)) as entries:
            return tuple(sorted(entry.name for entry, _ in zip(entries, range(LIST_LIMIT), strict=False)))

    def read_bytes(self, path: str, *, limit: int = FILE_LIMIT) -> bytes | None:
        """The file's content, or None when there is none. Raises this module's errors."""
        try:
            # A FIFO would block for ever, hence O_NONBLOCK and the look at what was opened.
            handle = os.open(self._inside(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(path, error.strerror or "it cannot be opened") from error
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _unreadable(path, "it is not a regular file")
            content = file.read(limit + 1)
        if len(content) > limit:
            raise FileTooLong(
                f"{path} is longer than {limit // 1024} KiB.",
                next_step=f"Shorten {path} to what it is for, and keep data elsewhere.",
                errors=[FieldError(path, f"is longer than {limit // 1024} KiB")],
            )
        return content

    def read(self, path: str, *, limit: int = FILE_LIMIT) -> str | None:
        """The file as UTF-8 text (a byte order mark is dropped), or None when there is none."""
        content = self.read_bytes(path, limit=limit)
        if content is None:
            return None
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise UnreadableFile(
                f"{path}:{line}: this line is not UTF-8 text.",
                next_step=f"Save {path} with the encoding UTF-8.",
                errors=[FieldError(f"{path}:{line}", "is not UTF-8 text")],
            ) from error

    def _kind(self, path: str) -> Kind | None:
        try:
            mode = self._inside(path).stat().st_mode
        except OSError:  # absent, a loop of links, or not to be entered: nothing that detection could use
            return None
        return "file" if stat.S_ISREG(mode) else "directory" if stat.S_ISDIR(mode) else None

    def _inside(self, path: str) -> Path:
        """The real path of `path`, with links followed; raises `FileLeavesSource` when that is outside of the root."""
        asked = PurePosixPath(self.subdirectory, path)
        real = Path(os.path.realpath(self.root / asked)) if "\0" not in path else Path("/")
        if asked.is_absolute() or ".." in asked.parts or not real.is_relative_to(self.root):
            shown = str(asked)[:200]
            raise FileLeavesSource(
                f"{shown} leads out of the source.",
                next_step=f"Replace {shown} by a file inside the repository.",
                errors=[FieldError(shown, "leads out of the source")],
            )
        return real


def _unreadable(path: str, why: str) -> UnreadableFile:
    return UnreadableFile(
        f"{path} cannot be read: {why}.",
        next_step=f"Make {path} a readable, ordinary file, or remove it.",
        errors=[FieldError(path, why)],
    )
