"""Sends one event to a destination at once, so that whoever sets it up sees whether it works. For API and portal."""

from __future__ import annotations

from dataclasses import dataclass

from highroad.access.model import Actor
from highroad.audit import destination_store as store
from highroad.audit import destinations
from highroad.audit.delivery import sending
from highroad.audit.search import event
from highroad.errors import HighroadError, Permanent, Temporary
from highroad.web.context import Context


@dataclass(frozen=True, slots=True)
class Trial:
    """`event` is the id of what was sent; `error` is empty when it was taken."""

    event: str
    error: str


def send_test(context: Context, actor: Actor, id: str) -> Trial:
    """Raises `NotAllowed` and `NoSuchDestination`. That it cannot be delivered is the answer and no error."""
    with context.db.begin() as tx:
        found, sent = destinations.begin_test(tx, context.log, actor, id)
        credentials = store.credentials(tx, found.id)
    with context.db.read() as tx:
        recorded = event(tx, sent)
    assert recorded is not None, "it was just appended"
    try:
        with sending(found, credentials, context.settings.domain) as send:
            send(recorded)
    except (Temporary, Permanent, HighroadError) as error:
        return Trial(sent, str(error))
    return Trial(sent, "")
