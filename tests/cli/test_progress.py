"""The moving line: on a terminal, and nowhere else."""

from __future__ import annotations

import io
import time

from highroad.cli.progress import Progress
from tests.cli.test_output import Terminal


def test_off_a_terminal_nothing_is_written() -> None:
    stream = io.StringIO()
    with Progress("Deploying", wanted=True, stream=stream) as progress, progress.hidden():
        pass
    assert stream.getvalue() == ""


def test_on_a_terminal_it_shows_what_takes_how_long_and_cleans_up() -> None:
    terminal = Terminal()
    with Progress("Deploying", wanted=True, stream=terminal):
        deadline = time.monotonic() + 5
        while "Deploying · 0 s" not in terminal.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "Deploying · 0 s" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[2K")
