"""Events as a file, piece by piece: a million of them never stand in memory.

What is exported ends with the newest event there is when the export begins. Called by the API's edge. `proved` is the
format that can be verified offline, also of a part of the log; the others are lines of `formats`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from highroad.audit import archive
from highroad.audit.entry import Entry
from highroad.audit.formats import FORMATS, Format
from highroad.audit.search import Query, newest, oldest_first
from highroad.audit.sequencer import Sequencer
from highroad.db.engine import Database
from highroad.events.model import Recorded

PIECE = 1000


def lines(db: Database, query: Query, format: str) -> Iterator[str]:
    """The text of the file in pieces, oldest event first. Raises `BadFilter` at once, before the first piece."""
    with db.read() as tx:
        upto = newest(tx)
        found, position = oldest_first(tx, query, after=0, upto=upto, limit=PIECE)
    return _pieces(db, query, FORMATS[format], found, position, upto)


def _pieces(
    db: Database, query: Query, format: Format, found: list[Recorded], position: int, upto: int
) -> Iterator[str]:
    yield format.first
    while True:
        if found:
            yield "".join(format.line(each) for each in found)
        if position >= upto:
            return
        with db.read() as tx:
            found, position = oldest_first(tx, query, after=position, upto=upto, limit=PIECE)


def proved(sequencer: Sequencer, query: Query) -> Iterator[bytes]:
    """The archive of all events or of those that fit, with hashes in the place of the others. Raises `BadFilter` at
    once."""
    if not query.given():
        return archive.lines(sequencer)
    matching = _Matching(sequencer.db, query)
    matching.look(0)
    return archive.lines(sequencer, matching)


class _Matching:
    """Whether an event fits, asked of ever younger ones."""

    def __init__(self, db: Database, query: Query) -> None:
        self._db, self._query = db, query
        self._looked = 0
        self._fit: deque[int] = deque()

    def __call__(self, entry: Entry) -> bool:
        while self._looked < entry.seq:
            self.look(entry.seq)
        while self._fit and self._fit[0] < entry.seq:
            self._fit.popleft()
        return bool(self._fit) and self._fit[0] == entry.seq

    def look(self, upto: int) -> None:
        with self._db.read() as tx:
            found, self._looked = oldest_first(
                tx, self._query, after=self._looked, upto=max(upto, newest(tx)), limit=PIECE
            )
        self._fit += [each.seq for each in found]
