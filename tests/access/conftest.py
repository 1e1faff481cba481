"""The two people of the template as actors."""

from __future__ import annotations

import pytest

from highroad.access.model import Actor
from tests.world import People, actor_of


@pytest.fixture
def admin(people: People) -> Actor:
    return actor_of(people.admin)


@pytest.fixture
def member(people: People) -> Actor:
    return actor_of(people.member)
