"""The event log's table: appended in the transaction that caused the event, read by cursor."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    select,
    text,
)

from highroad.db.engine import Transaction, metadata
from highroad.events.model import SPEC_VERSION, Cause, Event, EventType, Recorded
from highroad.kit.clock import now, parse_rfc3339, rfc3339
from highroad.kit.ids import new_id

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("type", String(120), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("time", String(32), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("project", String(63)),
    Column("service", String(63)),
    Column("environment", String(63)),
    Column("data", Text, nullable=False),
    Column("actor_id", String(64)),
    Column("actor_kind", String(16)),
    Column("token", String(64)),
    Column("address", String(64)),
    Column("request", String(64)),
    Column("action", String(64)),
    Column("decision", String(16)),
    Column("policy", String(120)),
    Index("ix_events_project_seq", "project", "seq"),
    Index("ix_events_type_seq", "type", "seq"),
    Index("ix_events_actor_seq", "actor", "seq"),
    Index("ix_events_action_seq", "action", "seq"),
    Index("ix_events_time", "time"),
    Index("ix_events_subject_seq", "subject", "seq"),
    Index("ix_events_request", "request"),
    sqlite_autoincrement=True,  # a cursor must never meet a number again, even after the newest rows were deleted
)

LARGEST = 60_000
"""Bytes of an event's data. With its columns it is then shorter than the 65,535 that an entry of a transparency log may
have (C2SP tlog-tiles)."""
_SHORT = 200
MOST_READ_OVER = 10_000
_ORDER_LOCK = 0x48_52_45_56  # "HREV"
_LIMITS = {"actor_id": 64, "actor_kind": 16, "token": 64, "address": 64, "request": 64, "action": 64, "policy": 120}


_WRITTEN = tuple(column.name for column in events.columns if column.name != "seq")
_INTO = f"INSERT INTO events ({', '.join(_WRITTEN)})"
_BOUND = ", ".join(f":{name}" for name in _WRITTEN)
_INSERT = text(f"{_INTO} VALUES ({_BOUND})")
# Sequence numbers are drawn before commit: without this lock a reader could pass a number that commits later. It is
# taken where rows come from, before the number of the row is drawn, and in one statement, because a second one would
# cost as much as the insert.
_INSERT_IN_ORDER = text(f"{_INTO} SELECT {_BOUND} FROM pg_advisory_xact_lock({_ORDER_LOCK})")  # noqa: S608 - columns alone


def append(tx: Transaction, event: Event, cause: Cause, *, source: str, ring: Callable[[], None]) -> str:
    """Write the event with `tx`, as the last that it does; followers are rung after the commit. Returns its id."""
    identifier, time = new_id("evt"), rfc3339(now())
    content = dict(event.content)
    if str(content.get("uri", "")).startswith("/"):
        content["uri"] = f"{source}{content['uri']}"
    custom: dict[str, object] = {"actor": cause.actor, "origin": cause.origin, **event.custom}
    for scope in ("project", "service", "environment"):
        if (name := getattr(event, scope)) is not None:
            custom[scope] = name
    if event.diff:
        custom["before"] = {name: old for name, (old, _) in event.diff.items()}
        custom["after"] = {name: new for name, (_, new) in event.diff.items()}
    data = {
        "context": {
            "specversion": SPEC_VERSION,
            "id": identifier,
            "source": source,
            "type": event.type.name,
            "timestamp": time,
            **({"chainId": event.chain} if event.chain else {}),
        },
        "subject": {"id": event.subject, "source": source, "content": content},
        "customData": custom,
        "customDataContentType": "application/json",
    }
    row = {
        "id": identifier,
        "type": event.type.name,
        "subject": event.subject,
        "time": time,
        "actor": cause.actor,
        "origin": cause.origin,
        "project": event.project,
        "service": event.service,
        "environment": event.environment,
        "data": _bounded(data, custom, content),
        "decision": cause.decision,
        **{name: (getattr(cause, name) or "")[:longest] or None for name, longest in _LIMITS.items()},
    }
    tx.before_commit(lambda: _write(tx, row))
    tx.after_commit(ring)
    return identifier


def _bounded(data: object, *parts: dict[str, object]) -> str:
    """`data` as JSON of at most `LARGEST` bytes: the longest values of `parts`, which are in it, give way to a note of
    what was left out."""
    text = json.dumps(data, separators=(",", ":"))
    while len(text) > LARGEST:
        written = [(len(json.dumps(value)), key, part) for part in parts for key, value in part.items()]
        size, key, part = max(written, key=lambda each: each[0])
        if size <= _SHORT:
            break  # hundreds of short ones: nothing of it can be left out that would help
        digest = hashlib.sha256(json.dumps(part[key]).encode()).hexdigest()
        part[key] = f"{size} bytes were left out of this event (sha256:{digest})"
        text = json.dumps(data, separators=(",", ":"))
    return text


def _write(tx: Transaction, row: dict[str, object]) -> None:
    tx.execute(_INSERT if tx.sqlite else _INSERT_IN_ORDER, row)


def was_appended(tx: Transaction, type: EventType, *, actor: str, since: str) -> bool:
    """Whether `actor` caused an event of this type since the instant, as RFC 3339."""
    mine = (events.c.actor == actor, events.c.type == type.name, events.c.time >= since)
    return tx.execute(select(events.c.seq).where(*mine).limit(1)).first() is not None


def read(
    tx: Transaction, *, after: int = 0, limit: int = 100, project: str | None = None, type_prefix: str | None = None
) -> list[Recorded]:
    """Events with `seq` greater than `after`, oldest first."""
    statement = select(events).where(events.c.seq > after).order_by(events.c.seq).limit(limit)
    return [recorded(row) for row in tx.execute(_filtered(statement, project, type_prefix)).mappings()]


def latest(
    tx: Transaction, *, limit: int = 100, project: str | None = None, type_prefix: str | None = None
) -> list[Recorded]:
    """The newest events, oldest of them first."""
    statement = _filtered(select(events).order_by(events.c.seq.desc()).limit(limit), project, type_prefix)
    return [recorded(row) for row in tx.execute(statement).mappings()][::-1]


def read_visible(
    tx: Transaction,
    visible: Callable[[Recorded], bool],
    *,
    after: int | None,
    limit: int = 100,
    project: str | None = None,
    type_prefix: str | None = None,
) -> tuple[list[Recorded], int]:
    """As `read`, without `after` as `latest`, of those that are `visible`; and the number to go on behind.

    What is not visible is read over, up to `MOST_READ_OVER` events at a time: who sees little of a long log gets a page
    that is not full, and goes on behind it.
    """
    only = {"project": project, "type_prefix": type_prefix}
    if after is None:
        window = limit
        while True:
            found = latest(tx, limit=window, **only)
            shown = [each for each in found if visible(each)][-limit:]
            if len(shown) == limit or len(found) < window or window >= MOST_READ_OVER:
                return shown, found[-1].seq if found else 0
            window = min(window * 10, MOST_READ_OVER)
    for _ in range(max(1, MOST_READ_OVER // limit)):
        found = read(tx, after=after, limit=limit, **only)
        after = found[-1].seq if found else after
        shown = [each for each in found if visible(each)]
        if shown or len(found) < limit:
            break
    return shown, after


def _filtered(statement: Select[Any], project: str | None, type_prefix: str | None) -> Select[Any]:
    if project is not None:
        statement = statement.where(events.c.project == project)
    if type_prefix:
        statement = statement.where(events.c.type.startswith(type_prefix, autoescape=True))
    return statement


def recorded(row: RowMapping) -> Recorded:
    """A row of the table, as search reads it too."""
    return Recorded(
        seq=row["seq"],
        id=row["id"],
        type=row["type"],
        subject=row["subject"],
        time=parse_rfc3339(row["time"]),
        actor=row["actor"],
        origin=row["origin"],
        project=row["project"],
        service=row["service"],
        environment=row["environment"],
        data=json.loads(row["data"]),
        **{name: row[name] for name in (*_LIMITS, "decision")},
    )


def decided_since(tx: Transaction, instant: datetime, *, limit: int) -> list[Recorded]:
    """The newest events from `instant` on that say upon which action was decided, oldest of them first."""
    statement = (
        select(events)
        .where(events.c.time >= rfc3339(instant), events.c.action.is_not(None))
        .order_by(events.c.seq.desc())
        .limit(limit)
    )
    return [recorded(row) for row in tx.execute(statement).mappings()][::-1]


def happened_since(tx: Transaction, instant: datetime, event: Event, cause: Cause) -> bool:
    """Whether an event of this type, action, actor and place is from after `instant`."""
    same = {
        "type": event.type.name,
        "action": cause.action,
        "actor_id": cause.actor_id,
        "project": event.project,
        "environment": event.environment,
        "service": event.service,
    }
    alike = [events.c[name] == value if value is not None else events.c[name].is_(None) for name, value in same.items()]
    statement = select(events.c.seq).where(*alike, events.c.time > rfc3339(instant)).limit(1)
    return tx.execute(statement).first() is not None
