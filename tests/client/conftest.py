"""A canned installation for tests of the client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from highroad.client.api import Client
from tests.client.canned import Canned, serving


@pytest.fixture
def canned() -> Iterator[Canned]:
    with serving() as server:
        yield server


@pytest.fixture
def waits() -> list[float]:
    """The pauses that the client made, none of which took any time."""
    return []


@pytest.fixture
def client(canned: Canned, waits: list[float]) -> Iterator[Client]:
    with Client(canned.url, "hr_secret", pause=waits.append) as made:
        yield made
