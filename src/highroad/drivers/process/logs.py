"""Read the segments that the collector writes: from a cursor on, or the last lines. Called by `driver`, never waits.

A cursor is `SEGMENT:OFFSET`: the number of a segment file and a byte position in it, always behind a whole line.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from highroad.drivers.contract import LogLine, LogPage
from highroad.drivers.errors import BadCursor
from highroad.kit.clock import parse_rfc3339
from highroad.kit.numbers import whole_number

_BLOCK = 256 * 1024


def directory_of(logs: Path, stream: str) -> Path:
    """Where a stream's segments are; a stream's name may hold any character but NUL."""
    return logs / "apps" / (quote(stream, safe="").replace(".", "%2E") or "%00")


def read_after(directory: Path, cursor: str | None, limit: int) -> LogPage:
    """At most `limit` lines after `cursor` (None: from the oldest kept one). Raises `BadCursor`."""
    segments = _segments(directory)
    number, offset = _parse(cursor) if cursor is not None else (0, 0)
    if not segments:
        return LogPage((), cursor or "0:0", dropped=False)
    oldest, newest = min(segments), max(segments)
    dropped = cursor is not None and number < oldest and (number, offset) != (0, 0)
    if number < oldest or number > newest:  # a higher one than there is: the stream was forgotten and began anew
        dropped = dropped or number > newest
        number, offset = oldest, 0
    lines: list[LogLine] = []
    while True:
        found, offset = _lines(segments[number], offset, limit - len(lines))
        lines += found
        following = [each for each in segments if each > number]
        if len(lines) >= limit or not following:
            return LogPage(tuple(lines), f"{number}:{offset}", dropped)
        number, offset = min(following), 0


def read_tail(directory: Path, count: int) -> LogPage:
    """The last `count` lines; the page's cursor stands at the end of the log."""
    segments = _segments(directory)
    if not segments:
        return LogPage((), "0:0")
    newest = max(segments)
    lines: list[LogLine] = []
    end = 0
    for number in sorted(segments, reverse=True):
        data = _read(segments[number])
        whole = data[: data.rfind(b"\n") + 1]
        if number == newest:
            end = len(whole)
        wanted = count - len(lines)
        # Not `splitlines`: what an app prints may hold other ends of lines.
        lines = [*_parsed(whole.split(b"\n")[:-1][-wanted:] if wanted > 0 else []), *lines]
        if len(lines) >= count:
            break
    return LogPage(tuple(lines), f"{newest}:{end}")


def _segments(directory: Path) -> dict[int, Path]:
    try:
        return {int(path.stem): path for path in directory.iterdir() if path.suffix == ".log" and path.stem.isdigit()}
    except FileNotFoundError:
        return {}


def _parse(cursor: str) -> tuple[int, int]:
    segment, _, position = cursor.partition(":")
    number, offset = whole_number(segment), whole_number(position)
    if number is None or offset is None:
        raise BadCursor(f"{cursor[:40]!r} is not a log cursor.", next_step="Start again without a cursor.")
    return number, offset


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # rotated away since the directory was listed
        return b""


def _lines(path: Path, offset: int, limit: int) -> tuple[list[LogLine], int]:
    """At most `limit` whole lines from `offset` on, and the offset behind them."""
    raw: list[bytes] = []
    rest = b""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while len(raw) < limit and (block := file.read(_BLOCK)):
                *whole, rest = (rest + block).split(b"\n")
                raw += whole
    except FileNotFoundError:
        return [], offset
    raw = raw[:limit]
    return _parsed(raw), offset + sum(len(line) + 1 for line in raw)


def _parsed(raw: list[bytes]) -> list[LogLine]:
    lines = []
    for each in raw:
        parts = each.decode(errors="replace").split(" ", 3)
        if len(parts) == 4 and (at := _instant(parts[0])) is not None:  # else a line cut by a full disk
            lines.append(LogLine(at, parts[1], parts[2], parts[3]))
    return lines


def _instant(text: str) -> datetime | None:
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        return None
