"""What every edge of the control plane needs; made once by the composition root, passed to each slice's router."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from highroad.access.model import Actor
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.kit.bell import Bell
from highroad.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """`bell` rings at every change that somebody may follow: committed events and written log lines. `counts` say how
    much waits for somebody behind an entry of the navigation, by its address; the slice behind it adds its own."""

    settings: Settings
    db: Database
    log: EventLog
    bell: Bell
    counts: dict[str, Callable[[Actor], int]] = field(default_factory=dict)
