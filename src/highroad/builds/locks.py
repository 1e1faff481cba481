"""Locks between builders of the same thing, in other threads and other processes. Used by `cache` and `artifacts`.

flock(2) locks belong to an open file: they exclude threads and processes alike and vanish with a process, however it
ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PATIENCE = 0.02


@contextmanager
def locked(path: Path, *, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file `path`. While another has it `waiting` is called about fifty times a second; it may raise."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _taken(descriptor):
                waiting()
                time.sleep(_PATIENCE)
            # Whoever held it may have deleted the file; then a third one may lock a new file of the same name.
            if _still_there(descriptor, path):
                yield
                return
        finally:
            os.close(descriptor)


@contextmanager
def locked_or_skipped(path: Path) -> Iterator[bool]:
    """Try for the lock and yield whether it was free; a free one is deleted afterwards, as is its file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        free = _taken(descriptor) and _still_there(descriptor, path)
        yield free
        if free:
            with suppress(FileNotFoundError):
                path.unlink()
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _still_there(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.fstat(descriptor).st_ino == there.st_ino
