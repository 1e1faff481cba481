"""Tables of the proof: tiles of hashes, signed checkpoints, keys, statements of retention, settings, witnesses.

Triggers of the migration keep them append-only: a tile only grows, a checkpoint, a key or a statement is never changed,
and no event goes before a statement says so. Hashes are hexadecimal, because backups write rows as JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    Row,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
)

from highroad.db.engine import Transaction, metadata
from highroad.events.store import events
from highroad.kit.clock import now, parse_rfc3339, rfc3339

tiles = Table(
    "audit_tiles",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", Text, nullable=False),
    Column("first_seq", BigInteger),
    Column("last_seq", BigInteger),
    Index("ix_audit_tiles_first_seq", "first_seq"),
)
checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("root", String(64), nullable=False),
    Column("time", String(32), nullable=False),
    Column("note", Text, nullable=False),
)
keys = Table(
    "audit_keys",
    metadata,
    Column("key", String(400), primary_key=True),
    Column("created_at", String(32), nullable=False),
)
retentions = Table(
    "audit_retentions",
    metadata,
    Column("end", BigInteger, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Column("through_seq", BigInteger, nullable=False),
    Column("root", String(64), nullable=False),
    Column("time", String(32), nullable=False),
    Column("policy", String(200), nullable=False),
    Column("event_id", String(40), nullable=False),
    Column("note", Text, nullable=False),
)
settings = Table(
    "audit_settings",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
witnesses = Table(
    "audit_witnesses",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("address", String(500), nullable=False),
    Column("secret", Text),
    Column("size", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("error", Text),
    Column("next_at", String(32), nullable=False),
    Column("seen_at", String(32)),
    Column("created_at", String(32), nullable=False),
)

_LOCK = 0x48_52_54_52  # "HRTR"
_DIGITS = 64


def alone(tx: Transaction) -> None:
    """Until the transaction ends, no other one writes the tree. On SQLite none can anyway."""
    if not tx.sqlite:
        tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


# The tree


@dataclass(frozen=True, slots=True)
class StoredTile:
    """`hashes` as hexadecimal; of level 0, `first_seq` and `last_seq` are the numbers of its first and last event."""

    level: int
    number: int
    hashes: str
    first_seq: int | None = None
    last_seq: int | None = None

    @property
    def width(self) -> int:
        return len(self.hashes) // _DIGITS

    def split(self) -> list[bytes]:
        raw = bytes.fromhex(self.hashes)
        return [raw[start : start + 32] for start in range(0, len(raw), 32)]


def _tile(row: Row[Any]) -> StoredTile:
    return StoredTile(row.level, row.number, row.hashes, row.first_seq, row.last_seq)


def tile(tx: Transaction, level: int, number: int) -> StoredTile | None:
    found = tx.execute(select(tiles).where(tiles.c.level == level, tiles.c.number == number)).one_or_none()
    return None if found is None else _tile(found)


def last_tile(tx: Transaction, level: int = 0) -> StoredTile | None:
    found = tx.execute(select(tiles).where(tiles.c.level == level).order_by(tiles.c.number.desc()).limit(1)).first()
    return None if found is None else _tile(found)


def tiles_from(tx: Transaction, number: int, limit: int) -> list[StoredTile]:
    """Tiles of level 0 from this one on."""
    wanted = select(tiles).where(tiles.c.level == 0, tiles.c.number >= number).order_by(tiles.c.number).limit(limit)
    return [_tile(row) for row in tx.execute(wanted)]


def tile_with(tx: Transaction, seq: int) -> StoredTile | None:
    """The tile of level 0 that has the hash of the event with this number, if any has."""
    wanted = select(tiles).where(tiles.c.level == 0, tiles.c.first_seq <= seq).order_by(tiles.c.first_seq.desc())
    found = tx.execute(wanted.limit(1)).first()
    made = None if found is None else _tile(found)
    return made if made is not None and (made.last_seq or 0) >= seq else None


def write_tile(tx: Transaction, made: StoredTile) -> None:
    values = {"hashes": made.hashes, "last_seq": made.last_seq}
    row = {"level": made.level, "number": made.number, "first_seq": made.first_seq, **values}
    tx.execute(tx.insert(tiles).values(row).on_conflict_do_update(index_elements=["level", "number"], set_=values))


# Checkpoints and keys


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """`last_seq` is the number of the last event that it covers; 0 for none. `root` is hexadecimal."""

    size: int
    last_seq: int
    root: str
    time: datetime
    note: str


def _checkpoint(row: RowMapping) -> StoredCheckpoint:
    return StoredCheckpoint(row["size"], row["last_seq"], row["root"], parse_rfc3339(row["time"]), row["note"])


def latest_checkpoint(tx: Transaction) -> StoredCheckpoint | None:
    found = tx.execute(select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)).mappings().first()
    return None if found is None else _checkpoint(found)


def checkpoint_of(tx: Transaction, size: int) -> StoredCheckpoint | None:
    found = tx.execute(select(checkpoints).where(checkpoints.c.size == size)).mappings().first()
    return None if found is None else _checkpoint(found)


def list_checkpoints(tx: Transaction, *, through: int | None = None) -> list[StoredCheckpoint]:
    """All that are kept, smallest first."""
    wanted = select(checkpoints).order_by(checkpoints.c.size)
    if through is not None:
        wanted = wanted.where(checkpoints.c.size <= through)
    return [_checkpoint(row) for row in tx.execute(wanted).mappings()]


def newest_checkpoints(tx: Transaction, *, before: int | None, limit: int) -> list[StoredCheckpoint]:
    """Newest first, from sizes below `before`."""
    wanted = select(checkpoints).order_by(checkpoints.c.size.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(checkpoints.c.size < before)
    return [_checkpoint(row) for row in tx.execute(wanted).mappings()]


def add_checkpoint(tx: Transaction, made: StoredCheckpoint) -> None:
    row = {"size": made.size, "last_seq": made.last_seq, "root": made.root, "time": rfc3339(made.time)}
    tx.execute(insert(checkpoints).values(**row, note=made.note))


def surplus_checkpoints(tx: Transaction, before: datetime, limit: int) -> list[int]:
    """Sizes of checkpoints from before `before`, all but the last of each hour."""
    hour = func.substr(checkpoints.c.time, 1, 13)
    older = checkpoints.c.time < rfc3339(before)
    last = select(func.max(checkpoints.c.size)).where(older).group_by(hour)
    wanted = select(checkpoints.c.size).where(older, checkpoints.c.size.not_in(last)).limit(limit)
    return list(tx.execute(wanted).scalars())


def remove_checkpoints(tx: Transaction, sizes: Sequence[int]) -> None:
    tx.execute(delete(checkpoints).where(checkpoints.c.size.in_(sizes)))


def known_keys(tx: Transaction) -> list[str]:
    """Public keys that have signed here, oldest first."""
    return list(tx.execute(select(keys.c.key).order_by(keys.c.created_at, keys.c.key)).scalars())


def add_key(tx: Transaction, key: str) -> bool:
    """False when it is known already."""
    row = {"key": key, "created_at": rfc3339(now())}
    return bool(tx.execute(tx.insert(keys).values(row).on_conflict_do_nothing()).rowcount)


# Retention


@dataclass(frozen=True, slots=True)
class Statement:
    """Positions 0 to `end` were dropped, with the events up to the number `through_seq`; `count` of them this time.

    `root` is that of the tree of `end` leaves, `note` the signed checkpoint of it.
    """

    end: int
    count: int
    through_seq: int
    root: str
    time: datetime
    policy: str
    event_id: str
    note: str


def add_statement(tx: Transaction, made: Statement) -> None:
    row = {name: getattr(made, name) for name in Statement.__slots__}
    tx.execute(insert(retentions).values({**row, "time": rfc3339(made.time)}))


def last_statement(tx: Transaction) -> Statement | None:
    found = list_statements(tx, limit=1)
    return found[0] if found else None


def list_statements(tx: Transaction, *, limit: int) -> list[Statement]:
    """Newest first."""
    rows = tx.execute(select(retentions).order_by(retentions.c.end.desc()).limit(limit)).mappings()
    return [Statement(**{**row, "time": parse_rfc3339(row["time"])}) for row in rows]


def oldest_seqs(tx: Transaction, through: int, limit: int) -> list[int]:
    """Numbers of the oldest events up to `through`."""
    wanted = select(events.c.seq).where(events.c.seq <= through).order_by(events.c.seq).limit(limit)
    return list(tx.execute(wanted).scalars())


def last_before(tx: Transaction, instant: datetime) -> int | None:
    """The number of the last event of those at the log's beginning that are all from before `instant`."""
    old = rfc3339(instant)
    # In order of numbers up to the first that stays, and not by time alone: the log gets no gaps.
    kept = select(events.c.seq).where(events.c.time >= old).order_by(events.c.seq).limit(1)
    first_kept = tx.execute(kept).scalar()
    wanted = select(func.max(events.c.seq))
    return tx.execute(wanted if first_kept is None else wanted.where(events.c.seq < first_kept)).scalar()


def count_behind(tx: Transaction, seq: int, through: int) -> int:
    wanted = select(func.count()).where(events.c.seq > seq, events.c.seq <= through)
    return int(tx.execute(wanted).scalar_one())


def seq_of(tx: Transaction, id: str) -> int | None:
    """The number of the event with this id."""
    return tx.execute(select(events.c.seq).where(events.c.id == id)).scalar()


def seqs_between(tx: Transaction, first: int, last: int) -> list[int]:
    wanted = select(events.c.seq).where(events.c.seq.between(first, last)).order_by(events.c.seq)
    return list(tx.execute(wanted).scalars())


def forget(tx: Transaction, numbers: Sequence[int]) -> None:
    """Delete events; the database refuses what no statement covers."""
    tx.execute(delete(events).where(events.c.seq.in_(numbers)))


# Settings


def setting(tx: Transaction, name: str) -> str | None:
    return tx.execute(select(settings.c.value).where(settings.c.name == name)).scalar()


def put_setting(tx: Transaction, name: str, value: str) -> None:
    row = {"name": name, "value": value}
    statement = tx.insert(settings).values(row)
    tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def put_setting_once(tx: Transaction, name: str, value: str) -> str:
    """The value there is, which is `value` if there was none."""
    tx.execute(tx.insert(settings).values({"name": name, "value": value}).on_conflict_do_nothing())
    return setting(tx, name) or value


# Witnesses


@dataclass(frozen=True, slots=True)
class Witness:
    """`size` is that of the last checkpoint it took, `failures` how often in a row it took none, and `next_at` when it
    is asked next. `secret` is sealed."""

    id: str
    kind: str
    address: str
    secret: str | None
    size: int
    failures: int
    error: str | None
    next_at: datetime
    seen_at: datetime | None
    created_at: datetime


_INSTANTS = ("next_at", "seen_at", "created_at")


def _witness(row: RowMapping) -> Witness:
    instants = {name: parse_rfc3339(row[name]) if row[name] else None for name in _INSTANTS}
    values: dict[str, Any] = {**row, **instants}
    return Witness(**values)


def list_witnesses(tx: Transaction) -> list[Witness]:
    return [_witness(row) for row in tx.execute(select(witnesses).order_by(witnesses.c.id)).mappings()]


def witness(tx: Transaction, id: str) -> Witness | None:
    found = tx.execute(select(witnesses).where(witnesses.c.id == id)).mappings().first()
    return None if found is None else _witness(found)


def add_witness(tx: Transaction, made: Witness) -> None:
    row = {name: getattr(made, name) for name in Witness.__slots__}
    instants = {name: rfc3339(row[name]) if row[name] else None for name in _INSTANTS}
    tx.execute(insert(witnesses).values({**row, **instants}))


def update_witness(tx: Transaction, id: str, **values: object) -> None:
    written = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in values.items()}
    tx.execute(witnesses.update().where(witnesses.c.id == id).values(**written))


def remove_witness(tx: Transaction, id: str) -> None:
    tx.execute(delete(witnesses).where(witnesses.c.id == id))
