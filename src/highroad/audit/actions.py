"""What people decide about the audit log: how long it is kept, and who witnesses it.

Every verb takes a transaction, the event log and the actor.
"""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args
from urllib.parse import urlsplit

from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed, require
from highroad.audit import addresses, retention, store
from highroad.audit.store import Witness
from highroad.audit.webhook import new_secret
from highroad.audit.witness import about
from highroad.db.engine import Database, Transaction
from highroad.errors import Conflict, FieldError, Invalid, NotFound
from highroad.events import model as events
from highroad.events import store as event_store
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.clock import now, rfc3339
from highroad.kit.ids import new_id

WitnessKind = Literal["webhook", "git"]
MOST_DAYS = 36_500
MOST_WITNESSES = 10
AGAIN = timedelta(minutes=10)
SUBJECT = "audit-log"


class BadWitness(Invalid):
    code = "bad-witness"
    title = "This cannot be a witness"


class TooManyWitnesses(Conflict):
    code = "too-many-witnesses"


class NoSuchWitness(NotFound):
    code = "no-such-witness"


class BadRetention(Invalid):
    code = "bad-retention"
    title = "Events cannot be kept so long"


class RetentionNotYours(NotAllowed):
    code = "retention-not-yours"


@dataclass(frozen=True, slots=True)
class NewWitness:
    """`secret` signs what a webhook gets; it is shown this once."""

    witness: Witness
    secret: str | None


def keep_days(tx: Transaction, log: EventLog, actor: Actor, days: int, otherwise: int, fewest: int) -> int:
    """Keep events for so many days from now on, at least `fewest`, which the operator set. Fewer than before is for
    owners: what is dropped is what shows what the others did. Raises `BadRetention`, `RetentionNotYours`."""
    require(actor, "audit:write")
    if not fewest <= days <= MOST_DAYS:
        raise BadRetention(
            f"Events can be kept for {fewest} to {MOST_DAYS} days.",
            next_step="Give a number of days in between; the operator sets the fewest: HIGHROAD_FEWEST_EVENTS_DAYS.",
            errors=[FieldError("/days", f"must be {fewest} to {MOST_DAYS}")],
        )
    before = retention.days_kept(tx, otherwise)
    if days < before and actor.role != "owner":
        raise RetentionNotYours(
            f"Events are kept for {before} days, and only an owner may have them kept for less.",
            next_step="Ask an owner: highroad audit retention --days N",
        )
    if before != days:
        store.put_setting(tx, retention.DAYS, str(days))
        event = Event(events.AUDIT_RETENTION_CHANGED, SUBJECT, {"days": days}, diff={"days": (before, days)})
        log.append(tx, event, actor)
    return days


def add_witness(
    tx: Transaction, log: EventLog, actor: Actor, kind: str, address: str, password: str | None = None
) -> NewWitness:
    """From now on checkpoints go to `address`; `password` is what an HTTPS repository asks for. Raises `BadWitness`."""
    require(actor, "audit:write")
    _require_address(kind, address)
    present = store.list_witnesses(tx)
    if len(present) >= MOST_WITNESSES:
        raise TooManyWitnesses(
            f"There are {len(present)} witnesses already.", next_step="Remove one first: highroad audit witness remove"
        )
    id = new_id("wit")
    made = new_secret(random.token_bytes(32)) if kind == "webhook" else None
    kept = made or password
    sealed = tx.keyring.seal(kept, about=about(id)) if kept else None
    witness = Witness(id, kind, address, sealed, 0, 0, None, now(), None, now())
    store.add_witness(tx, witness)
    log.append(tx, Event(events.WITNESS_CREATED, id, {"kind": kind, "address": address}), actor)
    return NewWitness(witness, made)


def _require_address(kind: str, address: str) -> None:
    if kind not in get_args(WitnessKind):
        raise _bad("/kind", "a witness is a webhook or git")
    parts = urlsplit(address)
    if parts.password is not None or (parts.username is not None and parts.scheme in ("http", "https")):
        raise _bad("/address", "a user or a password stands in it, where everybody who sees it would see them")
    if kind == "webhook":
        if addresses.parse(address).kind != "webhook":
            raise _bad("/address", "a webhook begins with https:// or http://")
    elif not address.isprintable() or " " in address or len(address) > addresses.LONGEST or address.startswith("-"):
        raise _bad("/address", f"a repository is an address of at most {addresses.LONGEST} plain characters")
    elif parts.scheme not in ("https", "http", "ssh") or not parts.hostname:
        raise _bad("/address", "a repository begins with https:// or ssh:// and a host")


def _bad(pointer: str, why: str) -> BadWitness:
    return BadWitness(
        f"This cannot be a witness: {why}.",
        next_step="highroad audit witness add webhook https://HOST/PATH, or ... add git ssh://HOST/PATH",
        errors=[FieldError(pointer, why)],
    )


def remove_witness(tx: Transaction, log: EventLog, actor: Actor, id: str) -> None:
    """Raises `NoSuchWitness`."""
    require(actor, "audit:write")
    found = store.witness(tx, id)
    if found is None:
        raise NoSuchWitness(f"There is no witness {id}.", next_step="List them: highroad audit witness list")
    store.remove_witness(tx, id)
    log.append(tx, Event(events.WITNESS_DELETED, id, {"kind": found.kind, "address": found.address}), actor)


def record_check(db: Database, log: EventLog, actor: Actor) -> None:
    """Whoever has the live log checked stands in it, once in ten minutes. Raises `NotAllowed`."""
    require(actor, "audit:read")
    type, since = events.AUDIT_VERIFIED, rfc3339(now() - AGAIN)
    with db.read() as tx:
        known = event_store.was_appended(tx, type, actor=actor.name, since=since)
    if not known:
        with db.begin() as tx:
            log.append(tx, Event(type, SUBJECT), actor)
