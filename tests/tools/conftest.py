"""Fixtures of the tests of what stands between a fresh clone and a running Highroad."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.clone import Clone, make_clone


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """With a space in its path, as a checkout may have."""
    return make_clone(tmp_path / "a clone", tmp_path / "bin")
