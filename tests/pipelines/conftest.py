"""A stage with a clone to push from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from highroad.drivers.memory import MemoryDriver
from highroad.routing.memory import MemoryRouter
from tests.deployments.stage import composed, settings_in, staged
from tests.pipelines.yard import Yard


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    driver, router = MemoryDriver(), MemoryRouter(settings_in(tmp_path))
    platform = composed(tmp_path, driver, router)
    yield Yard(staged(platform, driver, router), tmp_path / "clone")
    platform.context.db.close()
