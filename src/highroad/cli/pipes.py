"""How to end when nobody reads our output any more. Called by `main` and `boundary`."""

from __future__ import annotations

import os
import sys


def quiet_pipe() -> int:
    """The reader of our output is gone (`... | head`): say nothing, also not at exit. 141 is 128 + SIGPIPE."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141
