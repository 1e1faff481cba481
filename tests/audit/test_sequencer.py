"""New events get into the tree, each once and in their order, whatever happens in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as happening
from sqlalchemy import text

from highroad.access.model import SYSTEM
from highroad.audit import store, tree
from highroad.audit.entry import entries
from highroad.audit.sequencer import BATCH, Sequencer
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.events.model import PROJECT_CREATED, Event
from highroad.transparency import checkpoint, notes
from highroad.transparency.merkle import leaf_hash, root_of
from highroad.transparency.tiles import tiles_of
from tests.audit.proof import append, append_old, sequencer_of


@pytest.fixture
def sequencer(db: Database, log: EventLog, tmp_path: Path) -> Sequencer:
    return sequencer_of(db, log, tmp_path / "data")


def expected_root(db: Database) -> str:
    with db.read() as tx:
        return root_of([leaf_hash(each.line) for each in entries(tx, after=0, limit=1_000_000)]).hex()


def test_the_tree_has_every_event_and_is_signed(db: Database, log: EventLog, sequencer: Sequencer) -> None:
    append(db, log, "a", "b")
    made = sequencer.catch_up()
    assert made.root == expected_root(db)
    stated, note = checkpoint.read(made.note)
    assert (stated.size, stated.root.hex()) == (made.size, made.root)
    assert stated.origin == sequencer.key.name
    assert stated.origin.startswith("highroad.example/audit/")
    assert checkpoint.signed_by(note, [sequencer.key.public]) is not None


def test_a_log_without_news_gets_no_further_checkpoint(db: Database, log: EventLog, sequencer: Sequencer) -> None:
    first = sequencer.catch_up()
    assert sequencer.catch_up() == first
    append(db, log, "a")
    assert sequencer.catch_up().size == first.size + 1


@pytest.mark.parametrize("steps", [[1, 2, 3], [255, 1, 1], [256, 256], [300, 700], [BATCH, 1], [BATCH + 5, 300]])
def test_however_it_grows_the_tree_is_the_same(
    db: Database, log: EventLog, sequencer: Sequencer, steps: list[int]
) -> None:
    sequencer.catch_up()
    for number in steps:
        append_old(db, 0, number)
        assert sequencer.catch_up().root == expected_root(db)
    with db.read() as tx:
        head = tree.head(tx)
        for (level, number), width in tiles_of(head.size):
            found = store.tile(tx, level, number)
            assert found is not None
            assert found.width == width


def test_numbers_that_were_rolled_back_are_no_gap_in_the_tree(
    db: Database, log: EventLog, sequencer: Sequencer
) -> None:
    before = sequencer.catch_up()

    def fail() -> None:
        with db.begin() as tx:
            log.append(tx, Event(PROJECT_CREATED, "never"), SYSTEM)
            tx.before_commit(lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        fail()
    append(db, log, "a")
    after = sequencer.catch_up()
    assert (after.size, after.root) == (before.size + 1, expected_root(db))
    if not db.sqlite:
        assert after.last_seq == before.last_seq + 2, "the number in between was drawn for nothing"


class Killed(BaseException):
    pass


@contextmanager
def dying_at(db: Database, number: int) -> Iterator[None]:
    """The process ends before the statement with this number, counted from 0."""
    executed: list[str] = []

    def before(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if len(executed) == number:
            raise Killed
        executed.append(statement)

    happening.listen(db.engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        happening.remove(db.engine, "before_cursor_execute", before)


def test_it_may_die_before_any_statement(db: Database, log: EventLog, sequencer: Sequencer, tmp_path: Path) -> None:
    append_old(db, 0, 700)
    number, again = 0, sequencer_of(db, log, tmp_path / "data")
    while True:
        try:
            with dying_at(db, number):
                again.catch_up()
            break
        except Killed:
            number += 1
            append(db, log, f"more-{number}")
    assert number > 8
    assert sequencer.catch_up().root == expected_root(db)
    with db.read() as tx:
        assert [each.width for each in store.tiles_from(tx, 0, 100)][:-1] == [256] * (tree.head(tx).size // 256)


def test_several_at_once_write_one_tree(db: Database, log: EventLog, tmp_path: Path) -> None:
    sequencers = [sequencer_of(db, log, tmp_path / name) for name in ("one", "two", "three")]
    failed: list[BaseException] = []

    def follow(each: Sequencer) -> None:
        try:
            for _ in range(8):
                each.catch_up()
        except BaseException as error:
            failed.append(error)

    def write(number: int) -> None:
        for count in range(12):
            append(db, log, f"{number}-{count}")

    threads = [threading.Thread(target=follow, args=[each]) for each in sequencers]
    threads += [threading.Thread(target=write, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sequencers[0].catch_up().root == expected_root(db)
    with db.read() as tx:
        keys = [notes.public_key(each) for each in store.known_keys(tx)]
        assert len(keys) == 3, "each control plane has a key of its own"
        for each in store.list_checkpoints(tx):
            assert checkpoint.signed_by(checkpoint.read(each.note)[1], keys) is not None


def test_it_follows_by_itself(db: Database, log: EventLog, sequencer: Sequencer) -> None:
    sequencer.start()
    try:
        append(db, log, "a")
        newest = wait_for(lambda: proved(db))
    finally:
        sequencer.stop()
    assert newest


def proved(db: Database) -> bool:
    with db.read() as tx:
        last = entries(tx, after=0, limit=1000)[-1].seq
        return tree.proof_state(tx, last).proved


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("kill_after", [0.0, 0.05, 0.2])
def test_a_killed_process_leaves_a_tree_to_go_on_with(
    database_url: str, log: EventLog, tmp_path: Path, kill_after: float
) -> None:
    code = (
        "import sys; from pathlib import Path; from highroad.db.engine import Database;"
        "from highroad.events.log import EventLog; from highroad.kit.bell import Bell;"
        "from tests.audit.proof import append, sequencer_of;"
        "db, log = Database(sys.argv[1]), EventLog('http://localhost', Bell());"
        "sequencer = sequencer_of(db, log, Path(sys.argv[2])); print('up', flush=True)\n"
        "while True: append(db, log, *map(str, range(50))); sequencer.catch_up()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, database_url, str(tmp_path / "data")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(kill_after)  # wherever it is by then
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    db = Database(database_url)
    try:
        assert sequencer_of(db, log, tmp_path / "data").catch_up().root == expected_root(db)
    finally:
        db.close()


def test_old_checkpoints_go_but_for_one_an_hour_and_never_the_newest(
    db: Database, log: EventLog, sequencer: Sequencer
) -> None:
    newest = sequencer.catch_up()
    with db.begin() as tx:
        for size, hour in ((-5, "01"), (-4, "01"), (-3, "01"), (-2, "02")):
            tx.execute(
                store.checkpoints.insert().values(
                    size=size, last_seq=0, root="", time=f"2020-01-01T{hour}:00:00.000000Z", note=""
                )
            )
    sequencer.thin()
    with db.read() as tx:
        assert [each.size for each in store.list_checkpoints(tx)] == [-3, -2, newest.size]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET actor = 'mallory'",
        "DELETE FROM events",
        "UPDATE audit_tiles SET hashes = 'ff' || substr(hashes, 3)",
        "UPDATE audit_tiles SET hashes = substr(hashes, 65)",
        "UPDATE audit_tiles SET number = number + 1",
        "DELETE FROM audit_tiles",
        "UPDATE audit_checkpoints SET note = ''",
        "DELETE FROM audit_checkpoints",
        "UPDATE audit_keys SET key = ''",
        "DELETE FROM audit_keys",
    ],
)
def test_the_database_refuses_to_change_the_past(
    db: Database, log: EventLog, sequencer: Sequencer, statement: str
) -> None:
    append(db, log, "a")
    sequencer.catch_up()
    with pytest.raises(Exception, match="is append-only"), db.begin() as tx:
        tx.execute(text(statement))


def test_postgresql_refuses_to_empty_the_tables(db: Database) -> None:
    if db.sqlite:
        pytest.skip("SQLite has no TRUNCATE")
    for table in ("events", "audit_tiles", "audit_checkpoints", "audit_keys", "audit_retentions"):
        with pytest.raises(Exception, match="is append-only"), db.begin() as tx:
            tx.execute(text(f"TRUNCATE {table}"))


def test_the_state_of_an_event_is_known_by_its_number(db: Database, log: EventLog, sequencer: Sequencer) -> None:
    covered = sequencer.catch_up()
    append(db, log, "a")
    with db.read() as tx:
        before, after = tree.proof_state(tx, covered.last_seq), tree.proof_state(tx, covered.last_seq + 1)
    assert (before.proved, before.size) == (True, covered.size)
    assert not after.proved
