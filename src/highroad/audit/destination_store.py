"""The table of destinations: where the audit log is sent on, how far that got, and what went wrong last.

Whole URLs and credentials are sealed, because collectors often keep a secret in the path; `shown` is what people see.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, Column, Integer, RowMapping, String, Table, Text, delete, insert, select, update

from highroad.db.engine import Transaction, metadata
from highroad.db.keys import sealed_column
from highroad.kit.clock import now, parse_rfc3339, rfc3339

State = Literal["active", "paused", "refused"]
"""`refused`: the receiver said that it wants no more. Somebody resumes it, as if it were paused."""

destinations = Table(
    "audit_destinations",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("shown", String(300), nullable=False),
    Column("url", Text, nullable=False),
    Column("mode", String(16), nullable=False),
    Column("format", String(16), nullable=False),
    Column("secret", Text, nullable=False),
    Column("former_secret", Text, nullable=False),
    Column("former_until", String(32)),
    Column("authorization", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("delivered", BigInteger, nullable=False),
    Column("delivered_at", String(32)),
    Column("failures", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("failed_at", String(32)),
    Column("next_at", String(32)),
    Column("created_at", String(32), nullable=False),
    Column("created_by", String(255), nullable=False),
)
_SEALED = {
    name: sealed_column(destinations, name, f"destination:{{id}}:{name}")
    for name in ("url", "secret", "former_secret", "authorization")
}


@dataclass(frozen=True, slots=True)
class Destination:
    """`position` is the number of the last event that was delivered. `failures` counts attempts since the last one
    that succeeded; `error` and `failed_at` stay until then. `next_at` is when it is tried again."""

    id: str
    name: str
    shown: str
    mode: str
    format: str
    state: State
    position: int
    delivered: int
    delivered_at: datetime | None
    failures: int
    error: str
    failed_at: datetime | None
    next_at: datetime | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a sender needs and nobody sees. `secrets` are one, or two while one replaces the other."""

    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    authorization: str = field(repr=False)


def add(
    tx: Transaction,
    *,
    id: str,
    name: str,
    shown: str,
    mode: str,
    format: str,
    position: int,
    by: str,
    url: str,
    secret: str,
    authorization: str,
) -> None:
    """Raises IntegrityError when the name is taken."""
    plain = {"url": url, "secret": secret, "authorization": authorization}
    tx.execute(
        insert(destinations).values(
            id=id,
            name=name,
            shown=shown,
            mode=mode,
            format=format,
            state="active",
            position=position,
            delivered=0,
            failures=0,
            error="",
            former_secret="",
            created_at=rfc3339(now()),
            created_by=by,
            **{column: _sealed(tx, id, column, text) for column, text in plain.items()},
        )
    )


def destination(tx: Transaction, id: str) -> Destination | None:
    row = tx.execute(select(destinations).where(destinations.c.id == id)).mappings().first()
    return _destination(row) if row else None


def by_name(tx: Transaction, name: str) -> Destination | None:
    row = tx.execute(select(destinations).where(destinations.c.name == name)).mappings().first()
    return _destination(row) if row else None


def list_destinations(tx: Transaction) -> list[Destination]:
    return [_destination(row) for row in tx.execute(select(destinations).order_by(destinations.c.name)).mappings()]


def due(tx: Transaction, newest: int, at: datetime) -> list[Destination]:
    """Those that have something to deliver and may be tried now."""
    found = tx.execute(
        select(destinations).where(destinations.c.state == "active", destinations.c.position < newest)
    ).mappings()
    return [each for each in map(_destination, found) if each.next_at is None or each.next_at <= at]


def credentials(tx: Transaction, id: str) -> Credentials:
    row = tx.execute(select(destinations).where(destinations.c.id == id)).mappings().one()
    opened = {name: column.open(tx, row) if row[name] else "" for name, column in _SEALED.items()}
    still = row["former_until"] is not None and parse_rfc3339(row["former_until"]) > now()
    secrets = (opened["secret"], opened["former_secret"] if still else "")
    return Credentials(opened["url"], tuple(each for each in secrets if each), opened["authorization"])


def change(tx: Transaction, id: str, **values: Any) -> None:
    """Columns to their values; those that are sealed are given as plain text."""
    sealed = {name: _sealed(tx, id, name, values.pop(name)) for name in list(values) if name in _SEALED}
    tx.execute(update(destinations).where(destinations.c.id == id).values(**values, **sealed))


def remove(tx: Transaction, id: str) -> None:
    tx.execute(delete(destinations).where(destinations.c.id == id))


def succeeded(tx: Transaction, id: str, *, before: int, position: int, count: int) -> bool:
    """Events up to `position` were delivered; False when somebody else moved it on meanwhile."""
    mine = (destinations.c.id == id, destinations.c.position == before)
    values = {"position": position, "delivered": destinations.c.delivered + count, "delivered_at": rfc3339(now())}
    cured = {"failures": 0, "error": "", "failed_at": None, "next_at": None}
    return tx.execute(update(destinations).where(*mine).values(**values, **cured)).rowcount == 1


def failed(tx: Transaction, id: str, *, error: str, next_at: datetime | None, state: State) -> None:
    values = {
        "failures": destinations.c.failures + 1,
        "error": error[:1000],
        "failed_at": rfc3339(now()),
        "next_at": rfc3339(next_at) if next_at else None,
    }
    # A destination that was paused meanwhile stays paused.
    mine = (destinations.c.id == id, destinations.c.state == "active")
    tx.execute(update(destinations).where(*mine).values(state=state, **values))


def _sealed(tx: Transaction, id: str, column: str, text: str) -> str:
    return _SEALED[column].seal(tx, text, id=id) if text else ""


def _destination(row: RowMapping) -> Destination:
    names = ("id", "name", "shown", "mode", "format", "state", "position", "delivered", "failures", "error")
    return Destination(
        **{name: row[name] for name in names},
        delivered_at=_instant(row["delivered_at"]),
        failed_at=_instant(row["failed_at"]),
        next_at=_instant(row["next_at"]),
        created_at=parse_rfc3339(row["created_at"]),
        created_by=row["created_by"],
    )


def _instant(text: str | None) -> datetime | None:
    return parse_rfc3339(text) if text else None
