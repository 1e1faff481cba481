"""A log with events for the tests of its proof, and an archive of it that one may tamper with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from highroad.access.model import SCOPES, SYSTEM, Actor
from highroad.audit import actions, retention
from highroad.audit.sequencer import Sequencer
from highroad.db.engine import Database
from highroad.events import store as events
from highroad.events.log import EventLog
from highroad.events.model import PROJECT_CREATED, Event
from highroad.kit.clock import now, rfc3339
from highroad.kit.ids import new_id


def sequencer_of(db: Database, log: EventLog, data: Path) -> Sequencer:
    data.mkdir(mode=0o700, exist_ok=True)
    return Sequencer(db, log, data, "highroad.example")


def append(db: Database, log: EventLog, *names: str) -> None:
    """One transaction for all of them."""
    with db.begin() as tx:
        for name in names:
            log.append(tx, Event(PROJECT_CREATED, name, {"name": name}), SYSTEM)


def append_old(db: Database, days: float, count: int) -> None:
    """Events as they would stand there, had they been written so many days ago."""
    time = rfc3339(now() - timedelta(days=days))
    row = {"type": PROJECT_CREATED.name, "subject": "old", "time": time, "actor": "ada", "origin": "cli", "data": "{}"}
    with db.begin() as tx:
        tx.execute(events.events.insert(), [{"id": new_id("evt"), **row} for _ in range(count)])


def look_after_the_log(sequencer: Sequencer) -> None:
    """Everything that is done to the audit log and stands in it, but for dropping it."""
    db, log = sequencer.db, sequencer.log
    owner = Actor("usr_1", "ada@example.com", "user", "cli", "owner", frozenset(SCOPES))
    sequencer.catch_up()
    actions.record_check(db, log, owner)
    with db.begin() as tx:
        actions.keep_days(tx, log, owner, 90, 365, 90)
        made = actions.add_witness(tx, log, owner, "git", "https://git.example.com/witness.git")
        actions.remove_witness(tx, log, owner, made.witness.id)


def drop_the_log(sequencer: Sequencer) -> None:
    """All events there are, as if years had passed."""
    retention.drop_old(sequencer, 365, now() + timedelta(days=3650))
