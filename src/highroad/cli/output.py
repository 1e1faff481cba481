"""What the command line prints: texts for people, or JSON and nothing else, never both.

Every command gets one `Output`. Results go to stdout, everything said on the way to stderr. Colour and anything that
moves appear on a terminal only; text from elsewhere loses its control characters there, because an application's log
must not be able to steer the reader's terminal.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO

_COLOURS = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36, "dim": 2, "bold": 1}
_STATES = {
    "live": "green",
    "succeeded": "green",
    "passed": "green",
    "running": "cyan",
    "deploying": "cyan",
    "queued": "cyan",
    "degraded": "yellow",
    "superseded": "yellow",
    "cancelled": "yellow",
    "stopped": "yellow",
    "failed": "red",
}
_LABELS = ("cyan", "magenta", "blue", "yellow", "green")
_ESCAPE = re.compile(r"\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)?|\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")


class Output:
    """Where one command's results go. `json` is whether the person asked for JSON."""

    def __init__(
        self,
        *,
        json_wanted: bool,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.json = json_wanted
        self._out = stdout or sys.stdout
        self._err = stderr or sys.stderr
        plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
        self.terminal = self._out.isatty()
        self._colour = self.terminal and not plain
        self._err_colour = self._err.isatty() and not plain

    def document(self, value: object) -> None:
        """The one JSON document of a command; nothing for people."""
        if self.json:
            print(json.dumps(value, indent=2, ensure_ascii=False), file=self._out, flush=True)

    def record(self, value: object) -> None:
        """One line of JSON Lines, sent at once; nothing for people."""
        if self.json:
            print(json.dumps(value, ensure_ascii=False), file=self._out, flush=True)

    def say(self, text: str = "") -> None:
        if not self.json:
            print(text, file=self._out, flush=True)

    def note(self, text: str) -> None:
        """Something said on the way, for people alone."""
        if not self.json:
            print(text, file=self._err, flush=True)

    def ask(self, text: str) -> None:
        """Something that the person must act on, said in any mode, on stderr."""
        print(text, file=self._err, flush=True)

    def error(self, lines: Sequence[str]) -> None:
        for number, line in enumerate(lines):
            head, colon, rest = line.partition(":")
            if self._err_colour and number in (0, len(lines) - 1):
                head = _paint(head, "red" if number == 0 else "bold")
            print(head + colon + clean(rest), file=self._err, flush=True)

    def error_document(self, value: object) -> None:
        print(json.dumps(value, ensure_ascii=False), file=self._err, flush=True)

    def paint(self, text: str, colour: str) -> str:
        return _paint(text, colour) if self._colour else text

    def state(self, state: object) -> str:
        return self.paint(str(state), _STATES.get(str(state), "bold"))

    def log_line(self, label: str, text: str, *, at: str = "") -> None:
        """One line of an application or a task, behind its label."""
        colour = _LABELS[sum(label.encode()) % len(_LABELS)]
        shown = _tame(text) if self.terminal else text
        reset = "\x1b[0m" if self._colour and "\x1b" in shown else ""
        time = f"{clock_time(at)} " if at else ""
        self.say(f"{self.paint(time, 'dim') if time else ''}{self.paint(f'{label} │', colour)} {shown}{reset}")

    def raw_line(self, text: str) -> None:
        self.say(_tame(text) if self.terminal else text)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
        """Aligned columns; the last one is cut to the width of a terminal. `empty` is said when there are no rows."""
        if not rows:
            self.say(empty)
            return
        cells = [[clean("-" if cell is None or cell == "" else str(cell)) for cell in row] for row in rows]
        widths = [max(len(row[column]) for row in [list(headers), *cells]) for column in range(len(headers))]
        room = max(8, shutil.get_terminal_size().columns - sum(widths[:-1]) - 2 * (len(widths) - 1))
        self.say(self.paint(_aligned(headers, widths), "dim"))
        for row in cells:
            if self.terminal and len(row[-1]) > room:
                row[-1] = row[-1][: room - 1] + "…"
            padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
            shown = [self.paint(cell, _STATES.get(cell.strip(), "")) for cell in (*padded, row[-1])]
            self.say("  ".join(shown).rstrip())


def clean(text: str) -> str:
    """Without escape sequences and control characters, tab and line feed apart."""
    return _CONTROL.sub("", _ESCAPE.sub("", text))


def clock_time(instant: str) -> str:
    """The local time of day of an RFC 3339 instant, or the text itself when it is none."""
    try:
        return datetime.fromisoformat(instant).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return clean(instant)


def ago(instant: object, *, now: datetime | None = None) -> str:
    """`3 min ago`, for people; an empty string for no instant."""
    if not isinstance(instant, str) or not instant:
        return ""
    try:
        then = datetime.fromisoformat(instant)
    except ValueError:
        return clean(instant)
    seconds = max(0, int(((now or datetime.now(UTC)) - then).total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def person(author: object) -> str:
    """The name out of Git's `Name <address>`."""
    text = str(author or "")
    return text.partition(" <")[0] or text


def duration(seconds: object) -> str:
    """`0.42 s`, `1 min 5 s`; an empty string when unknown."""
    if not isinstance(seconds, int | float):
        return ""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _paint(text: str, colour: str) -> str:
    number = _COLOURS.get(colour)
    return f"\x1b[{number}m{text}\x1b[0m" if number and text else text


def _tame(text: str) -> str:
    """For a terminal: colours stay, every other escape sequence and control character goes."""
    parts, position = [], 0
    for match in _ESCAPE.finditer(text):
        parts.append(_CONTROL.sub("", text[position : match.start()]))
        parts.append(match.group() if re.fullmatch(r"\x1b\[[0-9;]*m", match.group()) else "")
        position = match.end()
    return "".join(parts) + _CONTROL.sub("", text[position:])
