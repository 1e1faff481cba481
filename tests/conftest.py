"""Fixtures for the tests of every package."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import postgres


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a private PostgreSQL server's database `postgres`; one server per test process. Skips without one."""
    programs = postgres.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine: install Debian's `postgresql` or put `initdb` on PATH")
    with postgres.server(programs) as url:
        yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test's own."""
    with postgres.database(postgres_url) as url:
        yield url
