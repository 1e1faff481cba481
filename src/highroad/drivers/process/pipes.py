"""The named pipes between instances and the collector, from the driver's side: make one, and let one go without loss.

`collector.py` describes the files. What is in a pipe is lost when nobody has it open any more.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import termios
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_DRAIN_SECONDS = 1.0
_OPEN_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0


def make(pipe: Path, words: Sequence[str], *, owner: int | None, hidden: Collection[bytes] = ()) -> None:
    """A pipe and its description (directory of the stream, label, instance; what is to be masked).

    Returns when the collector has it open (unless there is none for now): what an app that ends at once has to say
    would be lost otherwise.

    The `owner` is the instance's user, because some web servers open `/dev/stdout` anew. `hidden` are forms of secrets
    without line ends; they are kept as the instance's variables are, in a file of ours alone that goes with it.
    """
    pipe.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _keep(pipe.with_suffix(".mask"), hidden)
    pipe.with_suffix(".meta").write_text("\n".join(words) + "\n")
    with suppress(FileExistsError):
        os.mkfifo(pipe, 0o600)
    if owner is not None:
        os.chown(pipe, owner, owner)
    deadline = time.monotonic() + _OPEN_SECONDS
    while _ring(pipe.parent) and not _is_read(pipe) and time.monotonic() < deadline:
        time.sleep(0.002)


@contextmanager
def held(pipe: Path) -> Iterator[None]:
    """Keep what is in the pipe while its instance ends, and wait (at most a second) until the collector has it."""
    try:
        descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        yield
        return
    try:
        yield
        deadline = time.monotonic() + _DRAIN_SECONDS
        while _waiting(descriptor) and _ring(pipe.parent) and time.monotonic() < deadline:
            time.sleep(0.005)
    finally:
        os.close(descriptor)


class Feed:
    """Writes into a pipe what a command of ours prints. Without a collector its lines are lost: a command must not
    stand still because nobody stores its log."""

    def __init__(self, pipe: Path) -> None:
        # Both ways: so it neither waits for a reader nor fails without one.
        self._descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        self._room = select.poll()
        self._room.register(self._descriptor, select.POLLOUT)
        self._patience = _PATIENCE_SECONDS

    def write(self, data: bytes) -> None:
        while data:
            if not self._room.poll(int(self._patience * 1000)):
                self._patience = 0.0
                return
            with suppress(BlockingIOError):
                data = data[os.write(self._descriptor, data) :]
                self._patience = _PATIENCE_SECONDS

    def close(self) -> None:
        os.close(self._descriptor)


def remove(pipe: Path) -> None:
    pipe.unlink(missing_ok=True)
    for suffix in (".meta", ".mask", ".held"):
        pipe.with_suffix(suffix).unlink(missing_ok=True)
    _ring(pipe.parent)


def _keep(file: Path, hidden: Collection[bytes]) -> None:
    if not hidden:
        file.unlink(missing_ok=True)
        return
    partial = file.with_suffix(".mask-partial")
    partial.touch(mode=0o600)
    partial.write_bytes(b"\n".join(sorted(hidden)))
    partial.replace(file)


def _is_read(pipe: Path) -> bool:
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:  # ENXIO, fifo(7)
        return False
    return True


def _waiting(descriptor: int) -> int:
    """Bytes in the pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]


def _ring(directory: Path) -> bool:
    """Have the collector look; False when there is none."""
    try:
        descriptor = os.open(directory / "bell", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # no bell, or nobody hears it
        return False
    with suppress(BlockingIOError):
        os.write(descriptor, b"!")
    os.close(descriptor)
    return True
