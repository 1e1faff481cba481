"""Engines on real databases. There is one engine in a process at a time, so each test destroys what it built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from highroad.workflows.engine import Engine
from highroad.workflows.run import Retry

Build = Callable[..., Engine]


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/highroad.sqlite"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def build(database_url: str) -> Iterator[Build]:
    """Builds engines on the same database, each after the one before was destroyed; the last is destroyed here."""
    built: list[Engine] = []

    def build_one(*, version: str = "1.0", executor: str = "one", **options: Any) -> Engine:
        engine = Engine(
            database_url, version=version, executor=executor, **{"retry": Retry(attempts=3, first=0.01), **options}
        )
        built.append(engine)
        return engine

    yield build_one
    for engine in built:
        engine.destroy(grace=0.2)
