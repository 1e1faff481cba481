"""The line of an event: canonical, so that every export writes the same bytes, of which the tree has the hash.

    {"time":"...","seq":1,"id":"evt_...","type":"...", ..., "data":{...}}

Columns in the order of `COLUMNS` as JSON without white space and in ASCII; those that are NULL are left out, so that a
column added later changes no line of before. Last comes `data`, the stored text byte for byte: it was JSON when it was
written, and is not parsed to be written again. There is no line break in it. `time` comes first, where a verifier
finds it without parsing. Called by the sequencer and by whatever exports lines that can be proved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from highroad.db.engine import Transaction
from highroad.events.store import events

COLUMNS = (
    "time",
    "seq",
    "id",
    "type",
    "subject",
    "actor",
    "actor_id",
    "actor_kind",
    "token",
    "address",
    "request",
    "origin",
    "action",
    "decision",
    "policy",
    "project",
    "service",
    "environment",
)
_SELECTED = select(*(events.c[name] for name in (*COLUMNS, "data")))
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Entry:
    """An event's number and its line, without a line break."""

    seq: int
    line: bytes


def entries(tx: Transaction, *, after: int, limit: int, through: int | None = None) -> list[Entry]:
    """Events behind the number `after`, up to `through`, oldest first."""
    statement = _SELECTED.where(events.c.seq > after).order_by(events.c.seq).limit(limit)
    if through is not None:
        statement = statement.where(events.c.seq <= through)
    return list(_entries(tx.execute(statement).all()))


def entry(tx: Transaction, id: str) -> Entry | None:
    """The event with this id."""
    return next(_entries(tx.execute(_SELECTED.where(events.c.id == id)).all()), None)


def _entries(rows: Sequence[Sequence[object]]) -> Iterator[Entry]:
    for row in rows:
        *values, data = row
        known = {name: value for name, value in zip(COLUMNS, values, strict=True) if value is not None}
        yield Entry(int(str(row[1])), f'{_encode(known)[:-1]},"data":{data}}}'.encode())
