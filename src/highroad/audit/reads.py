"""Looking at the audit log stands in the audit log. Called by the edges before they answer.

A page that follows the log by itself would otherwise write on with every look at what it wrote: the same search by the
same person is recorded once in ten minutes, an export and an access review every time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.audit.facts import content_of
from highroad.audit.search import Query
from highroad.db.engine import Database, Transaction
from highroad.events.log import EventLog
from highroad.events.model import ACCESS_REVIEWED, AUDIT_EXPORTED, AUDIT_SEARCHED, Event, EventType
from highroad.events.store import events, recorded
from highroad.kit.clock import now, rfc3339

AGAIN = timedelta(minutes=10)
SUBJECT = "audit-log"


def require_and_record_search(db: Database, log: EventLog, actor: Actor, query: Query) -> None:
    """Raises `NotAllowed`. Whoever may not be recorded, because the database takes nothing, may not look either."""
    require(actor, "audit:read")
    with db.read() as tx:
        known = _recently(tx, actor, query.given())
    if not known:
        _record(db, log, actor, AUDIT_SEARCHED, query.given())


def require_and_record_export(db: Database, log: EventLog, actor: Actor, query: Query, format: str) -> None:
    require(actor, "audit:read")
    _record(db, log, actor, AUDIT_EXPORTED, query.given(), format=format)


def require_and_record_review(db: Database, log: EventLog, actor: Actor, asked: Mapping[str, str]) -> None:
    require(actor, "audit:read")
    with db.read() as tx:
        known = _recently(tx, actor, asked, ACCESS_REVIEWED)
    if not known:
        _record(db, log, actor, ACCESS_REVIEWED, asked)


def _record(
    db: Database, log: EventLog, actor: Actor, type: EventType, asked: Mapping[str, str], **content: object
) -> None:
    with db.begin() as tx:
        log.append(tx, Event(type, SUBJECT, {"asked": dict(asked), **content}), actor)


def _recently(tx: Transaction, actor: Actor, asked: Mapping[str, str], type: EventType = AUDIT_SEARCHED) -> bool:
    since = rfc3339(now() - AGAIN)
    mine = (events.c.actor == actor.name, events.c.type == type.name, events.c.time >= since)
    rows = tx.execute(select(events).where(*mine).order_by(events.c.seq.desc()).limit(50)).mappings()
    earlier = [recorded(row) for row in rows]
    who = (actor.token, actor.address or None)
    return any((each.token, each.address) == who and content_of(each).get("asked") == asked for each in earlier)
