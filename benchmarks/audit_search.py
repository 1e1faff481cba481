"""Searching 100,000 events of the audit log, by each kind of filter, and exporting them."""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert

from benchmarks.figures import Figure, percentile, summary
from highroad.audit import export
from highroad.audit.search import Query, search
from highroad.db.engine import Database
from highroad.db.migrate import migrate
from highroad.events.model import ALL_TYPES
from highroad.events.store import events
from highroad.kit.clock import now, rfc3339
from highroad.kit.ids import new_id
from highroad.kit.paging import PageRequest

EVENTS = 100_000
TIMES = 5
_PIECE = 5_000
_SPACING = timedelta(seconds=78)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="highroad-bench-") as place:
        database = Database(f"sqlite:///{Path(place) / 'events.sqlite'}")
        try:
            migrate(database)
            fill(database, EVENTS)
            return [*searches(database), exporting(database)]
        finally:
            database.close()


def searches(database: Database) -> list[Figure]:
    """One page of each; all of them together are the figure that has a target."""
    every: list[float] = []
    found = []
    for name, query in queries():
        seconds = [_seconds(database, query) for _ in range(TIMES)]
        every += seconds
        found.append(f"{name}: {summary(seconds)}")
    return [
        Figure(
            name=f"a page of a search of {EVENTS:,} events, p95",
            measured=percentile(every, 0.95) * 1000,
            unit="ms",
            target=50,
            split="\n".join(found),
        )
    ]


def queries() -> Iterator[tuple[str, Query]]:
    half = now() - _SPACING * (EVENTS // 2)
    yield "newest", Query()
    yield "a busy person", Query(actor="person1@example.com")
    yield "a person and a project", Query(actor="person2@example.com", project="project3")
    yield "types of one noun", Query(type="user")
    yield "a subject", Query(subject="svc_3")
    yield "a request that is not there", Query(request="req_none")
    yield "an hour, weeks ago", Query(since=half, until=half + timedelta(hours=1))
    yield "a network", Query(address="10.2.0.0/16")
    yield "a token that is not there", Query(token="tok_none")
    yield "refusals", Query(decision="refused")
    yield "a policy that decided nothing", Query(policy="company:none")
    yield "a text", Query(text="basket")
    yield "a text that is not there", Query(text="no such text")
    yield "a text in a project", Query(project="project3", text="no such text")


def exporting(database: Database) -> Figure:
    began = time.perf_counter()
    size = sum(len(piece) for piece in export.lines(database, Query(), "ocsf"))
    seconds = time.perf_counter() - began
    return Figure(
        name=f"an export of {EVENTS:,} events as OCSF",
        measured=seconds,
        unit="s",
        split=f"{size / 1e6:.0f} MB, {EVENTS / seconds:,.0f} events a second",
    )


def _seconds(database: Database, query: Query) -> float:
    began = time.perf_counter()
    with database.read() as tx:
        search(tx, query, PageRequest(50))
    return time.perf_counter() - began


def fill(database: Database, count: int) -> None:
    """Events of 300 people of 50 projects, some of them busier than others, 78 seconds apart until now."""
    chance = random.Random(1)
    people = [(f"person{number}@example.com", new_id("usr")) for number in range(300)]
    first = now() - _SPACING * count
    for start in range(0, count, _PIECE):
        numbers = range(start, min(start + _PIECE, count))
        rows = [_row(chance, people, number, rfc3339(first + _SPACING * number)) for number in numbers]
        with database.begin() as tx:
            tx.execute(insert(events), rows)


def _row(chance: random.Random, people: list[tuple[str, str]], number: int, at: str) -> dict[str, object]:
    person, person_id = people[min(len(people) - 1, int(chance.expovariate(1 / 40)))]
    project = f"project{chance.randrange(50)}"
    content = {
        "message": f"Fix the {chance.choice(['login', 'basket', 'search', 'mail'])} page number {number}",
        "commit": f"{chance.getrandbits(160):040x}",
        "uri": f"http://localhost:8080/projects/{project}",
    }
    data = {
        "context": {"specversion": "0.5.1", "source": "http://localhost:8080", "timestamp": at},
        "subject": {"id": "svc", "content": content},
        "customData": {"actor": person, "project": project, "reason": "because it was asked for " * 8},
    }
    return {
        "id": new_id("evt"),
        "type": chance.choice(ALL_TYPES).name,
        "subject": f"svc_{chance.randrange(500)}",
        "time": at,
        "actor": person,
        "actor_id": person_id,
        "actor_kind": "user",
        "token": f"tok_{chance.randrange(1000)}",
        "address": f"10.{chance.randrange(4)}.{chance.randrange(250)}.{chance.randrange(250)}",
        "request": new_id("req"),
        "origin": chance.choice(["portal", "cli", "api", "git"]),
        "action": chance.choice(["deployment:write", "variable:write"]),
        "decision": "refused" if chance.random() < 0.001 else "allowed",
        "policy": chance.choice(["role:deployer", "role:manager", "organization:owner"]),
        "project": project,
        "service": chance.choice(["web", "api", "worker"]),
        "environment": chance.choice(["production", "staging"]),
        "data": json.dumps(data, separators=(",", ":")),
    }
