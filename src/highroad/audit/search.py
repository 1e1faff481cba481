"""Finding events of the audit log by anything that is known of them, newest first. For the API, the portal, exports.

A filter by project, type, actor, action, subject or request follows an index. All others look at row after row, a
window at a time from the newest on, and stop when the page is full or `seconds` have passed. A page can therefore hold
fewer events than asked for, even none, and still have a next one: nobody waits for a search of years, and nothing is
missed.
Why no full-text index: it would have to be written with every event, and looking is fast enough (benchmarks/).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network

from sqlalchemy import Column, ColumnElement, and_, collate, func, or_, select, true

from highroad.db.engine import Transaction
from highroad.errors import FieldError, Invalid
from highroad.events.model import ALL_TYPES, Recorded
from highroad.events.store import events, recorded
from highroad.kit.clock import rfc3339
from highroad.kit.numbers import whole_number
from highroad.kit.paging import BadPageToken, Page, PageRequest, page_of, token_of
from highroad.web.words import short_type

WINDOW, TEXT_WINDOW = 10_000, 3_000
"""Rows looked at in one statement: 3 to 6 ms on SQLite, 8 on PostgreSQL."""
SECONDS = 0.02
"""How long one page looks before it says how far it came."""
_SLACK = timedelta(days=1)
"""How far the order of times may differ from that of numbers: transactions take a while, and clocks are put right."""
_ID = re.compile(r"[a-z]{2,8}_[0-9a-z]{20,}|system")
_ADDRESS = re.compile(r"[0-9A-Fa-f.:%\w-]{1,64}")


class BadFilter(Invalid):
    code = "bad-filter"
    title = "This filter cannot be used"


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted; None is anything. All that is given must hold.

    `actor` is a name or an id, `type` a type or its beginning (`user`, `user.signedin`), `address` an address, its
    beginning that ends with `.` or `:`, or a network (`10.2.0.0/16`), `policy` a part of a policy's id, `action` may
    end with `*`, `text` stands somewhere in the event. `since` counts, `until` does not.
    """

    actor: str | None = None
    actor_kind: str | None = None
    token: str | None = None
    origin: str | None = None
    address: str | None = None
    action: str | None = None
    type: str | None = None
    project: str | None = None
    environment: str | None = None
    service: str | None = None
    subject: str | None = None
    decision: str | None = None
    policy: str | None = None
    request: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None

    def given(self) -> dict[str, str]:
        """What is asked for, as text by name: for links, and for the record of who looked for what."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: rfc3339(value) if isinstance(value, datetime) else str(value)
            for name, value in found.items()
            if value is not None
        }


def search(
    tx: Transaction, query: Query, request: PageRequest, *, seconds: float = SECONDS, window: int | None = None
) -> Page[Recorded]:
    """One page, newest first. Raises `BadFilter`."""
    condition = _condition(tx, query)
    low, high = _bounds(tx, query, _position(request.after))
    step = window or (TEXT_WINDOW if query.text else WINDOW)
    found: list[Recorded] = []
    until = time.monotonic() + seconds
    while high > low and len(found) <= request.size:
        floor = max(low, high - step)
        within = and_(events.c.seq < high, events.c.seq >= floor, condition)
        left = request.size + 1 - len(found)
        rows = tx.execute(select(events).where(within).order_by(events.c.seq.desc()).limit(left)).mappings()
        found += [recorded(row) for row in rows]
        high = floor
        if time.monotonic() >= until:
            break
    if len(found) > request.size or high <= low:
        return page_of(found, request, lambda each: str(each.seq))
    # Not full, and not at the end either: the next page goes on where this one stopped looking.
    return Page(tuple(found), token_of(str(high)))


def oldest_first(tx: Transaction, query: Query, *, after: int, upto: int, limit: int) -> tuple[list[Recorded], int]:
    """Events behind `after` up to and with `upto`, at most `limit`, and how far was looked: for exports, which go
    through everything a piece at a time."""
    condition = _condition(tx, query)
    low, high = _bounds(tx, query, None)
    start = max(after + 1, low)
    ceiling = min(upto + 1, high, start + WINDOW)
    within = and_(events.c.seq >= start, events.c.seq < ceiling, condition)
    rows = tx.execute(select(events).where(within).order_by(events.c.seq).limit(limit)).mappings()
    found = [recorded(row) for row in rows]
    if len(found) == limit:
        return found, found[-1].seq
    return found, upto if ceiling >= min(upto + 1, high) else ceiling - 1


def event(tx: Transaction, id: str) -> Recorded | None:
    row = tx.execute(select(events).where(events.c.id == id)).mappings().first()
    return recorded(row) if row else None


def newest(tx: Transaction) -> int:
    """The number of the newest event, 0 when there is none."""
    return int(tx.execute(select(func.max(events.c.seq))).scalar() or 0)


def _position(key: str | None) -> int | None:
    if key is None:
        return None
    position = whole_number(key)
    if position is None:
        raise BadPageToken("page_token is not one of this list.", next_step="Start again without page_token.")
    return position


def _bounds(tx: Transaction, query: Query, before: int | None) -> tuple[int, int]:
    """The numbers from which on and below which events can be what is asked for."""
    low, high = 0, newest(tx) + 1
    first = tx.execute(select(func.min(events.c.seq))).scalar()
    low = int(first or 0)
    if query.since is not None:
        low = max(low, _at(tx, query.since - _SLACK, otherwise=high))
    if query.until is not None:
        high = min(high, _at(tx, query.until + _SLACK, otherwise=high))
    return low, high if before is None else min(high, before)


def _at(tx: Transaction, instant: datetime, *, otherwise: int) -> int:
    """The number of the first event at or after `instant`."""
    statement = select(events.c.seq).where(events.c.time >= rfc3339(instant)).order_by(events.c.time).limit(1)
    found = tx.execute(statement).scalar()
    return otherwise if found is None else int(found)


# From words to conditions


def _condition(tx: Transaction, query: Query) -> ColumnElement[bool]:
    return and_(true(), *_equal(query), *_patterns(tx, query))


def _equal(query: Query) -> Iterator[ColumnElement[bool]]:
    for name in (
        "actor_kind",
        "token",
        "origin",
        "project",
        "environment",
        "service",
        "subject",
        "decision",
        "request",
    ):
        if (value := getattr(query, name)) is not None:
            yield events.c[name] == _plain(name, value)
    if query.since is not None:
        yield events.c.time >= rfc3339(query.since)
    if query.until is not None:
        yield events.c.time < rfc3339(query.until)


def _patterns(tx: Transaction, query: Query) -> Iterator[ColumnElement[bool]]:
    if query.actor is not None:
        actor = _plain("actor", query.actor)
        yield events.c.actor_id == actor if _ID.fullmatch(actor) else events.c.actor == actor
    if query.action is not None:
        yield _beginning(events.c.action, _plain("action", query.action))
    if query.type is not None:
        yield _of_type(_plain("type", query.type))
    if query.policy is not None:
        yield events.c.policy.contains(_plain("policy", query.policy), autoescape=True)
    if query.address is not None:
        yield _from_address(_plain("address", query.address))
    if query.text is not None:
        # As it stands in the row, which is JSON in ASCII.
        needle = json.dumps(_plain("text", query.text))[1:-1]
        data = events.c.data if tx.sqlite else collate(events.c.data, "C")
        pattern = needle.replace("/", "//").replace("%", "/%").replace("_", "/_")
        # LIKE looks at no case of ASCII letters on SQLite; the collation spares PostgreSQL all other alphabets.
        matching = data.like if tx.sqlite else data.ilike
        yield matching(f"%{pattern}%", escape="/")


def _plain(name: str, value: str) -> str:
    if not value.strip() or len(value) > 300 or "\0" in value:
        raise _bad(name, "must be a text of 1 to 300 characters")
    return value.strip()


def _beginning(column: Column[str], text: str) -> ColumnElement[bool]:
    if text.endswith("*"):
        return column.startswith(text[:-1], autoescape=True)
    return column == text


def _of_type(text: str) -> ColumnElement[bool]:
    """By the types that this version knows, so that an index can be followed; else by the text itself."""
    wanted = text.rstrip("*").rstrip(".")
    names = [
        each.name
        for each in ALL_TYPES
        if f"{short_type(each.name)}.".startswith(f"{wanted}.") or each.name.startswith(text.rstrip("*"))
    ]
    if names:
        return events.c.type.in_(names)
    return _beginning(events.c.type, text)


def _from_address(text: str) -> ColumnElement[bool]:
    address = events.c.address
    if "/" not in text:
        if not _ADDRESS.fullmatch(text):
            raise _bad("address", "is no address, no beginning of one and no network")
        return address.startswith(text, autoescape=True) if text[-1] in ".:" else address == text
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise _bad("address", "is not a network, as 10.2.0.0/16 is one") from error
    beginnings = _of_version_4(network) if isinstance(network, IPv4Network) else _of_version_6(network)
    whole = network.prefixlen == network.max_prefixlen
    return or_(*(address == each if whole else address.startswith(each, autoescape=True) for each in beginnings))


def _of_version_4(network: IPv4Network) -> list[str]:
    """How addresses of the network begin: up to 128 texts, each up to a dot, or whole addresses."""
    if network.prefixlen > 24:
        if network.prefixlen == 32:
            return [str(network.network_address)]
        raise _bad("address", "is a network of fewer than 256 addresses: name one address, or a /24")
    if network.prefixlen < 1:
        raise _bad("address", "is every address there is")
    boundary = -(-network.prefixlen // 8)
    return [
        ".".join(str(each.network_address).split(".")[:boundary]) + "."
        for each in network.subnets(new_prefix=boundary * 8)
    ]


def _of_version_6(network: IPv6Network) -> list[str]:
    groups = str(network.network_address).split("::")[0].split(":")
    if network.prefixlen == 128:
        return [str(network.network_address)]
    wanted = network.prefixlen // 16
    if network.prefixlen % 16 or not wanted or len(groups) < wanted or "" in groups[:wanted]:
        raise _bad("address", "is a network that cannot be searched by: take one of /16, /32, /48 or /64")
    return [":".join(groups[:wanted]) + ":"]


def _bad(name: str, why: str) -> BadFilter:
    return BadFilter(
        f"{name} {why}.", next_step="Correct the filter, or leave it out.", errors=[FieldError(f"/{name}", why)]
    )
