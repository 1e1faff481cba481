"""The file of a whole log, one JSON document a line; whoever has it can check the log without the installation.

    {"log": ORIGIN, "format": 1, "keys": [...], "size": N, "made_at": ...}     first
    {"checkpoint": SIGNED NOTE, "proof": [...]}                                every checkpoint, smallest first
    {"left_out": [0, 512], "hashes": [...], "reason": "retention", "statement": 900}
    {"tile": [512, 768], "hashes": HEX}                                        the next 256 events' leaf hashes, then
    {"time": ..., "seq": 513, ...}                                             the events themselves
    {"end": N}                                                                 last

An event's line, without its line break, is byte for byte the entry of which the tree has the hash: it is hashed and not
parsed. Events that are not in the file stand as the roots of the subtrees that they make up (`left_out`), so that also
a file of a part of the log proves what it has. `reason` is `retention`, with the position of the event that states it,
or `filter`. A checkpoint within what was left out brings a proof that the whole log begins with it.

Written by `highroad.audit.archive`, read by `verify`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from highroad.errors import Invalid

FORMAT = 1
EVENT = b'{"time":"'
"""How the line of an event begins, and no other line."""
TIME = slice(9, 36)
"""Where its time stands, as RFC 3339 in UTC with microseconds, which sorts as text."""
_SEQ = re.compile(rb'^\{"time":"[^"]{1,40}","seq":(\d{1,19}),"id":"([^"]{1,60})"')


class BadArchive(Invalid):
    code = "bad-audit-archive"
    title = "The file is no archive of an audit log"


@dataclass(frozen=True, slots=True)
class Header:
    """`size` is that of the newest checkpoint. `keys` are those that the installation says are its own."""

    origin: str
    keys: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint's note; `proof` leads from its size to the header's, where it lies in what was left out."""

    note: str
    proof: tuple[bytes, ...] | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Positions `start` to `end` are not in the file. `statement` is the position of the event that says why."""

    start: int
    end: int
    hashes: tuple[bytes, ...]
    reason: str
    statement: int | None = None


@dataclass(frozen=True, slots=True)
class TileLine:
    """The leaf hashes, in lower-case hexadecimal, of the events that follow."""

    start: int
    end: int
    hashes: str


@dataclass(frozen=True, slots=True)
class End:
    size: int


Control = Header | Signed | LeftOut | TileLine | End


def line_of(control: Control, **more: object) -> bytes:
    """The line with its line break."""
    document: dict[str, object]
    if isinstance(control, Header):
        document = {"log": control.origin, "format": FORMAT, "keys": control.keys, "size": control.size, **more}
    elif isinstance(control, Signed):
        document = {"checkpoint": control.note}
        if control.proof is not None:
            document["proof"] = _hex(control.proof)
    elif isinstance(control, LeftOut):
        span = [control.start, control.end]
        document = {"left_out": span, "hashes": _hex(control.hashes), "reason": control.reason}
        if control.statement is not None:
            document["statement"] = control.statement
    elif isinstance(control, TileLine):
        document = {"tile": [control.start, control.end], "hashes": control.hashes}
    else:
        document = {"end": control.size}
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def parse(line: bytes) -> Control | None:
    """What the line says; None if it is none of the lines that are not events."""
    try:
        document = json.loads(line)
        return _control(document) if isinstance(document, dict) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _control(document: Mapping[str, Any]) -> Control | None:
    if "log" in document and document["format"] == FORMAT:
        return Header(str(document["log"]), tuple(map(str, document["keys"])), int(document["size"]))
    if "checkpoint" in document:
        proof = document.get("proof")
        return Signed(str(document["checkpoint"]), None if proof is None else _unhex(proof))
    if "left_out" in document:
        start, end = map(int, document["left_out"])
        statement = document.get("statement")
        position = None if statement is None else int(statement)
        return LeftOut(start, end, _unhex(document["hashes"]), str(document["reason"]), position)
    if "tile" in document:
        start, end = map(int, document["tile"])
        return TileLine(start, end, str(document["hashes"]))
    return End(int(document["end"])) if "end" in document else None


def _hex(hashes: Sequence[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


def _unhex(hashes: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(each) for each in hashes)


def name_of(line: bytes) -> tuple[int | None, str | None]:
    """Number and id of the event on this line, as far as it still says them."""
    found = _SEQ.match(line)
    return (int(found[1]), found[2].decode(errors="replace")) if found else (None, None)
