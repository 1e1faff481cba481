"""make decides by itself, and at once, whether the environment has to be made."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.tools.clone import Clone

_FAKE_BOOTSTRAP = """\
#!/bin/sh
echo "installing $1"
mkdir -p .venv/bin
pwd >.venv/.checkout
printf '#!/bin/sh\\n' >.venv/bin/python
chmod +x .venv/bin/python
touch .venv/.run
if [ "$1" = dev ]; then touch .venv/.dev; fi
"""


@pytest.fixture
def made(clone: Clone) -> Clone:
    """A clone whose bootstrap only says that it was called, and which was bootstrapped once."""
    for name in ("make", "test", "mkdir", "chmod", "mv", "sed", "ln"):
        clone.link(name)
    (clone.directory / "tools" / "bootstrap").write_text(_FAKE_BOOTSTRAP)
    assert "installing run" in clone.run("make", ".venv/.run").stdout
    return clone


def test_a_second_run_installs_nothing(made: Clone) -> None:
    assert "installing" not in made.run("make", ".venv/.run").stdout


def test_changed_requirements_are_installed(made: Clone) -> None:
    stamp = made.directory / ".venv" / ".run"
    os.utime(stamp, (0, 0))  # older than every file it depends on, whatever the clock's grain
    assert "installing run" in made.run("make", ".venv/.run").stdout


def test_a_moved_checkout_is_set_up_anew(made: Clone, tmp_path: Path) -> None:
    moved = Clone(made.directory.rename(tmp_path / "elsewhere"), made.programs)
    assert "installing run" in moved.run("make", ".venv/.run").stdout


def test_a_removed_python_is_noticed(made: Clone) -> None:
    (made.directory / ".venv" / "bin" / "python").unlink()
    assert "installing run" in made.run("make", ".venv/.run").stdout


def test_help_lists_every_target(clone: Clone) -> None:
    clone.link("make")
    clone.link("sed")
    targets = re.findall(r"^\.PHONY: ([a-z]+)$", (clone.directory / "Makefile").read_text(), re.MULTILINE)
    said = clone.run("make", "help").stdout
    assert targets
    assert [target for target in targets if f"make {target} " not in said] == []
