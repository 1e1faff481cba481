"""Data keys in the database: unlocked at start, rotated while everything goes on.

The composition root calls `unlock`, which hangs a keyring on the database. Rotation is state and no procedure: a new
key makes the others retired, `reseal` seals whatever a retired one sealed anew, a batch at a time, and `drop_retired`
deletes a key under which nothing is left. Each part commits alone, so a death in between loses nothing and the next
turn goes on.

A store with sealed columns names them once (`sealed_column`), so that rotation finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)

from highroad.db.engine import Database, Transaction, metadata
from highroad.kit.clock import now, rfc3339
from highroad.sealing.errors import MasterKeyMissing, WrongMasterKey
from highroad.sealing.keychain import PREVIOUS, Keychain
from highroad.sealing.keyring import Keyring, WrappedKey, new_key, rewrap, sealed_prefix
from highroad.sealing.master import MasterKey

BATCH = 200
GRACE = timedelta(minutes=5)
"""How long a retired key stays at least: another control plane may still be sealing with it."""
_LOCK = 0x48_52_4B_59  # "HRKY"

data_keys = Table(
    "data_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("master", String(40), nullable=False),
    Column("wrapped", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("retired_at", String(32), nullable=False),
)


# Unlocking


def unlock(database: Database, keychain: Keychain) -> None:
    """Give the database its keyring. For one without keys make the first, and seal what stands there in the clear: the
    stores with sealed columns must have been imported.

    Raises `MasterKeyMissing` or `WrongMasterKey` when the data keys that are there need another master key than the one
    given: then nothing was written. A move that `HIGHROAD_MASTER_KEY_PREVIOUS` announces is made here.
    """
    stored = _stored(database)
    master = _master(database, keychain, stored) if stored else _first_master(database, keychain)
    database.keyring = Keyring(master, lambda: _stored(database))
    if master.id == "command":
        database.keyring.refresh()  # nothing but a call can tell whether it is the right one


def check(database: Database, keychain: Keychain) -> None:
    """As `unlock`, of a database that has keys; nothing happens to one that has none yet."""
    if _stored(database):
        unlock(database, keychain)


def _stored(database: Database) -> list[WrappedKey]:
    with database.read() as tx:
        return list_keys(tx)


def _first_master(database: Database, keychain: Keychain) -> MasterKey:
    master = keychain.present() or keychain.make()
    first = new_key(master)  # before the transaction: a command may take its time
    with database.begin() as tx:
        _lock(tx)
        stored = list_keys(tx)
        if not stored:
            add_key(tx, first)
            _seal_plain(tx, Keyring(master, lambda: [first]))
    return _master(database, keychain, stored) if stored else master


def _master(database: Database, keychain: Keychain, stored: list[WrappedKey]) -> MasterKey:
    """The master key that the stored keys are wrapped with, after a move that was begun or announced."""
    wanted = {each.master for each in stored}
    adopted = next((found for id in wanted if (found := keychain.adopt(id))), None)
    master = adopted or keychain.present()
    if master is None:
        raise MasterKeyMissing(
            f"{keychain.file} is missing, and the database holds what was sealed with it (key {_named(wanted)}).",
            next_step="Put the file back, from where you keep a copy of it. Nothing was changed.",
        )
    strange = wanted - {master.id}
    if not strange:
        return master
    previous = keychain.previous()
    if previous is None or strange != {previous.id}:
        raise WrongMasterKey(
            f"{master} is the key {master.id}, and the data keys are wrapped with {_named(strange)}.",
            next_step=f"Put that key back. To move to this one, also set {PREVIOUS} to the old one (base64, or `file` "
            f"for {keychain.file}). Nothing was changed.",
        )
    rewrap_all(database, previous, master)
    return master


def _named(ids: set[str]) -> str:
    return " and ".join(sorted(ids))


def _lock(tx: Transaction) -> None:
    if not tx.sqlite:
        tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


# The stored keys


def list_keys(tx: Transaction) -> list[WrappedKey]:
    """Newest first; the first that is not retired seals."""
    rows = tx.execute(select(data_keys).order_by(data_keys.c.created_at.desc(), data_keys.c.id)).mappings()
    return [WrappedKey(row["id"], row["master"], row["wrapped"], bool(row["retired_at"])) for row in rows]


def add_key(tx: Transaction, key: WrappedKey) -> None:
    values = {"id": key.id, "master": key.master, "wrapped": key.wrapped, "created_at": rfc3339(now())}
    tx.execute(insert(data_keys).values(**values, retired_at=""))


# Rotation


def rotate(tx: Transaction) -> str:
    """A new data key for all that is sealed from now on; returns its id. `reseal` does the rest."""
    _lock(tx)
    fresh = new_key(tx.keyring.master)
    tx.execute(update(data_keys).where(data_keys.c.retired_at == "").values(retired_at=rfc3339(now())))
    add_key(tx, fresh)
    tx.after_commit(tx.keyring.refresh)
    return fresh.id


def rewrap_all(database: Database, before: MasterKey, after: MasterKey) -> int:
    """Wrap every data key with `after`, in one transaction; how many."""
    stored = [each for each in _stored(database) if each.master == before.id]
    fresh = [rewrap(each, before, after) for each in stored]  # outside of the transaction: a command may take its time
    with database.begin() as tx:
        _lock(tx)
        for old, new in zip(stored, fresh, strict=True):
            mine = (data_keys.c.id == old.id, data_keys.c.wrapped == old.wrapped)
            tx.execute(update(data_keys).where(*mine).values(master=new.master, wrapped=new.wrapped))
    return len(fresh)


def rotate_master(database: Database, keychain: Keychain) -> MasterKey:
    """Wrap the data keys anew: with a new key in the file, or by the command again, whose key service may have a newer
    one by now. Raises `MasterKeyElsewhere` for a key of the environment."""
    assert database.keyring is not None, "the installation is unlocked"
    before = database.keyring.master
    if before.id == "command":
        rewrap_all(database, before, before)
        return before
    after = keychain.prepare_next()
    rewrap_all(database, before, after)
    adopted = keychain.adopt(after.id)
    assert adopted is not None, "the next key is the one just prepared"
    database.keyring.master = adopted
    return adopted


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """`about` is what a sealed text is bound to, with columns of its row in braces: `variable:{id}:{name}`."""

    table: Table
    column: str
    about: str

    def seal(self, tx: Transaction, text: str, row: Mapping[Any, Any] | None = None, **values: object) -> str:
        """The text for the row with these values of the columns that `about` names, and perhaps others."""
        return tx.keyring.seal(text, about=self.about_row(row or values))

    def open(self, tx: Transaction, row: Mapping[Any, Any]) -> str:
        """The text of that row. Raises `CannotOpen`, also for one that is not sealed: somebody put it there."""
        return tx.keyring.open(row[self.column], about=self.about_row(row))

    def about_row(self, row: Mapping[Any, Any]) -> str:
        """What the text of this row is bound to."""
        return self.about.format_map(row)

    def rewritten(
        self, tx: Transaction, rows: Iterable[Mapping[Any, Any]], change: Callable[[str, str], str | None]
    ) -> int:
        """Put what `change` makes of (held, about) into each of these rows, unless it is None or the row has another
        text by now; how many were written."""
        count = 0
        for row in rows:
            held = row[self.column]
            fresh = change(held, self.about_row(row))
            if fresh is not None:
                mine = (*(key == row[key.name] for key in self.keys), self.held == held)
                count += tx.execute(update(self.table).where(*mine).values({self.column: fresh})).rowcount
        return count

    @property
    def keys(self) -> tuple[Column[Any], ...]:
        return tuple(self.table.primary_key.columns)

    @property
    def held(self) -> Column[Any]:
        return self.table.c[self.column]


_sealed: list[SealedColumn] = []


def sealed_column(table: Table, column: str, about: str) -> SealedColumn:
    """Tell of a column that holds sealed texts, NULL or nothing. Texts of before there were keys are sealed with the
    first one; a column that comes to be sealed later needs a migration."""
    made = SealedColumn(table, column, about)
    _sealed.append(made)
    return made


def sealed_columns() -> tuple[SealedColumn, ...]:
    return tuple(_sealed)


def reseal(database: Database, *, batch: int = BATCH) -> int:
    """Seal with the active key what another one sealed, in transactions of `batch` rows each; how many rows."""
    keyring = database.keyring
    assert keyring is not None, "the installation is unlocked"
    keyring.refresh()
    return sum(_reseal_column(database, each, batch) for each in _sealed)


def _reseal_column(database: Database, sealed: SealedColumn, batch: int) -> int:
    keys = sealed.keys
    after: tuple[object, ...] | None = None
    count = 0
    while True:
        with database.begin() as tx:
            ring = tx.keyring
            foreign = select(sealed.table).where(_foreign(sealed.held, ring.active)).order_by(*keys).limit(batch)
            if after is not None:
                foreign = foreign.where(tuple_(*keys) > tuple_(*after))
            rows = tx.execute(foreign).mappings().all()
            count += sealed.rewritten(tx, rows, partial(_sealed_anew, ring))
        if len(rows) < batch:
            return count
        after = tuple(rows[-1][key.name] for key in keys)


def carry_on(database: Database) -> None:
    """What the caretaker does every few seconds: carry a rotation on, after a restart too. At rest it costs a query,
    and at first the unwrapping of the keys, for which then nobody waits."""
    with database.read() as tx:
        needed = bool(tx.keyring.active) and rotating(tx)
    if needed:
        reseal(database)
        drop_retired(database)


def _sealed_anew(ring: Keyring, held: str, about: str) -> str:
    return ring.seal(ring.open(held, about=about), about=about)


def rotating(tx: Transaction) -> bool:
    """Whether there are retired keys, so that there may be something to seal anew."""
    return any(each.retired for each in list_keys(tx))


def _foreign(held: ColumnElement[str], active: str) -> ColumnElement[bool]:
    """Sealed, and not by the active key. No id of a key has a character that LIKE would understand."""
    return and_(held.like("hs1.%"), ~held.like(f"{sealed_prefix(active)}%"))


def _seal_plain(tx: Transaction, keyring: Keyring) -> None:
    """Seal what stood there before there were keys."""
    for sealed in _sealed:
        rows = tx.execute(select(sealed.table).where(sealed.held != "")).mappings().all()
        sealed.rewritten(tx, rows, lambda held, about: keyring.seal(held, about=about))


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """`sealed` counts the texts that need this key."""

    id: str
    master: str
    created_at: str
    retired_at: str
    sealed: int


def status(tx: Transaction) -> list[KeyStatus]:
    """Newest first."""
    rows = tx.execute(select(data_keys).order_by(data_keys.c.created_at.desc(), data_keys.c.id)).mappings().all()
    return [
        KeyStatus(row["id"], row["master"], row["created_at"], row["retired_at"], _sealed_by(tx, row["id"]))
        for row in rows
    ]


def _sealed_by(tx: Transaction, key: str) -> int:
    def count(each: SealedColumn) -> int:
        statement = select(func.count()).where(each.table.c[each.column].like(f"{sealed_prefix(key)}%"))
        return int(tx.execute(statement.select_from(each.table)).scalar_one())

    return sum(count(each) for each in _sealed)


def drop_retired(database: Database) -> list[str]:
    """Delete keys that have been retired for a while and that nothing needs; their ids."""
    before = rfc3339(now() - GRACE)
    with database.begin() as tx:
        old = select(data_keys.c.id).where(data_keys.c.retired_at != "", data_keys.c.retired_at < before)
        unused = [row[0] for row in tx.execute(old).all() if not _sealed_by(tx, row[0])]
        if unused:
            tx.execute(delete(data_keys).where(data_keys.c.id.in_(unused)))
    return unused
