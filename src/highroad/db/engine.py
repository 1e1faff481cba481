"""The database: one engine, short transactions, and what follows a commit. Every slice's edge opens transactions here.

SQLite is the default (WAL, one writer at a time, taken at BEGIN so that a transaction never fails half-way for want of
the lock); PostgreSQL by URL. Statements are SQLAlchemy Core and stand in the slices' `store.py`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Executable, MetaData, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult, make_url
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool

from highroad.errors import Conflict, Invalid, Temporary, Unavailable
from highroad.sealing import Keyring
from highroad.sealing.errors import Locked

LOCK_SECONDS = 15
"""How long a transaction waits for the database before it gives up; longer than a hiccup, shorter than a patience."""

_NO_ROOM = frozenset({"53100", "53200"})
"""SQLSTATE disk_full and out_of_memory."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class DatabaseUnavailable(Unavailable, Temporary):
    """Also `Temporary`: a workflow step that meets it is tried again, because most databases come back."""

    code = "database-unavailable"
    title = "The database does not answer"


class DiskFull(DatabaseUnavailable):
    status = 507
    code = "disk-full"
    title = "The database has no room left"


class BrokenReferences(Conflict):
    code = "broken-references"
    title = "The database is not whole"


class Unstorable(Invalid):
    code = "unstorable"
    title = "The database cannot store this"


class Transaction:
    """One unit of work. Only the edge that opened it commits; `after_commit` runs what must not run if it fails."""

    def __init__(self, connection: Connection, keyring: Keyring | None = None) -> None:
        self.connection = connection
        self._keyring = keyring
        self._follow_ups: list[Callable[[], None]] = []
        self._last: list[Callable[[], object]] = []

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        return self.connection.execute(statement, parameters)

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that also takes `on_conflict_do_update` and `on_conflict_do_nothing`, which both databases have."""
        return sqlite.insert(table) if self.sqlite else postgresql.insert(table)

    def before_commit(self, statement: Callable[[], object]) -> None:
        """Execute `statement` as one of the last of this transaction, in order: for locks that all transactions share,
        which must come after those on rows, lest two wait for each other. Its failure rolls back; without a commit it
        is not called."""
        self._last.append(statement)

    def _end(self) -> None:
        while self._last:
            self._last.pop(0)()

    def after_commit(self, follow_up: Callable[[], None]) -> None:
        """Run `follow_up` once when this transaction has committed, in order, never after a rollback."""
        self._follow_ups.append(follow_up)

    @property
    def sqlite(self) -> bool:
        return self.connection.dialect.name == "sqlite"

    @property
    def keyring(self) -> Keyring:
        """What seals and opens secrets. Raises `Locked` on a database that was opened without (`keys.unlock`)."""
        if self._keyring is None:
            raise Locked(
                "The database was opened without its keys, and a secret is to be sealed or opened.",
                next_step="Start Highroad with its master key: highroad up",
            )
        return self._keyring


class Database:
    """`lock_seconds` is how long a transaction waits for others; shorter in tests of what happens then. `keyring` is
    what seals secrets; `keys.unlock` hangs the stored one on it."""

    def __init__(self, url: str, *, keyring: Keyring | None = None, lock_seconds: float = LOCK_SECONDS) -> None:
        self.keyring = keyring
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.url = parsed
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self.engine = (_sqlite_engine if self.sqlite else _postgres_engine)(parsed, lock_seconds)

    @contextlib.contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A writing transaction: commits when the block ends, rolls back when it raises."""
        with self._open(write=True) as transaction:
            yield transaction
        with contextlib.ExitStack() as following:  # each has its turn, also behind one that fails
            for follow_up in reversed(transaction._follow_ups):
                following.callback(follow_up)

    @contextlib.contextmanager
    def rebuild(self) -> Iterator[Transaction]:
        """As `begin`, for migrations: SQLite changes a table by making it anew, and dropping the old one would delete,
        by ON DELETE CASCADE, all that belongs to its rows. So references are checked at the end, and not before."""
        with self._open(write=True, references=False) as transaction:
            yield transaction
            if self.sqlite and transaction.execute(text("PRAGMA foreign_key_check")).first() is not None:
                raise BrokenReferences(
                    "Rows refer to others that are not there.", next_step="Nothing was changed. Restore a backup."
                )

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        """A reading transaction: a snapshot, whatever is committed meanwhile. PostgreSQL refuses what it writes by
        mistake, on SQLite that is rolled back."""
        with self._open(write=False) as transaction:
            yield transaction

    @contextlib.contextmanager
    def _open(self, *, write: bool, references: bool = True) -> Iterator[Transaction]:
        try:
            with self.engine.connect() as connection, self._without_references(connection, references):
                connection = connection.execution_options(highroad_write=write)
                if not write and not self.sqlite:
                    connection = connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                with connection.begin() as block:
                    transaction = Transaction(connection, self.keyring)
                    yield transaction
                    if write:
                        transaction._end()
                    else:
                        block.rollback()
        except (OperationalError, sqlite3.OperationalError, PoolTimeout) as error:
            raise _unavailable(error) from error
        except DataError as error:
            raise _unstorable() from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise _unavailable(error) from error
            raise

    @contextlib.contextmanager
    def _without_references(self, connection: Connection, kept: bool) -> Iterator[None]:
        """The switch is the connection's and works between transactions alone."""
        driver: Any = connection.connection.driver_connection
        if kept or not self.sqlite:
            yield
            return
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            yield
        finally:
            driver.execute("PRAGMA foreign_keys=ON")

    def close(self) -> None:
        self.engine.dispose()


def _unavailable(error: Exception) -> DatabaseUnavailable:
    cause = getattr(error, "orig", None) or error
    reason = str(cause).splitlines()[0][:200] if str(cause) else type(cause).__name__
    full = getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    if full or getattr(cause, "sqlstate", None) in _NO_ROOM:
        return DiskFull(
            f"The database could not write: {reason}",
            next_step="Nothing was changed. Free space on the disk that the database is on, then try again.",
        )
    return DatabaseUnavailable(
        f"The database did not take the request: {reason}",
        next_step="Nothing was changed. Try again; if it persists, see `highroad status` and the free disk space.",
    )


def _unstorable() -> Unstorable:
    """Values are not repeated: they may hold a secret."""
    return Unstorable(
        "A text is too long for its place, or has a character that a database cannot hold.",
        next_step="Nothing was changed. Shorten what you sent, and leave out control characters.",
    )


def _sqlite_engine(url: URL, lock_seconds: float) -> Engine:
    file = url.database
    if file and file != ":memory:":
        Path(file).touch(mode=0o600)  # SQLite gives its journal and index the mode of the database
    # NullPool on the file would reopen it for each transaction; the default QueuePool keeps connections per thread use.
    pool: dict[str, Any] = {"pool_size": 4, "max_overflow": 28, "pool_timeout": 30}
    if file == ":memory:":
        pool = {"poolclass": NullPool}
    engine = create_engine(url, connect_args={"timeout": lock_seconds, "check_same_thread": False}, **pool)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours (below); the driver's own would take the write lock too late
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-4096"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("highroad_write", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgres_engine(url: URL, lock_seconds: float) -> Engine:
    return create_engine(
        url,
        pool_size=4,
        max_overflow=12,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10, "options": f"-c lock_timeout={int(lock_seconds * 1000)}ms"},
    )
