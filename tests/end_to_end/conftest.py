"""One real installation for each test process; what it started is stopped also when a test fails."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installation import Installation, wait


@pytest.fixture(scope="session")
def whole_installation() -> Iterator[Installation]:
    made = Installation(Path(tempfile.mkdtemp(prefix="hr-e2e-")), number=os.getpid() % 100)
    made.home.chmod(0o755)
    try:
        made.up()
        yield made
    finally:
        made.dismantle()
    assert made.processes() == []


@pytest.fixture
def installation(whole_installation: Installation) -> Iterator[Installation]:
    """It answers before the test, and after it whatever the test did to it."""
    wait(whole_installation.answers)
    yield whole_installation
    wait(whole_installation.answers)
