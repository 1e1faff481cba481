"""The lines that a run or a deployment says while it works: kept in a file, followed live by any number of readers.

Secrets are masked before a line is written, so no reader has to.

One JSON object a line: `at` (RFC 3339), `task`, `text`. Appending is one `write` on a file opened for appending, so a
killed process leaves at most one partial last line, which readers skip and the next writer ends.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from highroad.errors import Temporary
from highroad.kit.bell import Bell
from highroad.kit.clock import now, rfc3339
from highroad.kit.disguises import NOTHING, Mask

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
logger = logging.getLogger(__name__)
READ_BYTES = 256 * 1024
LONGEST_LINE = 8 * 1024
DEPLOY_TASK = "deploy "
"""How the task of lines about one environment begins; its name follows. Only who may see it reads them."""


@dataclass(frozen=True, slots=True)
class Line:
    at: str
    task: str
    text: str


def _no_mask(_subject: str) -> Mask:
    return NOTHING


class Journal:
    """`directory` holds one file per subject (a run's or deployment's id); `mask_of` says what must not show there."""

    def __init__(self, directory: Path, bell: Bell, mask_of: Callable[[str], Mask] = _no_mask) -> None:
        self._directory = directory
        self.bell = bell
        self.mask_of = mask_of
        directory.mkdir(parents=True, exist_ok=True)

    def write(self, subject: str, task: str, text: str) -> None:
        """Append `text`, one entry a line, and ring the bell."""
        at = rfc3339(now())
        try:
            text = self.mask_of(subject).text(text)
        except Temporary as error:  # what cannot be masked is not said, and must not fail the step either
            logger.warning("a line of %s is lost: %s", subject, error)
            return
        lines = text.splitlines() or [""]
        entries = [json.dumps({"at": at, "task": task, "text": line[:LONGEST_LINE]}) + "\n" for line in lines]
        try:
            with (self._directory / f"{subject}.jsonl").open("ab", buffering=0) as file:
                if file.tell() and not self._ends_whole(subject):
                    entries.insert(0, "\n")
                file.write("".join(entries).encode())
        except OSError as error:  # a full disk costs lines; it must not fail the step that only tells of its work
            logger.warning("a line of %s is lost: %s", subject, error)
        self.bell.ring()

    def _ends_whole(self, subject: str) -> bool:
        with (self._directory / f"{subject}.jsonl").open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def lines(self, subject: str, task: str, *, indent: str = "       ") -> LineFeed:
        """A feed for the output of a command: bytes in, whole lines into the journal."""
        return LineFeed(self, subject, task, indent)

    def read(self, subject: str, offset: int = 0) -> tuple[list[Line], int]:
        """Whole lines from byte `offset` on, at most 256 KiB of them, and the offset behind them."""
        try:
            with (self._directory / f"{subject}.jsonl").open("rb") as file:
                file.seek(offset)
                data = file.read(READ_BYTES)
        except FileNotFoundError:
            return [], offset
        whole = data[: data.rfind(b"\n") + 1]
        return [line for raw in whole.splitlines() if (line := _line(raw)) is not None], offset + len(whole)

    def forget(self, subject: str) -> None:
        (self._directory / f"{subject}.jsonl").unlink(missing_ok=True)


class LineFeed:
    """Cuts output into lines without colours; what is not UTF-8 is replaced. `close` writes a last line without end."""

    def __init__(self, journal: Journal, subject: str, task: str, indent: str) -> None:
        self._journal, self._subject, self._task, self._indent = journal, subject, task, indent
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            whole, self._rest = [*whole, self._rest], b""
        if whole:
            self._write(whole)

    def close(self) -> None:
        if self._rest:
            self._write([self._rest])
            self._rest = b""

    def _write(self, lines: list[bytes]) -> None:
        texts = (_COLOUR.sub("", line.decode(errors="replace")).rstrip("\r") for line in lines)
        # A progress bar rewrites its line with \r: only what it showed last is worth keeping.
        self._journal.write(
            self._subject, self._task, "\n".join(self._indent + text.rpartition("\r")[2] for text in texts)
        )


def _line(raw: bytes) -> Line | None:
    try:
        entry = json.loads(raw)
        return Line(entry["at"], entry["task"], entry["text"])
    except (ValueError, KeyError, TypeError):
        return None  # the partial last line of a writer that was killed
