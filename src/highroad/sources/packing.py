"""Keeps `git gc` and a backup apart: repacking removes the files that a backup has listed and not read yet.

`Repository.maintain` asks before it packs, the backup holds packing off for as long as it reads. flock(2) locks
exclude threads and processes alike and vanish with a process, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".packing.lock"


@contextmanager
def may_pack(repositories: Path) -> Iterator[bool]:
    """Whether repositories in this directory may be packed now; while that block runs, no backup begins to read."""
    with _opened(repositories) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def no_packing(repositories: Path) -> Iterator[None]:
    """Nothing is packed inside this block. Waits until what is being packed is done."""
    with _opened(repositories) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextmanager
def _opened(repositories: Path) -> Iterator[int]:
    descriptor = os.open(repositories / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
