"""What the audit log costs: an event against the same row inserted bare, on SQLite and on PostgreSQL, while the tree
follows; and the check of a million events.

The check is of a file with lines as long as those of real events, on one core.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from benchmarks.figures import Figure, summary
from highroad.access.model import SYSTEM
from highroad.audit.sequencer import Sequencer
from highroad.db.engine import Database, Transaction
from highroad.db.migrate import migrate
from highroad.events.log import EventLog
from highroad.events.model import INSTANCE_CHANGED, Event
from highroad.kit.bell import Bell
from highroad.kit.clock import rfc3339
from highroad.kit.ids import new_id
from highroad.transparency import notes
from highroad.transparency.archive import End, Header, Signed, TileLine, line_of
from highroad.transparency.checkpoint import Checkpoint, sign
from highroad.transparency.merkle import Frontier, leaf_hash
from highroad.transparency.tiles import WIDTH
from highroad.transparency.verify import verify
from tests import postgres

TIMES = 1500
EVENTS = 1_000_000
BETWEEN = 1024
"""Events between two checkpoints of the file."""
_BARE = text(
    "INSERT INTO events (id, type, subject, time, actor, origin, data)"
    " VALUES (:id, 'bench', 'web.1', '2026-01-01T00:00:00.000000Z', 'bench', 'system', :data)"
)
_DATA = "x" * 600  # about as long as an event's


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="highroad-bench-") as place:
        figures = [_append(f"sqlite:///{Path(place) / 'events.sqlite'}", Path(place), "SQLite")]
        programs = postgres.binaries()
        if programs is not None:
            with postgres.server(programs) as server, postgres.database(server) as url:
                figures.append(_append(url, Path(place), "PostgreSQL"))
        return [*figures, _verify(Path(place) / "archive.jsonl")]


def _append(url: str, place: Path, name: str) -> Figure:
    database = Database(url)
    try:
        migrate(database)
        log = EventLog("http://localhost", Bell())
        event = Event(INSTANCE_CHANGED, "ins_1", {"state": "running", "label": "web.1"}, project="bench")
        with _followed(database, log, place):
            appended, bare = _in_turn(
                database,
                lambda tx: log.append(tx, event, SYSTEM),
                lambda tx: tx.execute(_BARE, {"id": new_id("evt"), "data": _DATA}),
            )
    finally:
        database.close()
    return Figure(
        name=f"one event in a transaction, {name}",
        measured=statistics.median(appended) * 1000,
        unit="ms",
        peer=statistics.median(bare) * 1000,
        against="the row inserted bare",
        target=2.0,
        of_ratio=True,
        split=summary(appended),
    )


@contextmanager
def _followed(database: Database, log: EventLog, place: Path) -> Iterator[None]:
    """The tree follows meanwhile, as it does in production."""
    sequencer = Sequencer(database, log, place, "localhost")
    sequencer.start()
    try:
        yield
    finally:
        sequencer.stop()


def _in_turn(
    database: Database, one: Callable[[Transaction], object], other: Callable[[Transaction], object]
) -> tuple[list[float], list[float]]:
    """Seconds of both, one after the other, so that both have the same luck with a shared machine."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(TIMES):
        for write, taken in zip((one, other), seconds, strict=True):
            began = time.perf_counter()
            with database.begin() as tx:
                write(tx)
            taken.append(time.perf_counter() - began)
    return seconds


def _verify(file: Path) -> Figure:
    key = notes.new_key("bench.example/audit/1")
    checkpoints = _write(file, key)
    began, processor = time.perf_counter(), time.process_time()
    with file.open("rb", buffering=1024 * 1024) as opened:
        report = verify(lambda: opened, keys=[key.public])
    taken = time.perf_counter() - began
    if not report.sound or report.events != EVENTS:
        raise RuntimeError(f"The log of the benchmark was not found sound: {report.findings[:3]}")
    size = file.stat().st_size / EVENTS
    busy = time.process_time() - processor
    return Figure(
        name=f"verify {EVENTS:,} events",
        measured=taken,
        unit="s",
        target=5.0,
        split=f"one core of {os.cpu_count()}, busy for {busy:.1f} s; {size:.0f} bytes each, {checkpoints} checkpoints",
    )


def _write(file: Path, key: notes.SecretKey) -> int:
    """An archive of `EVENTS` events; how many checkpoints it has. Twice through, because checkpoints come first."""
    frontier, signed = Frontier(), list[bytes]()
    blocks = [_block(start) for start in range(0, EVENTS, WIDTH)]
    leaves = [[leaf_hash(line) for line in _lines(block)] for block in blocks]
    for hashes in leaves:
        frontier.extend(hashes)
        if frontier.size % BETWEEN == 0 or frontier.size == EVENTS:
            note = sign(Checkpoint(key.name, frontier.size, frontier.root()), key, _time(frontier.size))
            signed.append(line_of(Signed(note)))
    with file.open("wb") as out:
        out.write(line_of(Header(key.name, (str(key.public),), EVENTS)))
        out.writelines(signed)
        for block, hashes in zip(blocks, leaves, strict=True):
            out.write(line_of(TileLine(block.start, block.stop, b"".join(hashes).hex())))
            out.writelines(line + b"\n" for line in _lines(block))
        out.write(line_of(End(EVENTS)))
    return len(signed)


def _block(start: int) -> range:
    return range(start, min(start + WIDTH, EVENTS))


def _lines(block: range) -> Iterator[bytes]:
    for number in block:
        yield (
            f'{{"time":"{rfc3339(_time(number))}","seq":{number},"id":"evt_{number:026}","type":"bench",'
            f'"subject":"web.1","actor":"bench","origin":"system","data":{{"x":"{_DATA}"}}}}'
        ).encode()


def _time(number: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
