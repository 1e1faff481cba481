"""What a check of an archive says: a report, with a finding for each thing that is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal[
    "changed", "dropped", "inserted", "reordered", "back-dated", "post-dated", "checkpoint", "rewritten", "damaged"
]
MOST_FINDINGS = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `line` counts from 1; `position` is the place in the log, `seq` and `id` the event's."""

    kind: Kind
    detail: str
    line: int | None = None
    position: int | None = None
    seq: int | None = None
    id: str | None = None


@dataclass(slots=True)
class Report:
    """`events` were checked, `dropped` by retention, `left_out` by a filter. `trusted`: the keys were given and not
    taken from the file. `findings` are at most a thousand of `faults`."""

    origin: str = ""
    size: int = 0
    root: bytes = b""
    signed_at: datetime | None = None
    events: int = 0
    dropped: int = 0
    left_out: int = 0
    checkpoints: int = 0
    unchecked: int = 0
    first_time: str = ""
    last_time: str = ""
    keys: tuple[str, ...] = ()
    trusted: bool = False
    faults: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.faults

    def add(self, finding: Finding) -> None:
        self.faults += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)
