"""Transactions on real databases, and what becomes of them when the database is locked, full or gone."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, Text, func, insert, select, text

from highroad.db.engine import LOCK_SECONDS, Database, DatabaseUnavailable, DiskFull, Unstorable
from highroad.errors import Temporary

notes = Table(
    "notes",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("word", String(10), unique=True),
    Column("body", Text),
)


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    made = Database(empty_database_url, lock_seconds=0.3)
    with made.begin() as tx:
        notes.create(tx.connection)
    yield made
    made.close()


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Iterator[tuple[Database, Path]]:
    made = Database(f"sqlite:///{tmp_path / 'notes.sqlite'}", lock_seconds=0.3)
    with made.begin() as tx:
        notes.create(tx.connection)
    yield made, tmp_path / "notes.sqlite"
    made.close()


def add(database: Database, word: str, body: str = "") -> None:
    with database.begin() as tx:
        tx.execute(insert(notes).values(word=word, body=body))


def words(database: Database) -> list[str]:
    with database.read() as tx:
        return [row[0] for row in tx.execute(select(notes.c.word).order_by(notes.c.id))]


class Refused(Exception):
    pass


def test_a_transaction_is_kept_when_its_block_ends_and_forgotten_when_it_raises(database: Database) -> None:
    add(database, "kept")
    with contextlib.suppress(Refused), database.begin() as tx:
        tx.execute(insert(notes).values(word="forgotten"))
        raise Refused
    assert words(database) == ["kept"]


def test_what_follows_a_commit_comes_in_order_and_never_after_a_rollback(database: Database) -> None:
    said: list[str] = []
    with database.begin() as tx:
        tx.after_commit(lambda: said.append(f"first of {len(words(database))}"))
        tx.after_commit(lambda: said.append("second"))
        tx.execute(insert(notes).values(word="kept"))
    with contextlib.suppress(Refused), database.begin() as tx:
        tx.after_commit(lambda: said.append("never"))
        raise Refused
    assert said == ["first of 1", "second"]


def test_what_comes_before_the_commit_comes_last_and_is_part_of_it(database: Database) -> None:
    with database.begin() as tx:
        tx.before_commit(lambda: tx.execute(insert(notes).values(word="last")))
        tx.execute(insert(notes).values(word="first"))
    with contextlib.suppress(Refused), database.begin() as tx:
        tx.before_commit(lambda: tx.execute(insert(notes).values(word="never")))
        raise Refused

    def fail_at_last() -> None:
        with database.begin() as tx:
            tx.before_commit(lambda: tx.execute(insert(notes).values(word="last")))
            tx.execute(insert(notes).values(word="undone"))

    with pytest.raises(Exception, match=r"(?i)unique"):
        fail_at_last()
    assert words(database) == ["first", "last"]


def test_a_follow_up_that_fails_keeps_no_other_from_its_turn(database: Database) -> None:
    said: list[str] = []

    def fail() -> None:
        raise Refused

    def write() -> None:
        with database.begin() as tx:
            tx.after_commit(fail)
            tx.after_commit(lambda: said.append("rang"))
            tx.execute(insert(notes).values(word="kept"))

    with pytest.raises(Refused):
        write()
    assert (said, words(database)) == (["rang"], ["kept"])


def test_a_reader_sees_one_moment_whatever_is_committed_meanwhile(database: Database) -> None:
    count = select(func.count()).select_from(notes)
    with database.read() as tx:
        assert tx.execute(count).scalar() == 0
        add(database, "new")
        assert tx.execute(count).scalar() == 0
    assert words(database) == ["new"]


def test_what_a_reader_writes_is_not_kept(database: Database) -> None:
    with contextlib.suppress(Exception), database.read() as tx:
        tx.execute(insert(notes).values(word="by mistake"))
    assert words(database) == []


def test_an_insert_can_say_what_happens_to_what_is_there(database: Database) -> None:
    for body in ("old", "new"):
        with database.begin() as tx:
            statement = tx.insert(notes).values(word="one", body=body)
            tx.execute(statement.on_conflict_do_update(index_elements=["word"], set_={"body": body}))
    with database.read() as tx:
        assert tx.execute(select(notes.c.body)).scalars().all() == ["new"]


def test_a_failed_savepoint_leaves_the_rest_of_the_transaction(database: Database) -> None:
    add(database, "taken")
    with database.begin() as tx:
        tx.execute(insert(notes).values(word="other"))
        with pytest.raises(Exception, match=r"(?i)unique"), tx.connection.begin_nested():
            tx.execute(insert(notes).values(word="taken"))
    assert words(database) == ["taken", "other"]


# Locked


@contextlib.contextmanager
def locked(database: Database) -> Iterator[threading.Event]:
    """Somebody else holds what a writer needs, until the event is set or the block ends."""
    release, held = threading.Event(), threading.Event()

    def hold() -> None:
        if database.sqlite:
            connection = sqlite3.connect(str(database.url.database), isolation_level=None)
            connection.execute("BEGIN EXCLUSIVE")
            held.set()
            release.wait(30)
            connection.execute("ROLLBACK")
            connection.close()
            return
        with psycopg.connect(database.url.set(drivername="postgresql").render_as_string(False)) as other:
            other.execute("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE")
            held.set()
            release.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    try:
        yield release
    finally:
        release.set()
        thread.join()


def test_a_writer_waits_for_the_one_before_it(database: Database) -> None:
    patient = Database(database.url.render_as_string(False), lock_seconds=10)
    try:
        with locked(database) as release:
            threading.Timer(0.4, release.set).start()
            began = time.monotonic()
            add(patient, "waited")
            assert time.monotonic() - began > 0.3
    finally:
        patient.close()
    assert words(database) == ["waited"]


def test_a_writer_gives_up_after_its_patience_and_nothing_is_changed(database: Database) -> None:
    with locked(database), pytest.raises(DatabaseUnavailable) as refused:
        add(database, "too late")
    assert refused.value.status == 503
    assert "Nothing was changed" in refused.value.next_step
    assert words(database) == []


def test_patience_outlasts_ten_seconds_of_a_locked_database() -> None:
    assert LOCK_SECONDS > 10


def test_a_workflow_step_takes_an_unavailable_database_for_temporary() -> None:
    assert issubclass(DatabaseUnavailable, Temporary)


def test_readers_of_sqlite_never_wait_for_a_writer(sqlite_file: tuple[Database, Path]) -> None:
    database, _ = sqlite_file
    add(database, "there")
    with locked(database):
        assert words(database) == ["there"]


# Full, gone, unfit


def test_a_full_disk_is_said_and_nothing_is_half_written(sqlite_file: tuple[Database, Path]) -> None:
    database, _ = sqlite_file
    with database.engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
    rows = [{"word": "small", "body": ""}, {"word": "large", "body": "x" * 1_000_000}]
    with pytest.raises(DiskFull) as refused, database.begin() as tx:
        tx.execute(insert(notes), rows)
    assert refused.value.status == 507
    assert "Free space" in refused.value.next_step
    assert words(database) == []


def test_a_connection_that_was_cut_is_replaced_by_the_next_transaction(postgres_database: str) -> None:
    database = Database(postgres_database)
    with database.begin() as tx:
        notes.create(tx.connection)
    with psycopg.connect(postgres_database, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    add(database, "again")
    assert words(database) == ["again"]
    database.close()


def test_a_connection_that_is_cut_inside_a_transaction_is_unavailable(postgres_database: str) -> None:
    database = Database(postgres_database)

    def lose_it() -> None:
        with database.begin() as tx:
            mine = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with psycopg.connect(postgres_database, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [mine])
            tx.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable):
        lose_it()
    database.close()


def test_a_server_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"postgresql://nobody@/nothing?host={tmp_path}")
    with pytest.raises(DatabaseUnavailable), database.read():
        pass
    database.close()


def test_more_callers_than_connections_wait_and_are_then_told(sqlite_file: tuple[Database, Path]) -> None:
    database, _ = sqlite_file
    pool = database.engine.pool
    pool._timeout = 0.1  # type: ignore[attr-defined]  # half a minute otherwise
    held = [database.engine.connect() for _ in range(32)]
    with pytest.raises(DatabaseUnavailable), database.read():
        pass
    for connection in held:
        connection.close()


@pytest.mark.parametrize(("word", "body"), [("much too long for ten", ""), ("nul", "a\0b")])
def test_what_postgresql_cannot_hold_is_an_error_of_the_input(postgres_database: str, word: str, body: str) -> None:
    database = Database(postgres_database)
    with database.begin() as tx:
        notes.create(tx.connection)
    with pytest.raises(Unstorable) as refused:
        add(database, word, body)
    assert refused.value.status == 422
    assert word not in refused.value.detail
    database.close()


def test_nobody_else_can_read_the_database_file(sqlite_file: tuple[Database, Path]) -> None:
    database, file = sqlite_file
    add(database, "secret")
    beside = [each for each in file.parent.glob("notes.sqlite*") if each.is_file()]
    assert len(beside) > 1, "the write-ahead log is there"
    assert {stat.S_IMODE(each.stat().st_mode) for each in beside} == {0o600}
