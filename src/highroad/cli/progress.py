"""One moving line on a terminal while something takes long: a spinner, what is happening, and for how long.

Used by `following`. Off a terminal it does nothing at all. It owns a thread, because what it waits for blocks.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PERIOD = 0.1
_ERASE = "\r\x1b[2K"


class Progress:
    """Shows `label` until the `with` block ends. `hidden()` takes the line away while something else is printed."""

    def __init__(self, label: str, *, wanted: bool, stream: TextIO | None = None) -> None:
        self.label = label
        self._stream = stream or sys.stderr
        self._shown = wanted and self._stream.isatty()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._spin, name="progress", daemon=True)

    def __enter__(self) -> Progress:
        if self._shown:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._stopped.set()
            self._thread.join()
            self._write(_ERASE)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        with self._lock:
            if self._shown:
                self._write(_ERASE)
            yield

    def _spin(self) -> None:
        frame = 0
        while not self._stopped.wait(_PERIOD):
            frame = (frame + 1) % len(_FRAMES)
            with self._lock:
                seconds = int(time.monotonic() - self._started)
                self._write(f"{_ERASE}{_FRAMES[frame]} {self.label} · {seconds} s")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
