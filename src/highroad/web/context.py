"""What every edge of the control plane needs; made once by the composition root, passed to each slice's router."""

from __future__ import annotations

from dataclasses import dataclass

from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.kit.bell import Bell
from highroad.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """`bell` rings at every change that somebody may follow: committed events and written log lines."""

    settings: Settings
    db: Database
    log: EventLog
    bell: Bell
