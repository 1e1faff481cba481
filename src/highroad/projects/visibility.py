"""Which events somebody may see: those of the projects and environments that he may see, or simply all.

A name can be given anew: what happened before today's bearer was made is not its own, and stays the organization's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from highroad.access.model import Actor
from highroad.access.permissions import allowed, require_scope
from highroad.access.places import ORGANIZATION
from highroad.db.engine import Transaction
from highroad.events.model import Recorded
from highroad.projects import store
from highroad.projects.model import Environment, Project


def event_filter(tx: Transaction, actor: Actor) -> Callable[[Recorded], bool]:
    """Whether `actor` may see an event. Asks the database once for each project and environment that occurs."""
    require_scope(actor, "event:read")
    everything = allowed(actor, "event:read", ORGANIZATION)
    known: dict[tuple[str, str | None], datetime | None] = {}

    def visible(event: Recorded) -> bool:
        if everything or event.project is None:
            return everything
        key = (event.project, event.environment)
        if key not in known:
            found = _bearers(tx, *key)
            seen = bool(found) and all(allowed(actor, "project:read", each.place) for each in found)
            known[key] = max(each.created_at for each in found) if seen else None
        since = known[key]
        return since is not None and event.time >= since

    return visible


def _bearers(tx: Transaction, project: str, environment: str | None) -> list[Project | Environment]:
    """None for what is deleted: its events are the organization's from then on."""
    parent = store.project(tx, project)
    if parent is None or environment is None:
        return [parent] if parent else []
    where = store.environment(tx, parent.id, environment)
    return [parent, where] if where else []
