"""Verbs on gates: approval rules, freezes and deployment windows are written and removed, environments locked and
unlocked. Whatever waits is looked at again after each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from highroad.access.model import Actor
from highroad.access.permissions import allowed, require, require_scope
from highroad.access.places import ORGANIZATION, Place
from highroad.db.engine import Transaction
from highroad.errors import Conflict, FieldError, Invalid, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event, EventType
from highroad.gates import approvals, store
from highroad.gates.calendar import Calendar, calendar
from highroad.gates.model import (
    EXPIRES,
    MAX_AGE,
    PASSABLE,
    ApprovalRule,
    Freeze,
    Gate,
    Lock,
    Rule,
    Where,
    Window,
)
from highroad.kit.clock import rfc3339
from highroad.projects import store as projects
from highroad.projects.actions import find_environment, find_project
from highroad.projects.model import MODES, Environment

LONGEST_TEXT = 500
LONGEST_AGE = timedelta(days=90)
_CREATED: dict[str, EventType] = {
    "approvals": events.APPROVAL_RULE_CREATED,
    "freeze": events.FREEZE_CREATED,
    "window": events.WINDOW_CREATED,
    "lock": events.ENVIRONMENT_LOCKED,
}
_MODIFIED: dict[str, EventType] = {"freeze": events.FREEZE_MODIFIED, "window": events.WINDOW_MODIFIED}
_REMOVED: dict[str, EventType] = {
    "approvals": events.APPROVAL_RULE_REMOVED,
    "freeze": events.FREEZE_REMOVED,
    "window": events.WINDOW_REMOVED,
    "lock": events.ENVIRONMENT_UNLOCKED,
}


class BadGate(Invalid):
    code = "bad-gate"
    title = "The gate cannot be set up"


class NoSuchGate(NotFound):
    code = "no-such-gate"


class AlreadyLocked(Conflict):
    code = "already-locked"
    title = "The environment is locked"


class NotLocked(NotFound):
    code = "not-locked"


# Where


def where_of(
    tx: Transaction, actor: Actor, *, project: str | None, environment: str | None, mode: str | None
) -> tuple[Where, Place]:
    """The place that was named: an environment, a project or the organization, the latter two perhaps by mode. Raises
    `BadGate`, `NoSuchProject`, `NoSuchEnvironment`."""
    if mode is not None and mode not in MODES:
        raise _bad("/mode", f"{mode[:40]!r} is no mode.", f"One of {', '.join(MODES)}.")
    if environment is not None and (project is None or mode is not None):
        raise _bad("/environment", "An environment is named with its project, and without a mode.", "shop/production")
    if project is None:
        return Where(mode=mode), ORGANIZATION
    if environment is not None:
        found = find_environment(tx, actor, project, environment)
        return of_environment(found), found.place
    parent = find_project(tx, actor, project)
    return Where(parent.id, parent.name, mode=mode), replace(parent.place, mode=mode)


def of_environment(environment: Environment) -> Where:
    return Where(environment.project_id, environment.project, environment.id, environment.name)


def place_of(tx: Transaction, where: Where) -> Place:
    """Where permission on a gate is asked."""
    if where.environment_id is not None:
        environment = projects.environment_by_id(tx, where.environment_id)
        return environment.place if environment else ORGANIZATION
    project = projects.project_by_id(tx, where.project_id) if where.project_id else None
    return replace(project.place, mode=where.mode) if project else ORGANIZATION


def visible(tx: Transaction, actor: Actor, gates: Iterable[Gate]) -> list[Gate]:
    """Those of places that the actor may see. Gates of the organization are everybody's who sees any project."""
    return [each for each in gates if _sees(tx, actor, each)]


def _sees(tx: Transaction, actor: Actor, gate: Gate) -> bool:
    if gate.where.project_id is None:
        return True
    place = place_of(tx, gate.where)
    return place != ORGANIZATION and allowed(actor, "project:read", place)


def find_gate(tx: Transaction, actor: Actor, id: str, *kinds: str) -> Gate:
    found = store.gate(tx, id)
    if found is None or (kinds and found.kind not in kinds) or not _sees(tx, actor, found):
        require_scope(actor, "project:read")
        raise NoSuchGate("There is no such gate.", next_step="highroad gates")
    return found


# Writing


def add_approval_rule(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    where: Where,
    *,
    rule: str,
    name: str = "",
    not_author: bool = True,
    max_age: timedelta | None = MAX_AGE,
    void_on_change: bool = True,
    expires: timedelta = EXPIRES,
    passes: Sequence[str] = (),
) -> Gate:
    """`rule` as `2 of team payments or 1 of owner`."""
    _require(tx, actor, where)
    alternatives = approvals.alternatives(rule)
    for pointer, value in (("/max_age_hours", max_age), ("/expires_days", expires)):
        if value is not None and not timedelta(minutes=1) <= value <= LONGEST_AGE:
            raise _bad(pointer, "It takes a minute to 90 days.", "Leave it out for the usual time.")
    made = ApprovalRule(alternatives, not_author, max_age, void_on_change, expires)
    return _add(tx, log, actor, where, name or str(made), made, passes)


def add_freeze(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    where: Where,
    *,
    name: str,
    times: Calendar,
    reason: str = "",
    passes: Sequence[str] = (),
) -> Gate:
    _require(tx, actor, where)
    return _add(tx, log, actor, where, name, Freeze(_checked(times), _text("/reason", reason)), passes)


def add_window(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    where: Where,
    *,
    name: str,
    times: Calendar,
    passes: Sequence[str] = (),
) -> Gate:
    _require(tx, actor, where)
    return _add(tx, log, actor, where, name, Window(_checked(times)), passes)


def except_times(tx: Transaction, log: EventLog, actor: Actor, gate: Gate, lines: Sequence[str]) -> Gate:
    """Take times out of a freeze or a deployment window: `2026-12-24`."""
    _require(tx, actor, gate.where)
    rule = gate.rule
    if not isinstance(rule, (Freeze, Window)):
        raise _bad("/exceptions", "Only freezes and deployment windows have times.", "highroad freezes")
    before = rule.calendar
    after = calendar(before.zone, before.rules, [*before.exceptions, *lines])
    changed = replace(rule, calendar=after)
    store.change_rule(tx, gate.id, changed)
    store.recheck_all(tx)
    event = _event(_MODIFIED[gate.kind], gate)
    diff = {"exceptions": (list(before.exceptions), list(after.exceptions))}
    log.append(tx, replace(event, diff=diff), actor)
    return replace(gate, rule=changed)


def remove_gate(tx: Transaction, log: EventLog, actor: Actor, gate: Gate) -> None:
    _require(tx, actor, gate.where)
    _remove(tx, log, actor, gate)


def lock(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    environment: Environment,
    *,
    why: str,
    until: datetime | None,
    at: datetime,
    passes: Sequence[str] = (),
) -> Gate:
    """Raises `AlreadyLocked`."""
    require(actor, "lock:write", environment.place)
    reason = _text("/why", why)
    if not reason:
        raise _bad("/why", "A lock says why.", 'highroad lock shop/production --why "moving the database"')
    if until is not None and until <= at:
        raise _bad("/until", "That is over.", "Give a time to come, or none: until somebody unlocks it.")
    store.remove_overdue_lock(tx, environment.id, at)
    rule = Lock(reason, until)
    made = store.add_gate(
        tx, of_environment(environment), reason[:120], rule, passes=_passes(passes), created_by=actor.name
    )
    if made is None:
        present = store.gate(tx, f"lck_{environment.id}")
        said = f"locked by {present.created_by}: {present.name}" if present else "locked"
        raise AlreadyLocked(
            f"{environment.name} is {said}.", next_step=f"highroad unlock {of_environment(environment)}"
        )
    return _recorded(tx, log, actor, made)


def unlock(tx: Transaction, log: EventLog, actor: Actor, environment: Environment, *, why: str = "") -> None:
    """One's own lock, or with `why` somebody else's, for whoever may pass gates or write them. Raises `NotLocked`."""
    require(actor, "lock:write", environment.place)
    reason = _text("/why", why)
    found = store.gate(tx, f"lck_{environment.id}")
    if found is None:
        raise NotLocked(f"{environment.name} is not locked.", next_step="highroad locks")
    if found.created_by != actor.name and actor.kind != "system":
        if not allowed(actor, "gate:write", environment.place):
            require(actor, "gate:pass", environment.place, break_glass=True)
        if not reason:
            said = f"{environment.name} is locked by {found.created_by}: ending it needs a reason."
            raise _bad("/why", said, f'highroad unlock {of_environment(environment)} --why "..."')
    _remove(tx, log, actor, found, why=reason)


def _require(tx: Transaction, actor: Actor, where: Where) -> None:
    require(actor, "gate:write", place_of(tx, where))


def _add(
    tx: Transaction, log: EventLog, actor: Actor, where: Where, name: str, rule: Rule, passes: Sequence[str]
) -> Gate:
    checked = _text("/name", name)[:120]
    if not checked:
        raise _bad("/name", "It needs a name, which people who wait read.", "For example: year-end")
    made = store.add_gate(tx, where, checked, rule, passes=_passes(passes), created_by=actor.name)
    assert made is not None, "only a lock can be there already"
    return _recorded(tx, log, actor, made)


def _recorded(tx: Transaction, log: EventLog, actor: Actor, gate: Gate) -> Gate:
    store.recheck_all(tx)
    log.append(tx, _event(_CREATED[gate.kind], gate), actor)
    return gate


def _remove(tx: Transaction, log: EventLog, actor: Actor, gate: Gate, *, why: str = "") -> None:
    if not store.remove_gate(tx, gate.id):
        raise NoSuchGate("Somebody removed it in the meantime.", next_step="highroad gates")
    store.recheck_all(tx)
    event = _event(_REMOVED[gate.kind], gate)
    log.append(tx, replace(event, custom={**event.custom, "reason": why}) if why else event, actor)


def _event(type: EventType, gate: Gate) -> Event:
    where, rule = gate.where, gate.rule
    content: dict[str, object] = {"name": gate.name, "where": str(where), "passes": sorted(gate.passes)}
    if isinstance(rule, ApprovalRule):
        content |= {"rule": str(rule), "notAuthor": rule.not_author, "voidOnChange": rule.void_on_change}
    elif isinstance(rule, Lock):
        content |= {"why": rule.why, "until": rfc3339(rule.until) if rule.until else None}
    else:
        times = rule.calendar
        content |= {"zone": times.zone, "times": list(times.rules), "exceptions": list(times.exceptions)}
    return Event(
        type, gate.id, content, project=where.project or None, environment=where.environment or None, chain=gate.id
    )


def _checked(times: Calendar) -> Calendar:
    return calendar(times.zone, times.rules, times.exceptions)


def _passes(kinds: Sequence[str]) -> frozenset[str]:
    unknown = [each for each in kinds if each not in PASSABLE]
    if unknown:
        raise _bad("/passes", f"{unknown[0][:40]!r} is no kind of deployment.", f"Among {', '.join(PASSABLE)}.")
    return frozenset(kinds)


def _text(pointer: str, text: str) -> str:
    cleaned = " ".join(text.split())
    if len(cleaned) > LONGEST_TEXT:
        raise _bad(pointer, f"It is longer than {LONGEST_TEXT} characters.", "Say it in fewer words.")
    return cleaned


def _bad(pointer: str, detail: str, next_step: str) -> BadGate:
    return BadGate(detail, next_step=next_step, errors=[FieldError(pointer, detail)])
