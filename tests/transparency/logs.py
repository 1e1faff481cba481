"""An archive made of nothing, for tests of the check: events, checkpoints on the way, and what was dropped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from highroad.kit.clock import rfc3339
from highroad.transparency import checkpoint, notes
from highroad.transparency.archive import End, Header, LeftOut, Signed, TileLine, line_of
from highroad.transparency.checkpoint import Checkpoint
from highroad.transparency.merkle import consistency_proof, leaf_hash, perfect_root, root_of, subtrees
from highroad.transparency.notes import SecretKey
from highroad.transparency.tiles import WIDTH

ORIGIN = "highroad.example/audit/1"
KEY = notes.new_key(ORIGIN)
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def event(number: int, *, at: datetime | None = None, **data: object) -> bytes:
    """The line of event `number`, a second after the one before it."""
    time = rfc3339(at or BEGIN + timedelta(seconds=number))
    head = {"time": time, "seq": number, "id": f"evt_{number:026}", "type": "test", "subject": "x" * 40}
    return (json.dumps(head, separators=(",", ":"))[:-1] + ',"data":' + json.dumps({"customData": data}) + "}").encode()


@dataclass
class Log:
    """`sizes` are those of the checkpoints; `dropped` how many of the first events are gone."""

    events: list[bytes]
    sizes: Sequence[int]
    key: SecretKey = KEY
    dropped: int = 0
    statement: int | None = None
    leaves: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.leaves = [leaf_hash(each) for each in self.events]

    def root(self, size: int) -> bytes:
        return root_of(self.leaves[:size])

    def note(self, size: int, at: datetime | None = None, key: SecretKey | None = None) -> str:
        signed = Checkpoint(ORIGIN, size, self.root(size))
        return checkpoint.sign(signed, key or self.key, at or BEGIN + timedelta(seconds=size))

    def lines(self) -> list[bytes]:
        return list(self._lines())

    def _lines(self) -> Iterator[bytes]:
        size = len(self.events)
        yield line_of(Header(ORIGIN, (str(self.key.public),), size))
        for each in self.sizes:
            proof = tuple(consistency_proof(each, size, self._hash)) if each < self.dropped else None
            yield line_of(Signed(self.note(each), proof))
        if self.dropped:
            hashes = tuple(self._hash(level, index) for level, index in subtrees(0, self.dropped))
            yield line_of(LeftOut(0, self.dropped, hashes, "retention", self.statement))
        bounds = sorted({self.dropped, size, *range(-(-self.dropped // WIDTH) * WIDTH, size, WIDTH)})
        for start, end in pairwise(bounds):
            yield line_of(TileLine(start, end, b"".join(self.leaves[start:end]).hex()))
            yield from (each + b"\n" for each in self.events[start:end])
        yield line_of(End(size))

    def _hash(self, level: int, index: int) -> bytes:
        return perfect_root(self.leaves[index << level : (index + 1) << level])


def log(size: int = 600, every: int = 100) -> Log:
    sizes = sorted({*range(every, size, every), size})
    return Log([event(number) for number in range(1, size + 1)], sizes)
