"""A refused change is written into the event log, once a minute for the same, whatever became of its transaction."""

from __future__ import annotations

import pytest

from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed, require
from highroad.access.places import ORGANIZATION, Place
from highroad.access.refusals import refused
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.events.model import ACCESS_REFUSED, Recorded
from highroad.events.store import latest
from tests.access.staff import Staff, sqlite_alone, staff_of

__all__ = ["sqlite_alone"]


@pytest.fixture
def staff(db: Database) -> Staff:
    return staff_of(db)


@pytest.fixture
def viewer(staff: Staff) -> Actor:
    user = staff.user("vic")
    staff.give(user, "viewer")
    return staff.actor(user)


def refuse(staff: Staff, log: EventLog, actor: Actor, action: str, place: Place = ORGANIZATION) -> NotAllowed:
    with pytest.raises(NotAllowed) as raised:
        require(actor, action, place)
    refused(staff.db, log, actor, raised.value)
    return raised.value


def recorded(staff: Staff) -> list[Recorded]:
    with staff.db.read() as tx:
        return [each for each in latest(tx) if each.type == ACCESS_REFUSED.name]


def test_a_refused_change_is_recorded_with_who_what_and_where(staff: Staff, log: EventLog, viewer: Actor) -> None:
    refuse(staff, log, viewer, "deployment:write", staff.at("production").of_service("web"))
    event = recorded(staff)[0]
    assert (event.actor, event.action, event.decision, event.policy) == (
        "vic@example.com",
        "deployment:write",
        "refused",
        None,
    )
    assert (event.project, event.environment, event.service) == ("shop", "production", "web")


def test_the_same_again_within_a_minute_is_not(staff: Staff, log: EventLog, viewer: Actor) -> None:
    for _ in range(3):
        refuse(staff, log, viewer, "deployment:write", staff.at("production"))
    refuse(staff, log, viewer, "deployment:write", staff.at("staging"))
    refuse(staff, log, viewer, "lock:write", staff.at("staging"))
    assert [(each.action, each.environment) for each in recorded(staff)] == [
        ("deployment:write", "production"),
        ("deployment:write", "staging"),
        ("lock:write", "staging"),
    ]


def test_refused_reading_is_not_recorded_but_explained(staff: Staff, log: EventLog, viewer: Actor) -> None:
    error = refuse(staff, log, viewer, "secret:read", staff.at("production"))
    assert recorded(staff) == []
    assert "Ask somebody who can grant it" in error.next_step


def test_a_refusal_for_a_missing_scope_is_recorded_too(staff: Staff, log: EventLog, member: Actor) -> None:
    refuse(staff, log, member, "policy:write")
    assert [(each.action, each.project) for each in recorded(staff)] == [("policy:write", None)]
