"""The whole log as a file that proves itself, and the check of the live log by the very same code.

`highroad.transparency.archive` has the format. A part of the log can be written too: events that a filter leaves out
stand as the hashes of the subtrees they make up. Called by the API and, before it, by whoever exports a proved part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from highroad.audit import store, tree
from highroad.audit.entry import Entry, entries
from highroad.audit.sequencer import Sequencer
from highroad.audit.store import Statement, StoredCheckpoint, StoredTile
from highroad.db.engine import Transaction
from highroad.kit.clock import rfc3339
from highroad.transparency import notes
from highroad.transparency.archive import End, Header, LeftOut, Signed, TileLine, line_of
from highroad.transparency.findings import Report
from highroad.transparency.merkle import Hasher, leaf_hash
from highroad.transparency.tiles import WIDTH
from highroad.transparency.verify import verify

TILES = 16
"""Tiles read at once: 4096 events."""
PIECE = 256 * 1024
Wanted = Callable[[Entry], bool]


def lines(sequencer: Sequencer, wanted: Wanted | None = None) -> Iterator[bytes]:
    """The archive's lines, as of now, in one snapshot; those of events that `wanted` takes, or of all.

    The tree catches up first, so that the archive ends with the newest event there is.
    """
    sequencer.catch_up()
    return _lines(sequencer, wanted)


def _lines(sequencer: Sequencer, wanted: Wanted | None) -> Iterator[bytes]:
    with sequencer.db.read() as tx:
        newest = store.latest_checkpoint(tx)
        assert newest is not None, "the tree has caught up"
        yield from _Writer(tx, newest, wanted).lines(sequencer.key.name)


def pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in larger parts, each of which costs a response a turn."""
    part: list[bytes] = []
    size = 0
    for line in lines:
        part.append(line)
        size += len(line)
        if size >= PIECE:
            yield b"".join(part)
            part, size = [], 0
    yield b"".join(part)


def verify_live(sequencer: Sequencer) -> Report:
    """Check every row of the log against its own tree and checkpoints, in one snapshot."""
    sequencer.catch_up()
    with sequencer.db.read() as tx:
        newest = store.latest_checkpoint(tx)
        assert newest is not None, "the tree has caught up"
        trusted = [notes.public_key(each) for each in store.known_keys(tx)]
        name = sequencer.key.name
        return verify(lambda: _Writer(tx, newest, None).lines(name), keys=trusted)


class _Writer:
    def __init__(self, tx: Transaction, newest: StoredCheckpoint, wanted: Wanted | None) -> None:
        self._tx, self._newest, self._wanted = tx, newest, wanted
        self._hash_of: Hasher = tree.hasher(tx)
        self._statement = store.last_statement(tx)

    def lines(self, origin: str) -> Iterator[bytes]:
        tx, size = self._tx, self._newest.size
        yield line_of(Header(origin, tuple(store.known_keys(tx)), size), made_at=rfc3339(self._newest.time))
        yield from self._checkpoints()
        start = 0
        if self._statement is not None:
            start = self._statement.end
            yield line_of(self._left_out(0, start, "retention", self._statement))
        yield from self._everything(start) if self._wanted is None else self._part(start, self._wanted)
        yield line_of(End(size))

    def _checkpoints(self) -> Iterator[bytes]:
        dropped = self._statement.end if self._statement else 0
        if self._wanted is not None:  # one is enough: those in between would each need a proof
            yield line_of(Signed(self._newest.note))
            return
        for each in store.list_checkpoints(self._tx, through=self._newest.size):
            inside = 0 < each.size < dropped
            proof = tree.consistency(self._tx, each.size, self._newest.size) if inside else None
            yield line_of(Signed(each.note, None if proof is None else tuple(proof)))

    def _left_out(self, start: int, end: int, reason: str, statement: Statement | None = None) -> LeftOut:
        position = None
        if statement is not None:
            seq = store.seq_of(self._tx, statement.event_id)
            position = tree.position_of(self._tx, seq) if seq is not None else None
        return LeftOut(start, end, tuple(tree.frontier(start, end, self._hash_of)), reason, position)

    def _everything(self, start: int) -> Iterator[bytes]:
        for made, rows in self._tiles(start):
            first = made.number * WIDTH
            begin, end = max(first, start), min(first + made.width, self._newest.size)
            yield line_of(TileLine(begin, end, made.hashes[(begin - first) * 64 : (end - first) * 64]))
            yield from (each.line + b"\n" for each in rows)

    def _tiles(self, start: int) -> Iterator[tuple[StoredTile, list[Entry]]]:
        """Tiles of level 0 with the events that stand where theirs should, whatever was done to them."""
        number, after = start // WIDTH, self._statement.through_seq if self._statement else 0
        while number * WIDTH < self._newest.size:
            found = store.tiles_from(self._tx, number, TILES)
            if not found:
                return
            through = min(found[-1].last_seq or 0, self._newest.last_seq)
            rows = entries(self._tx, after=after, limit=2 * TILES * WIDTH, through=through)
            yield from _by_tile(found, rows)
            number, after = found[-1].number + 1, through

    def _part(self, start: int, wanted: Wanted) -> Iterator[bytes]:
        at = start
        for made, rows in self._tiles(start):
            first = made.number * WIDTH
            position = min(first + made.width, self._newest.size) - len(rows)
            for each in rows:
                if wanted(each):
                    if at < position:
                        yield line_of(self._left_out(at, position, "filter"))
                    yield line_of(TileLine(position, position + 1, leaf_hash(each.line).hex()))
                    yield each.line + b"\n"
                    at = position + 1
                position += 1
        if at < self._newest.size:
            yield line_of(self._left_out(at, self._newest.size, "filter"))


def _by_tile(found: Sequence[StoredTile], rows: Sequence[Entry]) -> Iterator[tuple[StoredTile, list[Entry]]]:
    """Each tile with the rows up to its last event: also one that was put in between has its place."""
    at = 0
    for made in found:
        until = at
        while until < len(rows) and rows[until].seq <= (made.last_seq or 0):
            until += 1
        yield made, list(rows[at:until])
        at = until
