"""The two people of the template as actors."""

from __future__ import annotations

from dataclasses import replace

import pytest
from argon2 import PasswordHasher

from highroad.access import secrets
from highroad.access.model import Actor
from tests.world import People, actor_of


@pytest.fixture
def admin(people: People) -> Actor:
    return actor_of(people.admin)


@pytest.fixture
def member(people: People) -> Actor:
    return actor_of(people.member)


@pytest.fixture
def in_portal(member: Actor) -> Actor:
    """The member as somebody who is signed in to the portal."""
    return replace(member, session="a session", origin="portal")


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing as it is meant takes longer than all the rest of these tests; `test_secrets` does it in earnest."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(secrets, "_hasher", quick)
    monkeypatch.setattr(secrets, "_DUMMY", quick.hash("nobody's"))
