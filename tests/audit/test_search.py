"""Searching the audit log: by anything that is known, newest first, on both databases, without missing anything."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from highroad.access.model import Actor, Decided, Decisions
from highroad.access.places import ORGANIZATION
from highroad.audit.search import BadFilter, Query, newest, oldest_first, search
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.events.model import DEPLOYMENT_QUEUED, SERVICE_DEPLOYED, USER_SIGNED_IN, Event, EventType
from highroad.kit.clock import now
from highroad.kit.paging import BadPageToken, PageRequest

ADA = Actor(
    "usr_01k0000000000000000000000a", "eve@example.com", "user", "cli", address="10.2.0.7", request="req_ada00000"
)
BEN = Actor("usr_01k0000000000000000000000b", "bob@example.com", "user", "portal", address="203.0.113.9")


def write(db: Database, log: EventLog, who: Actor, type: EventType = SERVICE_DEPLOYED, **values: Any) -> str:
    with db.begin() as tx:
        return log.append(tx, Event(type, values.pop("subject", "svc_1"), values.pop("content", {}), **values), who)


def found(db: Database, query: Query, size: int = 50) -> list[str]:
    with db.read() as tx:
        return [each.id for each in search(tx, query, PageRequest(size)).items]


@pytest.fixture
def written(db: Database, log: EventLog) -> list[str]:
    """Three events of Ada's and Ben's, oldest first."""
    decided = Decided("deployment:write", ORGANIZATION, "role:deployer,company:fridays@2#0")
    token = replace(ADA, token="tok_1", decisions=Decisions(decided))
    return [
        write(db, log, BEN, USER_SIGNED_IN, subject=BEN.id, content={"name": "100%_Müller"}),
        write(db, log, token, project="shop", environment="production", service="web"),
        write(db, log, ADA, DEPLOYMENT_QUEUED, subject="dep_1", project="blog"),
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), [2, 1, 0]),
        (Query(actor="eve@example.com"), [2, 1]),
        (Query(actor=BEN.id), [0]),
        (Query(actor_kind="user", origin="portal"), [0]),
        (Query(token="tok_1"), [1]),
        (Query(address="10.2.0.7"), [2, 1]),
        (Query(address="10.2."), [2, 1]),
        (Query(address="10.0.0.0/12"), [2, 1]),
        (Query(address="203.0.113.9/32"), [0]),
        (Query(address="10.3.0.0/16"), []),
        (Query(action="deployment:*"), [1]),
        (Query(type="user"), [0]),
        (Query(type="user.signedin"), [0]),
        (Query(type="dev.cdevents."), [1]),
        (Query(type="use"), []),
        (Query(project="shop", environment="production", service="web"), [1]),
        (Query(subject="dep_1"), [2]),
        (Query(decision="allowed"), [1]),
        (Query(policy="company:fridays"), [1]),
        (Query(request="req_ada00000"), [2, 1]),
        (Query(text="müller"), [0]),
        (Query(text="100%_m"), [0]),
        (Query(text="100x_m"), []),
        (Query(actor="eve@example.com", text="SHOP"), [1]),
    ],
    ids=lambda value: ",".join(value.given()) if isinstance(value, Query) else None,
)
def test_events_are_found_by_whatever_is_known(
    db: Database, written: list[str], query: Query, expected: list[int]
) -> None:
    assert [each for each in found(db, query) if each in written] == [written[index] for index in expected]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the time of the events that are appended next."""
    return lambda instant: monkeypatch.setattr("highroad.events.store.now", lambda: instant)


def test_a_time_range_has_its_beginning_and_not_its_end(
    db: Database, log: EventLog, clock: Callable[[datetime], None]
) -> None:
    start, ids = now() - timedelta(hours=20), []
    for hours in range(3):
        clock(start + timedelta(hours=hours))
        ids.append(write(db, log, ADA))
    query = Query(actor="eve@example.com", since=start, until=start + timedelta(hours=2))
    assert found(db, query) == [ids[1], ids[0]]


def test_an_event_written_late_in_its_transaction_is_in_its_time_range(
    db: Database, log: EventLog, clock: Callable[[datetime], None]
) -> None:
    """Its number is higher than that of events which claim to be younger."""
    write(db, log, ADA)
    clock(now() - timedelta(minutes=5))
    late = write(db, log, ADA)
    assert found(db, Query(actor="eve@example.com", until=now() - timedelta(minutes=4))) == [late]


def pages(db: Database, query: Query, size: int, window: int) -> Iterator[list[str]]:
    token: str | None = None
    while True:
        with db.read() as tx:
            page = search(tx, query, PageRequest(size, token), seconds=0, window=window)
        yield [each.id for each in page.items]
        if page.next_page_token is None:
            return
        token = _key(page.next_page_token)


def _key(token: str) -> str:
    return str(json.loads(base64.urlsafe_b64decode(token + "=="))[0])


@pytest.mark.parametrize(("size", "window"), [(1, 2), (2, 3), (3, 1), (50, 4)])
def test_a_search_that_stops_half_way_goes_on_where_it_stopped(
    db: Database, log: EventLog, size: int, window: int
) -> None:
    mine = [write(db, log, ADA if number % 3 else BEN) for number in range(12)]
    wanted = [id for number, id in enumerate(mine) if number % 3 == 0][::-1]
    seen = list(pages(db, Query(actor="bob@example.com", origin="portal"), size, window))
    assert [id for page in seen for id in page] == wanted
    assert max(len(page) for page in seen) <= size


def test_what_is_appended_meanwhile_shifts_no_page(db: Database, log: EventLog) -> None:
    ids = [write(db, log, ADA) for _ in range(3)]
    query = Query(actor="eve@example.com")
    with db.read() as tx:
        first = search(tx, query, PageRequest(2))
    write(db, log, ADA)
    assert first.next_page_token is not None
    with db.read() as tx:
        second = search(tx, query, PageRequest(2, _key(first.next_page_token)))
    assert [each.id for each in (*first.items, *second.items)] == ids[::-1]


@pytest.mark.parametrize(
    "query",
    [
        Query(address="10.2.0.0/33"),
        Query(address="10.0.0.0/25"),
        Query(address="0.0.0.0/0"),
        Query(address="drop table"),
        Query(text="  "),
        Query(actor="a" * 301),
        Query(project="a\0b"),
    ],
    ids=lambda query: next(iter(query.given())),
)
def test_a_filter_that_means_nothing_is_refused(db: Database, query: Query) -> None:
    with pytest.raises(BadFilter):
        found(db, query)


@pytest.mark.parametrize("key", ["x", "-1", "1.5", "9" * 30])
def test_a_page_token_of_another_list_is_refused(db: Database, key: str) -> None:
    with db.read() as tx, pytest.raises(BadPageToken):
        search(tx, Query(), PageRequest(5, key))


def test_everything_is_gone_through_from_the_oldest_on(db: Database, log: EventLog) -> None:
    ids = [write(db, log, ADA) for _ in range(7)]
    position, seen = 0, []
    with db.read() as tx:
        upto = newest(tx)
        while position < upto:
            piece, position = oldest_first(tx, Query(actor="eve@example.com"), after=position, upto=upto, limit=3)
            seen += [each.id for each in piece]
    assert seen == ids
