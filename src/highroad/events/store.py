"""The event log's table: appended in the transaction that caused the event, read by cursor."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Executable,
    Index,
    Integer,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    text,
)

from highroad.db.engine import Transaction, metadata
from highroad.events.model import SPEC_VERSION, Event, Recorded
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
    Index("ix_events_project_seq", "project", "seq"),
    Index("ix_events_type_seq", "type", "seq"),
    sqlite_autoincrement=True,  # a cursor must never meet a number again, even after the newest rows were deleted
)

_ORDER_LOCK = 0x48_52_45_56  # "HREV"


def append(tx: Transaction, event: Event, *, actor: str, origin: str, source: str, ring: Callable[[], None]) -> str:
    """Write the event with `tx`, as the last that it does; followers are rung after the commit. Returns its id."""
    identifier, time = new_id("evt"), rfc3339(now())
    content = dict(event.content)
    if str(content.get("uri", "")).startswith("/"):
        content["uri"] = f"{source}{content['uri']}"
    custom: dict[str, object] = {"actor": actor, "origin": origin, **event.custom}
    for scope in ("project", "service", "environment"):
        if (name := getattr(event, scope)) is not None:
            custom[scope] = name
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
    statement = insert(events).values(
        id=identifier,
        type=event.type.name,
        subject=event.subject,
        time=time,
        actor=actor,
        origin=origin,
        project=event.project,
        service=event.service,
        environment=event.environment,
        data=json.dumps(data, separators=(",", ":")),
    )
    tx.before_commit(lambda: _write(tx, statement))
    tx.after_commit(ring)
    return identifier


def _write(tx: Transaction, statement: Executable) -> None:
    if not tx.sqlite:
        # Sequence numbers are drawn before commit: without this lock a reader could pass a number that commits later.
        tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ORDER_LOCK})
    tx.execute(statement)


def oldest_before(tx: Transaction, instant: datetime, *, limit: int) -> list[int]:
    """Numbers of the oldest events as long as they are from before `instant`, at most `limit`."""
    oldest = tx.execute(select(events.c.seq, events.c.time).order_by(events.c.seq).limit(limit))
    # Up to the first that stays and not by time alone, which has no index; and so the log has no gaps.
    return [row.seq for row in itertools.takewhile(lambda row: parse_rfc3339(row.time) < instant, oldest)]


def forget(tx: Transaction, numbers: Sequence[int]) -> None:
    tx.execute(delete(events).where(events.c.seq.in_(numbers)))


def read(
    tx: Transaction, *, after: int = 0, limit: int = 100, project: str | None = None, type_prefix: str | None = None
) -> list[Recorded]:
    """Events with `seq` greater than `after`, oldest first."""
    statement = select(events).where(events.c.seq > after).order_by(events.c.seq).limit(limit)
    return [_recorded(row) for row in tx.execute(_filtered(statement, project, type_prefix)).mappings()]


def latest(
    tx: Transaction, *, limit: int = 100, project: str | None = None, type_prefix: str | None = None
) -> list[Recorded]:
    """The newest events, oldest of them first."""
    statement = _filtered(select(events).order_by(events.c.seq.desc()).limit(limit), project, type_prefix)
    return [_recorded(row) for row in tx.execute(statement).mappings()][::-1]


def _filtered(statement: Select[Any], project: str | None, type_prefix: str | None) -> Select[Any]:
    if project is not None:
        statement = statement.where(events.c.project == project)
    if type_prefix:
        statement = statement.where(events.c.type.startswith(type_prefix, autoescape=True))
    return statement


def _recorded(row: RowMapping) -> Recorded:
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
    )
