"""Setting up where the audit log is sent on: verbs for administrators. `delivery` does the sending.

Each appends its event, so that nobody silently sends the log elsewhere or stops it. Raised errors are `BadDestination`,
`NameTaken`, `NoSuchDestination`, and `NotAllowed` for whoever lacks `audit:write`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.audit import destination_store as store
from highroad.audit.addresses import Address, BadDestination, parse
from highroad.audit.destination_store import Destination
from highroad.audit.search import newest
from highroad.audit.webhook import new_secret
from highroad.db.engine import Transaction
from highroad.errors import Conflict, FieldError, NotFound
from highroad.events.log import EventLog
from highroad.events.model import (
    DESTINATION_CREATED,
    DESTINATION_DELETED,
    DESTINATION_MODIFIED,
    DESTINATION_TESTED,
    Event,
)
from highroad.kit.clock import now, rfc3339
from highroad.kit.ids import new_id
from highroad.kit.names import require_label

MODES = ("structured", "binary")
FORMATS = ("cloudevents", "ocsf")
OVERLAP = timedelta(hours=24)
"""How long the secret before is signed with too, so that the receiver can change over at its own time."""


class NameTaken(Conflict):
    code = "destination-name-taken"
    title = "There is a destination of this name"


class NoSuchDestination(NotFound):
    code = "no-such-destination"
    title = "There is no such destination"


def find(tx: Transaction, id_or_name: str) -> Destination:
    found = store.destination(tx, id_or_name) or store.by_name(tx, id_or_name)
    if found is None:
        raise NoSuchDestination(
            f"No destination is called {id_or_name[:80]!r}.", next_step="highroad audit destinations"
        )
    return found


def create_destination(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    *,
    name: str,
    url: str,
    mode: str = "structured",
    format: str = "cloudevents",
    authorization: str = "",
    from_beginning: bool = False,
) -> tuple[Destination, str]:
    """The destination and, for a webhook, its signing secret, which is shown this once. It gets what happens from now
    on, or everything that is still kept."""
    require(actor, "audit:write")
    require_label(name, field="name")
    address = _check(url, mode, format, authorization)
    if store.by_name(tx, name) is not None:
        raise NameTaken(f"{name} is taken.", next_step="Choose another name, or remove the other destination first.")
    id, secret = new_id("dst"), new_secret(os.urandom(32)) if address.kind == "webhook" else ""
    store.add(
        tx,
        id=id,
        name=name,
        shown=shown(address),
        mode=mode,
        format=format,
        position=0 if from_beginning else newest(tx),
        by=actor.name,
        url=url,
        secret=secret,
        authorization=authorization,
    )
    content = {"name": name, "to": shown(address), "mode": mode, "format": format}
    log.append(tx, Event(DESTINATION_CREATED, id, content), actor)
    return find(tx, id), secret


def change_destination(
    tx: Transaction, log: EventLog, actor: Actor, id: str, changes: Mapping[str, str]
) -> tuple[Destination, str]:
    """`changes` are among url, mode, format, authorization and state (active or paused).

    Another scheme, host or port is another receiver: it does not get what the former one knew. The authorization is
    forgotten unless it is given anew, and a webhook has a new signing secret, returned beside it and shown this once
    (else empty)."""
    require(actor, "audit:write")
    before = find(tx, id)
    held = store.credentials(tx, before.id)
    values: dict[str, Any] = dict(changes)
    moved = shown(parse(values.get("url", held.url))) != shown(parse(held.url))
    if moved:
        values.setdefault("authorization", "")
    address = _check(
        values.get("url", held.url),
        values.get("mode", before.mode),
        values.get("format", before.format),
        values.get("authorization", held.authorization),
    )
    if address.kind != parse(held.url).kind:
        raise _bad("url", "a webhook stays a webhook and syslog stays syslog: add another destination")
    if values.get("state", "active") not in ("active", "paused"):
        raise _bad("state", "must be active or paused")
    values["shown"] = shown(address)
    fresh = new_secret(os.urandom(32)) if moved and held.secrets else ""
    if fresh:
        values |= {"secret": fresh, "former_secret": "", "former_until": None}
    if values.get("state") == "active" or "url" in values:
        values |= {"failures": 0, "error": "", "failed_at": None, "next_at": None}
    store.change(tx, before.id, **values)
    after = find(tx, before.id)
    diff = {
        ("to" if field == "shown" else field): (getattr(before, field), getattr(after, field))
        for field in ("shown", "mode", "format", "state")
        if getattr(before, field) != getattr(after, field)
    }
    renewed = [name for name in ("authorization", "secret") if name in values]
    content = {"name": before.name, **({"changed": renewed} if renewed else {})}
    log.append(tx, Event(DESTINATION_MODIFIED, before.id, content, diff=diff), actor)
    return after, fresh


def rotate_secret(tx: Transaction, log: EventLog, actor: Actor, id: str) -> str:
    """A new signing secret; for a day deliveries carry a signature of the former one too."""
    require(actor, "audit:write")
    found = find(tx, id)
    held = store.credentials(tx, found.id)
    if not held.secrets:
        raise _bad("secret", "a syslog destination has none")
    fresh = new_secret(os.urandom(32))
    store.change(tx, found.id, secret=fresh, former_secret=held.secrets[0], former_until=rfc3339(now() + OVERLAP))
    log.append(tx, Event(DESTINATION_MODIFIED, found.id, {"name": found.name, "changed": ["secret"]}), actor)
    return fresh


def remove_destination(tx: Transaction, log: EventLog, actor: Actor, id: str) -> None:
    require(actor, "audit:write")
    found = find(tx, id)
    store.remove(tx, found.id)
    content = {"name": found.name, "to": found.shown, "delivered": found.delivered}
    log.append(tx, Event(DESTINATION_DELETED, found.id, content), actor)


def begin_test(tx: Transaction, log: EventLog, actor: Actor, id: str) -> tuple[Destination, str]:
    """The destination and the id of the event to send to it as a test; it is an event like any other."""
    require(actor, "audit:write")
    found = find(tx, id)
    return found, log.append(tx, Event(DESTINATION_TESTED, found.id, {"name": found.name, "to": found.shown}), actor)


def shown(address: Address) -> str:
    """Where it goes, without the path, in which collectors keep secrets."""
    scheme = address.transport if address.kind == "webhook" else f"syslog+{address.transport}"
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{scheme}://{host}:{address.port}"


def _check(url: str, mode: str, format: str, authorization: str) -> Address:
    address = parse(url)
    if mode not in MODES:
        raise _bad("mode", f"must be {' or '.join(MODES)}")
    if format not in FORMATS:
        raise _bad("format", f"must be {' or '.join(FORMATS)}")
    if address.kind == "webhook" and format != "cloudevents":
        raise _bad("format", "a webhook gets CloudEvents; OCSF is for syslog and for exports")
    if address.kind == "syslog" and authorization:
        raise _bad("authorization", "syslog has no such thing")
    if authorization and not (authorization.isascii() and authorization.isprintable() and len(authorization) <= 2000):
        raise _bad("authorization", "must be one line of printable ASCII")
    return address


def _bad(field: str, why: str) -> BadDestination:
    return BadDestination(
        f"{field}: {why}.", next_step="Correct it and try again.", errors=[FieldError(f"/{field}", why)]
    )
