"""The check of an archive, in one pass and without parsing an event: 32 bytes of state for each bit of the log's size.

What it finds out: every event is, byte for byte and in its order, what the newest checkpoint covers; every checkpoint
is signed by a known key and is of a beginning of this very log; what was left out was dropped by a signed statement of
retention; and no event claims a time that the checkpoints around it contradict. Where hashes do not fit, `naming` says
which lines are to blame. Called by `highroad audit verify` and by the API for the live log.
"""

from __future__ import annotations

import json
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice

from highroad.kit.clock import rfc3339
from highroad.transparency import archive, checkpoint, notes
from highroad.transparency.archive import BadArchive, End, Header, LeftOut, Signed, TileLine
from highroad.transparency.checkpoint import Checkpoint
from highroad.transparency.findings import Finding, Report
from highroad.transparency.merkle import Frontier, proves_consistency, subtrees
from highroad.transparency.naming import Expected, name
from highroad.transparency.notes import BadKey, BadNote, PublicKey
from highroad.transparency.tiles import WIDTH

SKEW = timedelta(minutes=5)
"""How far an event's time may lie before the checkpoint that does not have it yet, or behind one that has it: its
transaction takes a while, and several machines' clocks differ."""
Lines = Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class _Point:
    """A checkpoint to hold the log against; `line` is None for one that the caller brought."""

    checkpoint: Checkpoint
    at: datetime | None
    line: int | None
    proof: tuple[bytes, ...] | None


def verify(lines: Lines, *, keys: Sequence[PublicKey] = (), known: Iterable[str] = ()) -> Report:
    """Check the archive whose lines, with their line breaks, `lines` gives, anew at each call.

    `keys` are those the caller trusts; without them the file's own are taken, and the report says so. `known` are
    checkpoints that the caller kept or a witness did: this log has to continue them too. Raises `BadArchive` for what
    is no archive.
    """
    source = iter(lines())
    header = _header(next(source, b""))
    report = Report(origin=header.origin, size=header.size, keys=tuple(map(str, keys)) or header.keys)
    report.trusted = bool(keys)
    first = _Pass(header, report, tuple(keys) or _keys(header, report))
    first.bring(known)
    if first.run(source) and first.finish():
        return report
    # Slower and with all lines in memory, because one must look at what stands before and behind.
    name(
        lines, header.size, [Expected(each.checkpoint.size, each.checkpoint.root) for each in first.points], report.add
    )
    if report.sound:
        report.add(Finding("damaged", "The lines of the archive do not follow its format."))
    return report


def _header(line: bytes) -> Header:
    header = archive.parse(line)
    if not isinstance(header, Header):
        raise BadArchive(
            "Its first line does not say of which log it is.",
            next_step="Give a file that `highroad audit export` wrote; its other formats prove nothing.",
        )
    return header


def _keys(header: Header, report: Report) -> tuple[PublicKey, ...]:
    found = []
    for text in header.keys:
        try:
            found.append(notes.public_key(text))
        except BadKey:
            report.add(Finding("checkpoint", f"The archive names a key that is none: {text[:120]}", line=1))
    return tuple(found)


class _Pass:
    """One way through the file. `points` are the checkpoints seen, in order of size."""

    def __init__(self, header: Header, report: Report, keys: tuple[PublicKey, ...]) -> None:
        self._header, self._report, self._keys = header, report, keys
        self._frontier = Frontier()
        self._line = 1
        self._next = 0
        self._before: tuple[bytes, datetime | None] = (b"", None)
        self._deferred: list[_Point] = []
        self._statement: tuple[LeftOut, bytes] | None = None
        self._stated: bytes | None = None
        self._whole = False
        self.points: list[_Point] = []

    def bring(self, known: Iterable[str]) -> None:
        for text in known:
            self._add_point(Signed(text), None)

    # Reading. Each gives False where hashes do not fit, which needs the slow way.

    def run(self, source: Iterator[bytes]) -> bool:
        for line in source:
            self._line += 1
            control = archive.parse(line)
            if isinstance(control, Signed) and self._frontier.size == 0:
                self._add_point(control, self._line)
            elif isinstance(control, LeftOut):
                if not self._leave_out(control):
                    return False
            elif isinstance(control, TileLine):
                if not self._take(control, source):
                    return False
            elif isinstance(control, End):
                self._whole = control.size == self._frontier.size == self._header.size
                return self._whole and next(source, None) is None
            else:
                return False
        return False

    def _add_point(self, signed: Signed, line: int | None) -> None:
        where = "A checkpoint that you brought" if line is None else "A checkpoint"
        try:
            stated, note = checkpoint.read(signed.note)
        except BadNote as error:
            self._report.add(Finding("checkpoint", f"{where} cannot be read: {error.detail}", line))
            return
        signer = checkpoint.signed_by(note, self._keys)
        if stated.origin != self._header.origin:
            self._report.add(Finding("checkpoint", f"{where} is of another log, {stated.origin}.", line))
        elif signer is None:
            self._report.add(Finding("checkpoint", f"{where}, of size {stated.size}, is not signed by the log.", line))
        elif stated.size > self._header.size:
            detail = (
                f"{where} is of {stated.size} events, and the archive has {self._header.size}:"
                " its end is missing, unless it was exported before."
            )
            self._report.add(Finding("dropped", detail, line, self._header.size))
        else:
            self._report.checkpoints += 1
            insort(self.points, _Point(stated, signer[1], line, signed.proof), key=lambda each: each.checkpoint.size)

    def _leave_out(self, part: LeftOut) -> bool:
        nodes = subtrees(part.start, part.end)
        if part.start != self._frontier.size or part.end > self._header.size or len(nodes) != len(part.hashes):
            return False
        if not self._pass_points(self._frontier.size):
            return False
        while self._next < len(self.points) and self.points[self._next].checkpoint.size < part.end:
            self._deferred.append(self.points[self._next])
            self._next += 1
        for (level, _), digest in zip(nodes, part.hashes, strict=True):
            self._frontier.append(level, digest)
        if part.reason == "retention":
            self._report.dropped += part.end - part.start
            self._statement = (part, self._frontier.root())
        else:
            self._report.left_out += part.end - part.start
        return self._pass_points(self._frontier.size)

    def _take(self, tile: TileLine, source: Iterator[bytes]) -> bool:
        start, count = tile.start, tile.end - tile.start
        if start != self._frontier.size or not 0 < count <= WIDTH or tile.end > self._header.size:
            return False
        if not self._pass_points(start):
            return False
        hasher = sha256
        block = list(islice(source, count))
        leaves = [hasher(b"\0" + line[:-1]).digest() for line in block]
        if b"".join(leaves).hex() != tile.hashes:
            return False
        self._report.events += count
        self._report.first_time = self._report.first_time or _time(block[0])
        self._report.last_time = _time(block[-1])
        if self._statement and self._statement[0].statement is not None and self._stated is None:
            position = self._statement[0].statement
            self._stated = block[position - start] if start <= position < tile.end else None
        done = 0
        while done < count:
            size = self.points[self._next].checkpoint.size if self._next < len(self.points) else tile.end
            until = min(max(size - start, done), count)
            self._look_at_times(block[done:until], start + done, self._line + 1 + done)
            self._frontier.extend(leaves[done:until])
            done = until
            if not self._pass_points(self._frontier.size):
                return False
        self._line += count
        return True

    def _pass_points(self, size: int) -> bool:
        """Hold the log so far against the checkpoints of this size."""
        while self._next < len(self.points) and self.points[self._next].checkpoint.size == size:
            point = self.points[self._next]
            if point.checkpoint.root != self._frontier.root():
                return False
            self._next += 1
            if point.at is not None:
                earlier = self._before[1]
                if earlier is not None and point.at < earlier - SKEW:
                    detail = f"The checkpoint of size {size} was signed at {_text(point.at)}, before the one before it."
                    self._report.add(Finding("back-dated", detail, point.line))
                self._before = (rfc3339(point.at - SKEW).encode(), point.at)
        return True

    def _look_at_times(self, block: Sequence[bytes], position: int, number: int) -> None:
        """Compare as text what is RFC 3339 in UTC. The block's first event is at `position`, on the line `number`."""
        if not block:
            return
        place = archive.TIME
        times = [line[place] for line in block]
        following = self.points[self._next].at if self._next < len(self.points) else None
        latest = rfc3339(following + SKEW).encode() if following else b"~"
        if min(times) >= self._before[0] and max(times) <= latest:
            return
        for offset, line in enumerate(block):
            seq, id = archive.name_of(line)
            time = _time(line)
            if times[offset] < self._before[0]:
                detail = f"says {time}, but was not yet in the log that was signed at {_text(self._before[1])}."
                self._report.add(
                    Finding("back-dated", _of(seq, id, detail), number + offset, position + offset, seq, id)
                )
            elif times[offset] > latest:
                detail = f"says {time}, but was in the log that was signed at {_text(following)}."
                self._report.add(
                    Finding("post-dated", _of(seq, id, detail), number + offset, position + offset, seq, id)
                )

    # At the end

    def finish(self) -> bool:
        """What can be said once the root is known. False where a hash does not fit after all."""
        report, root = self._report, self._frontier.root()
        newest = self.points[-1] if self.points else None
        if newest is None or newest.checkpoint.size != self._header.size:
            detail = f"No checkpoint covers the log to its end at {self._header.size}."
            report.add(Finding("checkpoint", detail))
            return True
        report.root, report.signed_at = root, newest.at
        for point in self._deferred:
            if point.proof is None:
                report.unchecked += 1
            elif not proves_consistency(
                point.checkpoint.size, self._header.size, point.proof, point.checkpoint.root, root
            ):
                detail = f"The log does not continue the checkpoint of size {point.checkpoint.size}."
                report.add(Finding("rewritten", detail, point.line))
        self._check_statement()
        return True

    def _check_statement(self) -> None:
        if self._statement is None:
            return
        part, root = self._statement
        what = f"The first {part.end} events are missing"
        try:
            custom = json.loads(self._stated or b"{}")["data"]["customData"]
            stated, note = checkpoint.read(str(custom["statement"]))
        except (ValueError, KeyError, TypeError, BadNote):
            self._report.add(Finding("dropped", f"{what}, and no event states that retention dropped them.", None, 0))
            return
        if checkpoint.signed_by(note, self._keys) is None or stated.origin != self._header.origin:
            self._report.add(Finding("dropped", f"{what}, and the statement of it is not signed by the log.", None, 0))
        elif (stated.size, stated.root) != (part.end, root):
            self._report.add(Finding("dropped", f"{what}, and the statement speaks of {stated.size} others.", None, 0))


def _time(line: bytes) -> str:
    return line[archive.TIME].decode(errors="replace")


def _text(instant: datetime | None) -> str:
    return rfc3339(instant)[:19] + "Z" if instant else "an unknown time"


def _of(seq: int | None, id: str | None, detail: str) -> str:
    return f"Event {seq if seq is not None else '?'} ({id or 'no id'}) {detail}"
