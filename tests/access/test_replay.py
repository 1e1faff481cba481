"""The dry run: what a policy would have changed in the last days, and what cannot be said."""

from __future__ import annotations

from dataclasses import replace as but
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from highroad.access import company_policies, grants, replay
from highroad.access.model import Actor, User
from highroad.access.permissions import NotAllowed, require
from highroad.access.places import Place
from highroad.access.replay import Replayed
from highroad.db.engine import Database, Transaction
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.events.store import events as table
from highroad.kit.clock import now, rfc3339
from highroad.kit.ids import new_id
from highroad.projects.places import recorded_place
from tests.access.staff import Staff, sqlite_alone, staff_of

__all__ = ["sqlite_alone"]

PRODUCTION = """forbid(principal, action == Action::"deployment:write", resource)
when { resource has mode && resource.mode == "production" };"""


@pytest.fixture
def staff(db: Database) -> Staff:
    return staff_of(db)


@pytest.fixture
def dev(staff: Staff) -> User:
    user = staff.user("dev")
    staff.give(user, "deployer")
    return user


def deploy(staff: Staff, log: EventLog, actor: Actor, mode: str, *, kind: str = "deploy", **custom: object) -> None:
    """What a deployment leaves in the log."""
    require(actor, "deployment:write", staff.at(mode))
    event = Event(
        events.DEPLOYMENT_QUEUED,
        "dep_1",
        {"kind": kind},
        project="shop",
        environment=mode,
        service="web",
        custom=custom,
    )
    with staff.db.begin() as tx:
        log.append(tx, event, actor)


def again(staff: Staff, time: datetime) -> None:
    """The newest event once more, at another time."""
    with staff.db.begin() as tx:
        row = dict(tx.execute(select(table).order_by(table.c.seq.desc()).limit(1)).mappings().one())
        del row["seq"]
        tx.execute(insert(table).values(row | {"id": new_id("evt"), "time": rfc3339(time)}))


def dry_run(staff: Staff, text: str | None, days: int = 30) -> Replayed:
    """The service `web` is not there: places are those of environments."""

    def find(tx: Transaction, project: str, environment: str | None, service: str | None) -> Place | None:
        place = recorded_place(tx, project, environment, None)
        return place.of_service(service) if place and service else place

    with staff.db.read() as tx:
        return replay.replay(tx, company_policies.with_candidate(tx, "calm", text), find, days=days)


def test_it_says_what_would_have_been_refused(staff: Staff, log: EventLog, dev: User) -> None:
    for mode in ("production", "staging", "production"):
        deploy(staff, log, staff.actor(dev), mode)
    found = dry_run(staff, PRODUCTION)
    assert (found.decisions, len(found.refused), found.allowed) == (3, 2, ())
    first = found.refused[0]
    assert (first.actor, first.action, str(first.place)) == (dev.email, "deployment:write", "shop/production/web")
    assert first.policy == "the policy calm (version 1)"
    assert first.unknown == ()


def test_a_policy_that_changes_nothing_says_so(staff: Staff, log: EventLog, dev: User) -> None:
    deploy(staff, log, staff.actor(dev), "staging")
    assert dry_run(staff, PRODUCTION).refused == ()


def test_taking_a_policy_away_says_what_would_have_been_allowed(
    staff: Staff, log: EventLog, dev: User, admin: Actor
) -> None:
    with staff.db.begin() as tx:
        company_policies.apply(tx, log, admin, name="calm", text=PRODUCTION)
    actor = staff.actor(dev)
    with pytest.raises(NotAllowed):
        require(actor, "deployment:write", staff.at("production"))
    with staff.db.begin() as tx:
        log.append(tx, Event(events.ACCESS_REFUSED, "x", project="shop", environment="production"), actor)
    found = dry_run(staff, None)
    assert [each.action for each in found.allowed] == ["deployment:write"]
    assert found.allowed[0].policy == "the policy calm (version 1)"


def test_circumstances_that_the_log_tells_are_used(staff: Staff, log: EventLog, dev: User) -> None:
    for kind in ("deploy", "rollback"):
        deploy(staff, log, staff.actor(dev), "production", kind=kind)
    text = 'forbid(principal, action, resource) when { context has kind && context.kind == "deploy" };'
    assert len(dry_run(staff, text).refused) == 1


def test_circumstances_that_it_does_not_tell_are_named(staff: Staff, log: EventLog, dev: User) -> None:
    deploy(staff, log, staff.actor(dev), "production")
    text = """forbid(principal, action == Action::"deployment:write", resource)
    unless { context has tests_passed && context.tests_passed };"""
    assert [each.unknown for each in dry_run(staff, text).refused] == [("tests_passed",)]


def test_the_clock_is_that_of_then(staff: Staff, log: EventLog, dev: User) -> None:
    deploy(staff, log, staff.actor(dev), "production")
    friday = now().astimezone(UTC)
    while friday.weekday() != 4:
        friday -= timedelta(days=1)
    again(staff, friday.replace(hour=12))
    found = dry_run(staff, 'forbid(principal, action, resource) when { context.weekday == "fri" };')
    today = now().weekday() == 4
    assert len(found.refused) == 1 + today


def test_one_request_is_decided_once_however_many_events_it_wrote(staff: Staff, log: EventLog, dev: User) -> None:
    actor = but(staff.actor(dev), request="req_1")
    deploy(staff, log, actor, "production")
    deploy(staff, log, actor, "production")
    assert dry_run(staff, PRODUCTION).decisions == 1


def test_what_cannot_be_decided_again_is_counted_and_not_guessed(staff: Staff, log: EventLog, dev: User) -> None:
    leaver = staff.user("lea")
    grant = staff.give(leaver, "deployer")
    deploy(staff, log, staff.actor(leaver), "production")
    with staff.db.begin() as tx:
        grants.remove_grant(tx, grant)
    actor = staff.actor(dev)
    require(actor, "deployment:write", staff.at("staging"))
    with staff.db.begin() as tx:
        log.append(tx, Event(events.DEPLOYMENT_QUEUED, "dep_2", project="gone", environment="production"), actor)
    found = dry_run(staff, PRODUCTION)
    assert (found.decisions, found.left_out, found.refused) == (0, 2, ())


def test_it_looks_no_further_back_than_asked(staff: Staff, log: EventLog, dev: User) -> None:
    deploy(staff, log, staff.actor(dev), "production")
    again(staff, now() - timedelta(days=8))
    assert dry_run(staff, PRODUCTION, days=7).decisions == 1
    assert dry_run(staff, PRODUCTION, days=9).decisions == 2


def test_owners_are_not_kept_from_policies_in_a_dry_run_either(staff: Staff, log: EventLog, admin: Actor) -> None:
    with staff.db.begin() as tx:
        company_policies.apply(tx, log, admin, name="other", text=PRODUCTION)
    found = dry_run(staff, "forbid(principal, action, resource);")
    assert found.decisions == 1
    assert found.refused == ()
