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

from sqlalchemy import Connection, Engine, Executable, MetaData, create_engine, event
from sqlalchemy.engine import CursorResult, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from highroad.errors import Unavailable

LOCK_SECONDS = 15
"""How long a transaction waits for the database before it gives up; longer than a hiccup, shorter than a patience."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class DatabaseUnavailable(Unavailable):
    code = "database-unavailable"
    title = "The database does not answer"


class Transaction:
    """One unit of work. Only the edge that opened it commits; `after_commit` runs what must not run if it fails."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._follow_ups: list[Callable[[], None]] = []

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        return self.connection.execute(statement, parameters)

    def after_commit(self, follow_up: Callable[[], None]) -> None:
        """Run `follow_up` once when this transaction has committed, in order, never after a rollback."""
        self._follow_ups.append(follow_up)

    @property
    def sqlite(self) -> bool:
        return self.connection.dialect.name == "sqlite"


class Database:
    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.url = parsed
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(parsed.render_as_string()) if self.sqlite else _postgres_engine(parsed)

    @contextlib.contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A writing transaction: commits when the block ends, rolls back when it raises."""
        with self._open(write=True) as transaction:
            yield transaction
        for follow_up in transaction._follow_ups:
            follow_up()

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        """A reading transaction: a snapshot; what it writes by mistake is rolled back."""
        with self._open(write=False) as transaction:
            yield transaction

    @contextlib.contextmanager
    def _open(self, *, write: bool) -> Iterator[Transaction]:
        try:
            with self.engine.connect() as connection:
                connection = connection.execution_options(highroad_write=write)
                with connection.begin() as block:
                    yield Transaction(connection)
                    if not write:
                        block.rollback()
        except (OperationalError, sqlite3.OperationalError) as error:
            raise _unavailable(error) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise _unavailable(error) from error
            raise

    def close(self) -> None:
        self.engine.dispose()


def _unavailable(error: Exception) -> DatabaseUnavailable:
    reason = str(getattr(error, "orig", error)).splitlines()[0][:200] if str(error) else type(error).__name__
    return DatabaseUnavailable(
        f"The database did not take the request: {reason}",
        next_step="Nothing was changed. Try again; if it persists, see `highroad status` and the free disk space.",
    )


def _sqlite_engine(url: str) -> Engine:
    file = make_url(url).database
    if file and file != ":memory:":
        Path(file).touch(mode=0o600)  # SQLite gives its journal and index the mode of the database
    # NullPool on the file would reopen it for each transaction; the default QueuePool keeps connections per thread use.
    pool = {"poolclass": NullPool} if ":memory:" in url else {"pool_size": 4, "max_overflow": 28, "pool_timeout": 30}
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False}, **pool)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours (below); the driver's own would take the write lock too late
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "cache_size=-4096"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("highroad_write", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgres_engine(url: Any) -> Engine:
    return create_engine(
        url,
        pool_size=4,
        max_overflow=12,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10, "options": f"-c lock_timeout={LOCK_SECONDS}s"},
    )
