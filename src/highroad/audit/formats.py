"""One line of an export for one event, in each format that is plain lines. Pure; called by `export`.

`archive` is not here: its file proves itself, so it has more than events (`audit.archive`).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from highroad.audit.facts import diff_of
from highroad.audit.ocsf import ocsf_event
from highroad.events.log import cloud_event
from highroad.events.model import Recorded
from highroad.kit.clock import rfc3339
from highroad.web.words import short_type

_WHO = ("actor", "actor_id", "actor_kind", "token", "origin", "address", "request", "action", "decision", "policy")
COLUMNS = ("seq", "time", "what", *_WHO, "project", "environment", "service", "subject", "changes", "type", "id")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet would calculate; the last four are the full-width forms of the first."""


@dataclass(frozen=True, slots=True)
class Format:
    """`first` is what stands before all events, `line` one event, each with its line end."""

    media_type: str
    extension: str
    first: str
    line: Callable[[Recorded], str]


def csv_line(recorded: Recorded) -> str:
    """RFC 4180, where a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    known: dict[str, object] = {
        "seq": recorded.seq,
        "time": rfc3339(recorded.time),
        "what": short_type(recorded.type),
        "changes": _changes(recorded),
    }
    values = [known[name] if name in known else getattr(recorded, name) for name in COLUMNS]
    return csv_row(values)


def csv_row(values: list[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([_safe(value) for value in values])
    return out.getvalue()


def _safe(value: object) -> object:
    if value is None or isinstance(value, int):
        return value
    text = str(value).replace("\0", "")
    return f"'{text}" if text.startswith(_FORMULA) else text


def _changes(recorded: Recorded) -> str:
    """`replicas: 1 -> 3; branch: none -> main`."""
    return "; ".join(f"{name}: {_said(old)} -> {_said(new)}" for name, (old, new) in diff_of(recorded).items())


def _said(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json_line(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n"


FORMATS: Mapping[str, Format] = {
    "csv": Format("text/csv; charset=utf-8", "csv", csv_row(list(COLUMNS)), csv_line),
    "ocsf": Format("application/x-ndjson", "ocsf.jsonl", "", lambda each: _json_line(ocsf_event(each))),
    "cloudevents": Format("application/x-ndjson", "cloudevents.jsonl", "", lambda each: _json_line(cloud_event(each))),
}
