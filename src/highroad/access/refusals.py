"""What becomes of a refusal at an edge: it names who could help, and a refused change is written into the event log."""

from __future__ import annotations

from datetime import timedelta

from highroad.access.model import Actor, Decided
from highroad.access.permissions import NotAllowed
from highroad.access.places import Place
from highroad.access.questions import explain
from highroad.db.engine import Database
from highroad.events import model as events
from highroad.events import store
from highroad.events.log import EventLog, cause_of
from highroad.events.model import Event
from highroad.kit.clock import now

QUIET = timedelta(minutes=1)
"""How long the same refusal is not written again: whoever tries in a loop must not fill the log."""


def refused(db: Database, log: EventLog, actor: Actor, error: NotAllowed) -> None:
    """Complete `error` and record it, in transactions of its own: the one that it ended is rolled back."""
    action = error.action
    with db.read() as tx:
        explain(tx, actor, error, error.place)
    if action is None or action.endswith(":read"):
        return
    actor.decisions.last = _decided(actor, action, error.place)
    event = Event(
        events.ACCESS_REFUSED,
        actor.id,
        {"action": action, "reason": error.detail[:500]},
        project=error.place.project_name or None,
        environment=error.place.environment,
        service=error.place.service,
    )
    with db.read() as tx:
        said = store.happened_since(tx, now() - QUIET, event, cause_of(actor))
    if said:
        return
    with db.begin() as tx:
        log.append(tx, event, actor)


def _decided(actor: Actor, action: str, place: Place) -> Decided:
    last = actor.decisions.last
    if last is not None and not last.allowed and last.action == action:
        return last
    return Decided(action, place, "", allowed=False)
