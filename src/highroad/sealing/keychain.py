"""Where an installation finds its master key, and how that one is replaced without a moment in which it is lost.

`DATA/master.key` is never overwritten. A new one is written beside it as `master.key.next`, the data keys are wrapped
anew in one transaction, and only then the two change places; the old one stays as `master.key.old-ID`, because backups
of before need it. A death in between is mended at the next start: the database says which key it is wrapped with.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from highroad.sealing.errors import LooseMasterKey, MasterKeyElsewhere
from highroad.sealing.master import KEY_BYTES, LocalKey, MasterKey, from_base64, from_words

FILE = "master.key"
KEY, COMMAND, PREVIOUS = "HIGHROAD_MASTER_KEY", "HIGHROAD_MASTER_KEY_COMMAND", "HIGHROAD_MASTER_KEY_PREVIOUS"
VARIABLES = (KEY, COMMAND, PREVIOUS)
"""Environment variables that say where the master key is; `highroad up` hands them to the control plane."""


class Keychain:
    """Of the installation in `data`; `environ` may name another place for the key than its file."""

    def __init__(self, data: Path, environ: Mapping[str, str] = os.environ) -> None:
        self.file = data / FILE
        self._environ = environ

    @property
    def own(self) -> bool:
        """Whether the key is the file, which Highroad can make and replace itself."""
        return not (self._environ.get(KEY) or self._environ.get(COMMAND))

    def present(self) -> MasterKey | None:
        """The key that is given now; None when it would be the file and there is none."""
        if self._environ.get(COMMAND):
            return from_words(self._environ[COMMAND])
        if self._environ.get(KEY):
            return from_base64(self._environ[KEY], KEY)
        return read_key(self.file)

    def previous(self) -> MasterKey | None:
        """The key before, when somebody moves to another one: `HIGHROAD_MASTER_KEY_PREVIOUS` is `file`, `command`, or
        base64."""
        given = self._environ.get(PREVIOUS, "")
        if given == "file":
            return read_key(self.file)
        if given.startswith("command "):
            return from_words(given.removeprefix("command "))
        return from_base64(given, PREVIOUS) if given else None

    def make(self) -> MasterKey:
        """A first key in the file, or the one that somebody else made in this moment."""
        with contextlib.suppress(FileExistsError):
            write_key(self.file, os.urandom(KEY_BYTES))
        made = read_key(self.file)
        assert made is not None, "it was just written"
        return made

    # Replacing the file

    def prepare_next(self) -> LocalKey:
        """The key to come, written beside the present one; one that an earlier attempt left is taken."""
        if not self.own:
            raise MasterKeyElsewhere(
                f"The master key comes from {self.present()}.",
                next_step=f"Set {KEY} to the new key and {PREVIOUS} to the old one, then: highroad up",
            )
        with contextlib.suppress(FileExistsError):
            write_key(self._next, os.urandom(KEY_BYTES))
        made = read_key(self._next)
        assert made is not None, "it was just written"
        return made

    def adopt(self, id: str) -> LocalKey | None:
        """Let the next key take its place, if it is the one with this id: the data keys are wrapped with it by now."""
        coming = read_key(self._next) if self.own else None
        if coming is None or coming.id != id:
            return None
        leaving = read_key(self.file)
        if leaving is not None and leaving.id != id:
            self.file.rename(self.file.with_name(f"{FILE}.old-{leaving.id}"))
        self._next.rename(self.file)
        _sync(self.file.parent)
        return read_key(self.file)

    def old_files(self) -> list[str]:
        """Names of keys that only backups need by now."""
        return sorted(path.name for path in self.file.parent.glob(f"{FILE}.old-*"))

    @property
    def _next(self) -> Path:
        return self.file.with_name(f"{FILE}.next")


def read_key(file: Path) -> LocalKey | None:
    """The key in a file, None when there is no such file. Raises `LooseMasterKey`, `BadMasterKey`."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LooseMasterKey(
            f"{file} cannot be opened as a file of its own: {error.strerror}.",
            next_step=f"Put the key itself there, owned by the user of Highroad, with mode 0600: chmod 600 {file}",
        ) from error
    try:
        status = os.fstat(descriptor)
        _require_tight(file, status)
        return LocalKey(os.read(descriptor, KEY_BYTES + 1), str(file))
    finally:
        os.close(descriptor)


def _require_tight(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise LooseMasterKey(f"{file} is no regular file.", next_step="Put the key itself there.")
    if status.st_uid != os.geteuid():
        raise LooseMasterKey(
            f"{file} belongs to the user {status.st_uid}, and Highroad runs as {os.geteuid()}.",
            next_step=f"If nobody else knows the key: chown {os.geteuid()} {file}",
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise LooseMasterKey(
            f"{file} has the mode {mode:04o}: others than its owner can use it.",
            next_step=f"chmod 600 {file}, and if somebody may have read it: highroad sealing rotate --master",
        )


def write_key(file: Path, key: bytes) -> None:
    """Write a key for good, whole or not at all. Raises `FileExistsError` and overwrites nothing."""
    partial = file.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.write(descriptor, key)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.link(partial, file)
    finally:
        partial.unlink(missing_ok=True)
    _sync(file.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
