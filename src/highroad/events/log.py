"""The event log as verbs and followers see it: append in a transaction, follow from a cursor.

`EventLog` is made once by the composition root; every verb gets it beside its transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from highroad.db.engine import Transaction
from highroad.events import store
from highroad.events.model import Cause, Event, Recorded
from highroad.kit.bell import Bell
from highroad.kit.clock import rfc3339


class Who(Protocol):
    """Who caused an event: `name` as people know it, `origin` one of portal, cli, api, git, system.

    An `access.model.Actor` has more, which is recorded too: `id`, `kind`, `token`, `address`, `request`, and in
    `decisions.last` the action that was allowed last, with the policy that did. What someone does not have is left out.
    """

    @property
    def name(self) -> str: ...
    @property
    def origin(self) -> str: ...


@dataclass(frozen=True, slots=True)
class EventLog:
    """`source` is the installation's URL (CloudEvents `source`); `bell` rings after each commit that appended."""

    source: str
    bell: Bell

    def append(self, tx: Transaction, event: Event, who: Who) -> str:
        return store.append(tx, event, cause_of(who), source=self.source, ring=self.bell.ring)


def cause_of(who: Who) -> Cause:
    """All that is known of `who`."""
    last = getattr(getattr(who, "decisions", None), "last", None)
    decision = None if last is None else "allowed" if getattr(last, "allowed", True) else "refused"
    return Cause(
        actor=who.name,
        origin=who.origin,
        actor_id=_known(who, "id"),
        actor_kind=_known(who, "kind"),
        token=_known(who, "token"),
        address=_known(who, "address"),
        request=_known(who, "request"),
        action=_known(last, "action"),
        decision=decision,
        policy=_known(last, "policy"),
    )


def _known(source: object, name: str) -> str | None:
    value = getattr(source, name, None)
    return str(value) if value else None


def cloud_event(recorded: Recorded) -> dict[str, object]:
    """The CloudEvents 1.0.2 JSON envelope: id, source, type, subject and time copy the CDEvent's context."""
    context = recorded.data["context"]
    assert isinstance(context, dict)
    return {
        "specversion": "1.0",
        "id": recorded.id,
        "source": context["source"],
        "type": recorded.type,
        "subject": recorded.subject,
        "time": rfc3339(recorded.time),
        "datacontenttype": "application/json",
        "data": recorded.data,
        "cursor": str(recorded.seq),
    }
