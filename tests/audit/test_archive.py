"""The archive proves the log as it stands, and the check of the live log names whatever was done to its tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from highroad.audit import archive, store
from highroad.audit.entry import entries
from highroad.audit.sequencer import Sequencer
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.transparency.findings import Finding
from highroad.transparency.verify import verify
from tests.audit.proof import append, sequencer_of


@pytest.fixture
def sequencer(db: Database, log: EventLog, tmp_path: Path) -> Sequencer:
    made = sequencer_of(db, log, tmp_path / "data")
    for number in range(3):
        append(db, log, *(f"{number}-{count}" for count in range(150)))
        made.catch_up()
    return made


def numbers(db: Database) -> list[int]:
    with db.read() as tx:
        return [each.seq for each in entries(tx, after=0, limit=10_000)]


def tamper(db: Database, *statements: str, **values: object) -> None:
    """As somebody who may do anything to the database: without its triggers."""
    with db.begin() as tx:
        if tx.sqlite:
            triggers = tx.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in triggers:
                tx.execute(text(f"DROP TRIGGER {name}"))
        else:
            tx.execute(text("SET LOCAL session_replication_role = replica"))
        for each in statements:
            tx.execute(text(each), values)


def only(sequencer: Sequencer) -> Finding:
    report = archive.verify_live(sequencer)
    assert len(report.findings) == 1, report.findings
    return report.findings[0]


def test_the_archive_is_sound_and_so_is_the_live_log(db: Database, sequencer: Sequencer) -> None:
    report = verify(lambda: archive.lines(sequencer), keys=[sequencer.key.public])
    assert report.sound, report.findings
    assert report.events == len(numbers(db))
    assert report.checkpoints >= 3
    assert archive.verify_live(sequencer).sound


def test_the_archive_has_what_was_written_a_moment_ago(db: Database, log: EventLog, sequencer: Sequencer) -> None:
    append(db, log, "just-now")
    assert any(b'"subject":"just-now"' in line for line in archive.lines(sequencer))


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'mallory'",
        "time = '2020-01-01T00:00:00.000000Z'",
        "address = '10.0.0.1'",
        "data = replace(data, 'p', 'q')",
        "policy = 'none'",
        "id = 'evt_other'",
    ],
)
def test_a_changed_column_is_found_whichever_it_is(db: Database, sequencer: Sequencer, change: str) -> None:
    seq = numbers(db)[200]
    tamper(db, f"UPDATE events SET {change} WHERE seq = :seq", seq=seq)
    found = only(sequencer)
    assert found.kind == ("back-dated" if change.startswith("time") else "changed")
    assert found.seq == seq


def test_a_deleted_row_is_found(db: Database, sequencer: Sequencer) -> None:
    seq = numbers(db)[200]
    tamper(db, "DELETE FROM events WHERE seq = :seq", seq=seq)
    found = only(sequencer)
    assert (found.kind, found.seq) == ("dropped", seq)


def test_a_deleted_end_is_found(db: Database, sequencer: Sequencer) -> None:
    first, second = numbers(db)[-2:]
    tamper(db, "DELETE FROM events WHERE seq >= :seq", seq=first)
    report = archive.verify_live(sequencer)
    assert [each.kind for each in report.findings] == ["dropped", "dropped"], second


def test_a_row_put_in_between_is_found(db: Database, sequencer: Sequencer) -> None:
    seqs = numbers(db)
    tamper(
        db,
        "DELETE FROM events WHERE seq = :seq",
        "INSERT INTO events (seq, id, type, subject, time, actor, origin, data)"
        " SELECT -5, 'evt_forged', type, subject, time, actor, origin, data FROM events WHERE seq = :other",
        seq=seqs[100],
        other=seqs[101],
    )
    kinds = {each.kind for each in archive.verify_live(sequencer).findings}
    assert "dropped" in kinds
    tamper(db, "UPDATE events SET seq = :seq WHERE seq = -5", seq=seqs[100])
    found = only(sequencer)
    assert (found.kind, found.id) == ("changed", "evt_forged")


def test_rows_that_changed_places_are_found(db: Database, sequencer: Sequencer) -> None:
    one, other = numbers(db)[100:102]
    tamper(
        db,
        "UPDATE events SET seq = -1 WHERE seq = :one",
        "UPDATE events SET seq = :one WHERE seq = :other",
        "UPDATE events SET seq = :other WHERE seq = -1",
        one=one,
        other=other,
    )
    assert {each.seq for each in archive.verify_live(sequencer).findings} == {one, other}


def forge_tile(db: Database) -> None:
    """Change an event and its hash in the tile, as somebody would who knows how it works."""
    from highroad.transparency.merkle import leaf_hash

    seq = numbers(db)[200]
    tamper(db, "UPDATE events SET actor = 'mallory' WHERE seq = :seq", seq=seq)
    with db.read() as tx:
        line = next(each.line for each in entries(tx, after=seq - 1, limit=1))
        found = store.tile(tx, 0, 0)
    assert found is not None
    forged = found.hashes[: 200 * 64] + leaf_hash(line).hex() + found.hashes[201 * 64 :]
    tamper(db, "UPDATE audit_tiles SET hashes = :hashes WHERE level = 0 AND number = 0", hashes=forged)


def forge_checkpoint(db: Database) -> None:
    tamper(db, "UPDATE audit_checkpoints SET note = replace(note, '/audit/', '/other/')")


def lose_tile(db: Database) -> None:
    tamper(db, "DELETE FROM audit_tiles WHERE level = 0 AND number = 0")


@pytest.mark.parametrize("forge", [forge_tile, forge_checkpoint, lose_tile])
def test_who_changes_the_proof_as_well_is_found(
    db: Database, sequencer: Sequencer, forge: Callable[[Database], None]
) -> None:
    forge(db)
    assert not archive.verify_live(sequencer).sound


def test_a_part_of_the_log_proves_what_it_has(db: Database, sequencer: Sequencer) -> None:
    wanted = set(numbers(db)[::37])
    part = list(archive.lines(sequencer, lambda each: each.seq in wanted))
    report = verify(lambda: iter(part), keys=[sequencer.key.public])
    assert report.sound, report.findings
    assert report.events == len(wanted)
    assert report.left_out == report.size - len(wanted)


def test_a_part_without_any_event_proves_that_much(sequencer: Sequencer) -> None:
    report = verify(lambda: archive.lines(sequencer, lambda _: False), keys=[sequencer.key.public])
    assert report.sound, report.findings
    assert report.events == 0
