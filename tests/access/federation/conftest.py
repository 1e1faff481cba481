"""A provider on the loopback for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.access.federation.provider import Provider, running


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as served:
        yield served
