"""Give files of Highroad to the user that a sandbox runs as. Called by builds before a command that writes."""

from __future__ import annotations

import os
from pathlib import Path

from highroad.sandbox.model import Level


def hand_over(directory: Path, uid: int | None, gid: int | None, *, level: Level) -> None:
    """Make `uid` and `gid` own `directory` and all in it. Without root, one user owns all: nothing to do."""
    if not level.root or uid is None or gid is None:
        return
    os.chown(directory, uid, gid, follow_symlinks=False)
    for root, folders, files in os.walk(directory):
        for name in (*folders, *files):
            os.chown(Path(root, name), uid, gid, follow_symlinks=False)
