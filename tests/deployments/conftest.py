"""A stage of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from highroad.drivers.memory import MemoryDriver
from highroad.routing.memory import MemoryRouter
from tests.deployments.stage import Stage, composed, settings_in, staged
from tests.pipelines.yard import Yard


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    driver, router = MemoryDriver(), MemoryRouter(settings_in(tmp_path))
    platform = composed(tmp_path, driver, router)
    yield staged(platform, driver, router)
    platform.context.db.close()


@pytest.fixture
def yard(stage: Stage, tmp_path: Path) -> Yard:
    """The stage with a clone to push from."""
    return Yard(stage, tmp_path / "clone")
