"""What an event costs the transaction that writes it, against the same row inserted bare."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure, summary
from highroad.access.model import SYSTEM
from highroad.db.engine import Database, Transaction
from highroad.db.migrate import migrate
from highroad.events.log import EventLog
from highroad.events.model import INSTANCE_CHANGED, Event
from highroad.kit.bell import Bell
from highroad.kit.ids import new_id

TIMES = 2000
_BARE = (
    "INSERT INTO events (id, type, subject, time, actor, origin, data)"
    " VALUES (?, 'bench', 'web.1', '2026-01-01T00:00:00.000000Z', 'bench', 'system', ?)"
)
_DATA = "x" * 600  # about as long as an event's


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="highroad-bench-") as place:
        database = Database(f"sqlite:///{Path(place) / 'events.sqlite'}")
        try:
            migrate(database)
            log = EventLog("http://localhost", Bell())
            event = Event(INSTANCE_CHANGED, "ins_1", {"state": "running", "label": "web.1"}, project="bench")
            appended = _times(database, lambda tx: log.append(tx, event, SYSTEM))
            bare = _times(database, lambda tx: tx.connection.exec_driver_sql(_BARE, (new_id("evt"), _DATA)))
        finally:
            database.close()
    return [
        Figure(
            name="one event in a transaction",
            measured=statistics.median(appended) * 1000,
            unit="ms",
            peer=statistics.median(bare) * 1000,
            against="the row inserted bare",
            split=summary(appended),
        )
    ]


def _times(database: Database, write: Callable[[Transaction], object]) -> list[float]:
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        with database.begin() as tx:
            write(tx)
        seconds.append(time.perf_counter() - began)
    return seconds
