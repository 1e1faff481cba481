"""Old events go behind a signed statement, and everything else is proved as before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from highroad.audit import archive, retention, store, tree
from highroad.audit.entry import entries
from highroad.audit.sequencer import Sequencer
from highroad.db.engine import Database
from highroad.events import store as events
from highroad.events.log import EventLog
from highroad.kit.clock import now
from highroad.transparency import checkpoint
from highroad.transparency.verify import verify
from tests.audit.proof import append, sequencer_of

LATER = timedelta(days=400)


@pytest.fixture
def sequencer(db: Database, log: EventLog, tmp_path: Path) -> Sequencer:
    made = sequencer_of(db, log, tmp_path / "data")
    made.catch_up()  # whereby its key is announced
    return made


def lines(sequencer: Sequencer) -> list[bytes]:
    return list(archive.lines(sequencer))


def numbers(db: Database) -> list[int]:
    with db.read() as tx:
        return [each.seq for each in entries(tx, after=0, limit=10_000)]


def drop_everything(sequencer: Sequencer, days: int = 0) -> store.Statement:
    made = retention.drop_old(sequencer, 365, now() + LATER + timedelta(days=days))
    assert made is not None
    return made


def test_what_is_young_enough_stays(db: Database, log: EventLog, sequencer: Sequencer) -> None:
    append(db, log, "a")
    before = numbers(db)
    assert retention.drop_old(sequencer, 365) is None
    assert numbers(db)[: len(before)] == before


@pytest.mark.parametrize("count", [3, 300])
def test_a_signed_statement_says_what_was_dropped(
    db: Database, log: EventLog, sequencer: Sequencer, count: int
) -> None:
    append(db, log, *map(str, range(count)))
    before = sequencer.catch_up()
    made = drop_everything(sequencer)
    assert (made.end, made.root, made.through_seq) == (before.size, before.root, before.last_seq)
    assert made.policy == "Events are kept for 365 days."
    stated, note = checkpoint.read(made.note)
    assert stated.root.hex() == before.root
    assert checkpoint.signed_by(note, [sequencer.key.public]) is not None
    with db.read() as tx:
        last = events.latest(tx, limit=1)[0]
    assert last.id == made.event_id
    assert last.data["customData"]["statement"] == made.note  # type: ignore[index]  # JSON
    assert numbers(db) == [last.seq]


def test_the_rest_is_proved_and_the_tree_goes_on(db: Database, log: EventLog, sequencer: Sequencer) -> None:
    append(db, log, *map(str, range(300)))
    first = sequencer.catch_up()
    drop_everything(sequencer)
    append(db, log, *map(str, range(300)))
    report = verify(lambda: iter(lines(sequencer)), keys=[sequencer.key.public])
    assert report.sound, report.findings
    assert (report.dropped, report.events, report.unchecked) == (first.size, 301, 0)
    assert archive.verify_live(sequencer).sound
    with db.read() as tx:
        seq = numbers(db)[7]
        position = tree.position_of(tx, seq)
        assert position == first.size + 7
        assert tree.seq_at(tx, position) == seq
        assert tree.seq_at(tx, 5) is None


def test_later_statements_follow_a_day_later(db: Database, log: EventLog, sequencer: Sequencer) -> None:
    append(db, log, "a")
    first = drop_everything(sequencer)
    append(db, log, "b", "c")
    assert retention.drop_old(sequencer, 365, now() + LATER) is None
    second = drop_everything(sequencer, days=1)
    assert second.count == second.end - first.end == 3, "with the first statement itself"
    report = verify(lambda: iter(lines(sequencer)), keys=[sequencer.key.public])
    assert report.sound, report.findings
    assert report.dropped == second.end


def test_a_crash_between_statement_and_deletion_is_made_good(
    db: Database, log: EventLog, sequencer: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(db, log, *map(str, range(10)))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "forget", die)
        with pytest.raises(KeyboardInterrupt):
            drop_everything(sequencer)
    assert len(numbers(db)) > 10
    assert archive.verify_live(sequencer).sound, "what the statement covers may be there still"
    assert retention.drop_old(sequencer, 365) is None
    assert len(numbers(db)) == 1


def test_nothing_else_may_delete(db: Database, log: EventLog, sequencer: Sequencer) -> None:
    append(db, log, "a")
    drop_everything(sequencer)
    append(db, log, "b")
    with pytest.raises(Exception, match="append-only"), db.begin() as tx:
        tx.execute(text("DELETE FROM events"))


def test_a_statement_that_somebody_wrote_into_the_database_is_no_excuse(
    db: Database, log: EventLog, sequencer: Sequencer
) -> None:
    append(db, log, "a", "b")
    covered = sequencer.catch_up()
    with db.begin() as tx:
        forged = store.Statement(covered.size, 1, covered.last_seq, covered.root, now(), "", "evt_none", covered.note)
        store.add_statement(tx, forged)
        tx.execute(text("DELETE FROM events"))
    append(db, log, "c")
    report = archive.verify_live(sequencer)
    assert [each.kind for each in report.findings] == ["dropped"]


def test_the_days_can_be_chosen(db: Database, sequencer: Sequencer) -> None:
    with db.begin() as tx:
        assert retention.days_kept(tx, 365) == 365
        store.put_setting(tx, retention.DAYS, "30")
        assert retention.days_kept(tx, 365) == 30
