"""Drops the oldest events when their time is over, behind a signed statement of what was dropped.

The statement is a checkpoint of exactly the part that goes: its size and root say which events those were, to whoever
still has them. It stands in the log as an event, which the tree covers like any other, and it is the only thing that
lets the database delete (a trigger asks for it). The hashes of what was dropped stay in the tiles, so that everything
else is proved as before. Called by housekeeping.

First the statement is committed, then the events go a few at a time, which keeps nobody waiting; after a crash in
between the next call goes on with it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from highroad.access.model import SYSTEM
from highroad.audit import store, tree
from highroad.audit.sequencer import Sequencer
from highroad.audit.store import Statement
from highroad.db.engine import Transaction
from highroad.events import model as events
from highroad.events.model import Event
from highroad.kit.clock import now, rfc3339
from highroad.transparency.checkpoint import Checkpoint, sign
from highroad.transparency.merkle import range_hash

BATCH = 200
"""Rows deleted in one transaction."""
BETWEEN = timedelta(hours=20)
"""At least so long between two statements: one a day is enough to read."""
DAYS = "retention-days"


def days_kept(tx: Transaction, otherwise: int) -> int:
    """How many days events are kept; `otherwise` unless somebody chose."""
    return int(store.setting(tx, DAYS) or otherwise)


def tidy(sequencer: Sequencer, otherwise: int) -> None:
    """What is to be done from time to time: drop old events, and forget old checkpoints but for one an hour."""
    drop_old(sequencer, otherwise)
    sequencer.thin()


def drop_old(sequencer: Sequencer, otherwise: int, at: datetime | None = None) -> Statement | None:
    """Drop what is older than the days that events are kept. The statement, if there was something to drop."""
    instant = at or now()
    _delete(sequencer)  # what an earlier statement covers and a crash left
    with sequencer.db.read() as tx:
        last = store.last_statement(tx)
    if last is not None and instant - last.time < BETWEEN:
        return None
    with sequencer.db.read() as tx:
        days = days_kept(tx, otherwise)
        before = instant - timedelta(days=days)
        through = store.last_before(tx, before)
    if through is None:
        return None
    sequencer.catch_up()
    made = _state(sequencer, through, f"Events are kept for {days} days.", before, instant)
    _delete(sequencer)
    return made


def _state(sequencer: Sequencer, through: int, policy: str, before: datetime, instant: datetime) -> Statement | None:
    """Commit the statement that the events up to the number `through` are dropped."""
    key = sequencer.key
    with sequencer.db.begin() as tx:
        store.alone(tx)
        position, last = tree.position_of(tx, through), store.last_statement(tx)
        if position is None or (last is not None and last.end > position):
            return None  # another control plane was faster
        end, count = position + 1, position + 1 - (last.end if last else 0)
        root = range_hash(0, end, tree.hasher(tx))
        note = sign(Checkpoint(key.name, end, root), key, instant)
        event = Event(
            events.AUDIT_DROPPED,
            "audit-log",
            {"count": count, "policy": policy, "before": rfc3339(before)},
            custom={"statement": note, "positions": [end - count, end], "through": through},
        )
        id = sequencer.log.append(tx, event, SYSTEM)
        made = Statement(end, count, through, root.hex(), instant, policy, id, note)
        store.add_statement(tx, made)
    return made


def _delete(sequencer: Sequencer) -> None:
    """Delete whatever the last statement covers."""
    while True:
        with sequencer.db.read() as tx:  # which keeps nobody waiting when there is nothing, as nearly always
            last = store.last_statement(tx)
            gone = store.oldest_seqs(tx, last.through_seq, BATCH) if last else []
        if not gone:
            return
        with sequencer.db.begin() as tx:
            store.forget(tx, gone)
