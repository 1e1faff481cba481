"""Asks test runners for JUnit XML where they can write it. Used by language detection and by `overlay`.

`$HIGHROAD_JUNIT` names the file to write; the pipeline sets it and reads the file afterwards.
"""

from __future__ import annotations

import re

JUNIT = "$HIGHROAD_JUNIT"
PYTEST = 'python -m pytest --junitxml="$HIGHROAD_JUNIT"'
_PLAIN_PYTEST = re.compile(r"(?:python3? -m )?pytest(?: [^|&;<>`$()\n]*)?")


def with_junit(command: str) -> tuple[str, str | None]:
    """The command, asked for JUnit XML when it is a plain call of pytest, and where that will be (None: nowhere)."""
    if "HIGHROAD_JUNIT" in command:
        return command, JUNIT
    if _PLAIN_PYTEST.fullmatch(command.strip()) and "--junit" not in command and " -- " not in command:
        return f'{command.strip()} --junitxml="{JUNIT}"', JUNIT
    return command, None
