"""Which lines of an archive are to blame when its hashes do not fit the signed checkpoints.

The archive brings the hash of every leaf beside the events. Those hashes are held against the checkpoints first: as far
as they fit, they are what was signed, and every line is compared with them one by one. Behind the last checkpoint that
they fit, somebody changed the hashes too: then the events up to the next checkpoint can only be named together.
Called by `verify`, with all lines in memory.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from highroad.transparency import archive
from highroad.transparency.archive import EVENT, End, Header, LeftOut, TileLine
from highroad.transparency.findings import Finding
from highroad.transparency.merkle import Frontier, leaf_hash, subtrees
from highroad.transparency.tiles import split

Say = Callable[[Finding], None]


@dataclass(frozen=True, slots=True)
class Expected:
    """A signed checkpoint."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class _Line:
    """An event as found. `position` is where its hash belongs, None where the hashes do not know it."""

    number: int
    text: bytes
    position: int | None

    @property
    def seq(self) -> int | None:
        return archive.name_of(self.text)[0]

    @property
    def id(self) -> str | None:
        return archive.name_of(self.text)[1]

    @property
    def time(self) -> bytes:
        return self.text[archive.TIME]

    def __str__(self) -> str:
        return f"Event {self.seq if self.seq is not None else '?'} ({self.id or 'no id'})"


@dataclass(slots=True)
class _Content:
    """The archive's parts in memory: `parts` are hashes of leaves, or of what was left out, in order."""

    parts: list[TileLine | LeftOut]
    events: list[tuple[int, bytes]]
    ended: bool = False


def name(lines: Callable[[], Iterator[bytes]], size: int, checkpoints: Sequence[Expected], say: Say) -> None:
    """Say everything that is wrong with the events of an archive whose log has `size` leaves."""
    content = _read(lines(), say)
    leaves = _leaves(content, size, say)
    _compare(content.events, leaves, say)
    _hold_against(content, checkpoints, leaves, say)
    if not content.ended:
        say(Finding("damaged", "The archive has no end: its last lines are missing."))


def _read(lines: Iterator[bytes], say: Say) -> _Content:
    content = _Content([], [])
    for number, line in enumerate(lines, 1):
        control = None if line.startswith(EVENT) else archive.parse(line)
        if content.ended:
            say(Finding("inserted", "There is a line behind the end of the archive.", number))
        elif isinstance(control, (TileLine, LeftOut)):
            content.parts.append(control)
        elif isinstance(control, End):
            content.ended = True
        elif control is None:
            content.events.append((number, line.removesuffix(b"\n")))
        elif isinstance(control, Header) and number > 1:
            say(Finding("inserted", "There is a second beginning of an archive.", number))
    return content


def _leaves(content: _Content, size: int, say: Say) -> dict[int, bytes]:
    """Leaf hashes by position, as far as the archive has them."""
    leaves: dict[int, bytes] = {}
    reached = 0
    for part in content.parts:
        if part.start != reached:
            say(Finding("damaged", f"The hashes of positions {reached} to {part.start} are missing.", None, reached))
        reached = max(reached, part.end)
        if isinstance(part, TileLine):
            try:
                hashes = split(bytes.fromhex(part.hashes))
            except ValueError:
                hashes = []
            if [len(each) for each in hashes] != [32] * (part.end - part.start):
                say(Finding("damaged", f"The hashes of positions {part.start} to {part.end} cannot be read."))
            else:
                leaves.update(zip(range(part.start, part.end), hashes, strict=True))
    if reached < size:
        say(Finding("dropped", f"The events from position {reached} to {size} are missing with their hashes."))
    return leaves


def _compare(events: Sequence[tuple[int, bytes]], leaves: dict[int, bytes], say: Say) -> None:
    """Hold every line against the hashes."""
    positions = {digest: position for position, digest in leaves.items()}
    found = [_Line(number, text, positions.get(leaf_hash(text))) for number, text in events]
    in_order = _in_order(found)
    seen = {line.position for line in found if line.number in in_order}
    for line in found:
        if line.position is None or line.number in in_order:
            continue
        if line.position in seen:
            say(_finding("inserted", line, "stands here once more."))
        else:
            say(_finding("reordered", line, "does not stand where it belongs."))
        seen.add(line.position)
    missing = [position for position in leaves if position not in seen]
    anchors = [line for line in found if line.number in in_order]
    _explain(found, anchors, missing, say)


def _in_order(found: Sequence[_Line]) -> set[int]:
    """The numbers of as many known lines as possible that stand in the order of their positions: whoever is not among
    them was moved."""
    tails: list[int] = []
    at: list[int] = []
    before: list[int] = [-1] * len(found)
    for index, line in enumerate(found):
        if line.position is None:
            continue
        place = bisect_left(tails, line.position)
        before[index] = at[place - 1] if place else -1
        tails[place : place + 1] = [line.position]
        at[place : place + 1] = [index]
    chosen: set[int] = set()
    index = at[-1] if at else -1
    while index >= 0:
        chosen.add(found[index].number)
        index = before[index]
    return chosen


def _explain(found: Sequence[_Line], anchors: Sequence[_Line], missing: list[int], say: Say) -> None:
    """Pair unknown lines with missing positions, gap by gap between lines that are right."""
    outer: list[_Line | None] = [None, *anchors, None]
    unknown = [line for line in found if line.position is None]
    first_unknown = first_missing = 0
    for left, right in pairwise(outer):
        strangers, gone = [], []
        while first_unknown < len(unknown) and (right is None or unknown[first_unknown].number < right.number):
            strangers.append(unknown[first_unknown])
            first_unknown += 1
        limit = right.position if right is not None else None
        while first_missing < len(missing) and (limit is None or missing[first_missing] < limit):
            gone.append(missing[first_missing])
            first_missing += 1
        if strangers or gone:
            _explain_gap(left, right, strangers, gone, say)


def _explain_gap(left: _Line | None, right: _Line | None, strangers: list[_Line], gone: list[int], say: Say) -> None:
    places = dict(_pairs(left, strangers, gone))
    for line in strangers:
        position = places.get(line.number)
        if position is None:
            say(_finding("inserted", line, "is not in the log that was signed.", position))
        elif line.text.startswith(EVENT) and left is not None and line.time < left.time:
            detail = f"was changed: its time {line.time.decode(errors='replace')} lies before that of event {left.seq}."
            say(_finding("back-dated", line, detail, position))
        else:
            say(_finding("changed", line, "is not as it was signed.", position))
    taken = set(places.values())
    lost = [position for position in gone if position not in taken]
    if lost:
        between = f"behind event {left.seq}" if left else "at the beginning"
        between += f" and before event {right.seq}" if right else ""
        seq = left.seq + 1 if left and left.seq is not None else None
        number = right.number if right else None
        for position in lost:
            alone = seq if right and seq is not None and right.seq == seq + 1 else None
            say(
                Finding("dropped", f"The event at position {position}, {between}, is missing.", number, position, alone)
            )


def _pairs(left: _Line | None, strangers: list[_Line], gone: list[int]) -> Iterator[tuple[int, int]]:
    """Which missing position an unknown line stands for: by its order if there are as many, else by its number."""
    if len(strangers) == len(gone):
        yield from zip((line.number for line in strangers), gone, strict=True)
        return
    free = set(gone)
    for line in strangers:
        if left is not None and line.seq is not None and left.seq is not None and left.position is not None:
            position = left.position + line.seq - left.seq
            if position in free:
                free.discard(position)
                yield line.number, position


def _finding(kind: str, line: _Line, what: str, position: int | None = None) -> Finding:
    place = line.position if position is None else position
    return Finding(kind, f"{line} {what}", line.number, place, line.seq, line.id)  # type: ignore[arg-type]  # a literal


def _hold_against(content: _Content, checkpoints: Sequence[Expected], leaves: dict[int, bytes], say: Say) -> None:
    """Say between which checkpoints the hashes themselves were changed."""
    frontier, good = Frontier(), 0
    wanted = sorted(checkpoints, key=lambda each: each.size)
    following = 0
    for part in content.parts:
        if part.start != frontier.size:
            return  # said already: hashes are missing
        for level, digest in _steps(part, leaves):
            if digest is None:
                return
            frontier.append(level, digest)
            while following < len(wanted) and wanted[following].size <= frontier.size:
                if wanted[following].size == frontier.size:
                    if not _fits(frontier, wanted[following], good, content, say):
                        return
                    good = frontier.size
                following += 1


def _steps(part: TileLine | LeftOut, leaves: dict[int, bytes]) -> Iterator[tuple[int, bytes | None]]:
    """The subtrees that the part adds, by level; None for one that is not known."""
    if isinstance(part, TileLine):
        yield from ((0, leaves.get(position)) for position in range(part.start, part.end))
        return
    nodes = subtrees(part.start, part.end)
    for index, (level, _) in enumerate(nodes):
        yield level, part.hashes[index] if len(part.hashes) == len(nodes) else None


def _fits(frontier: Frontier, checkpoint: Expected, good: int, content: _Content, say: Say) -> bool:
    if frontier.root() == checkpoint.root:
        return True
    before = sum(part.end - part.start for part in content.parts if isinstance(part, LeftOut) and part.end <= good)
    lines = content.events[max(0, good - before) : max(0, checkpoint.size - before)]
    first, last = (archive.name_of(lines[index][1])[0] if lines else None for index in (0, -1))
    which = f"Event {first}" if len(lines) == 1 else f"One or more of the events {first} to {last}"
    detail = f"{which}, positions {good} to {checkpoint.size}, and their hashes are not those that were signed."
    seq, id = archive.name_of(lines[0][1]) if len(lines) == 1 else (None, None)
    say(Finding("rewritten", detail, lines[0][0] if lines else None, good, seq, id))
    return False
