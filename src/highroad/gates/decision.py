"""Which gates are closed for a deployment at an instant, in words and until when. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from highroad.gates import approvals
from highroad.gates.approvals import Situation
from highroad.gates.calendar import Calendar, in_zone, standing
from highroad.gates.model import ApprovalRule, Closed, Freeze, Gate, Lock, Window


@dataclass(frozen=True, slots=True)
class Asked:
    """A deployment as gates see it: its kind, the environment's name, what is known of approvals, and the ids of the
    gates that somebody passed for it in an emergency."""

    kind: str
    environment: str
    situation: Situation
    passed: frozenset[str] = field(default_factory=frozenset)


def closed_gates(gates: Sequence[Gate], asked: Asked) -> tuple[Closed, ...]:
    """Approval rules first, then what the calendar closes, then locks."""
    standing_ = [each for each in gates if asked.kind not in each.passes and each.id not in asked.passed]
    found: list[Closed] = []
    for gate in standing_:
        if isinstance(gate.rule, ApprovalRule):
            found += _approvals(gate, gate.rule, asked)
    for gate in standing_:
        if isinstance(gate.rule, Freeze):
            found += _freeze(gate, gate.rule, asked)
    found += _windows([gate for gate in standing_ if gate.kind == "window"], asked)
    for gate in standing_:
        if isinstance(gate.rule, Lock):
            found += _lock(gate, gate.rule, asked.situation.at)
    return tuple(found)


def _approvals(gate: Gate, rule: ApprovalRule, asked: Asked) -> list[Closed]:
    tallies = approvals.tally(rule, asked.situation)
    if approvals.satisfied(tallies):
        return []
    return [Closed(gate.id, "approvals", approvals.words(tallies))]


def _freeze(gate: Gate, rule: Freeze, asked: Asked) -> list[Closed]:
    at = asked.situation.at
    now = standing(rule.calendar, at)
    if not now.inside:
        return []
    why = rule.reason or gate.name
    return [
        Closed(
            gate.id, "freeze", f"{asked.environment} is frozen {_until(rule.calendar, now.until, at)}: {why}", now.until
        )
    ]


def _windows(gates: Sequence[Gate], asked: Asked) -> list[Closed]:
    """Windows at one place add up; of several places, each has to be open."""
    at = asked.situation.at
    found: list[Closed] = []
    places: dict[str, list[tuple[Gate, Calendar]]] = {}
    for gate in gates:
        assert isinstance(gate.rule, Window), "the caller chose them"
        places.setdefault(gate.where.key, []).append((gate, gate.rule.calendar))
    for windows in places.values():
        now = [(gate, calendar, standing(calendar, at)) for gate, calendar in windows]
        if any(each.inside for _, _, each in now):
            continue
        # The one that opens first says when; those that never do come last.
        gate, calendar, first = min(now, key=lambda each: (each[2].until is None, each[2].until or at))
        when = f"the next one opens {in_zone(first.until, calendar.zone, at)}" if first.until else "none comes"
        words = f"{asked.environment} is outside of its deployment windows, {when}: {gate.name}"
        # All of them are closed, and whoever passes one passes the place's windows.
        found += [Closed(each.id, "window", words if each is gate else "", first.until) for each, _, _ in now]
    return [each for each in found if each.words] + [each for each in found if not each.words]


def _lock(gate: Gate, rule: Lock, at: datetime) -> list[Closed]:
    if rule.until is not None and at >= rule.until:
        return []
    return [Closed(gate.id, "lock", f"locked by {gate.created_by}: {rule.why}", rule.until)]


def _until(calendar: Calendar, until: datetime | None, at: datetime) -> str:
    return f"until {in_zone(until, calendar.zone, at)}" if until else "for good"


def expires_after(gates: Sequence[Gate], otherwise: timedelta) -> timedelta:
    """How long a deployment waits at these gates at most: as the strictest approval rule says."""
    rules = [each.rule.expires for each in gates if isinstance(each.rule, ApprovalRule)]
    return min(rules, default=otherwise)


def describe(gate: Gate, at: datetime) -> str:
    """What the gate asks for, and whether it is open now, whatever comes: for lists of gates."""
    rule = gate.rule
    if isinstance(rule, ApprovalRule):
        parts = [str(rule)]
        parts += ["not the author"] if rule.not_author else []
        parts += [f"not older than {approvals.in_hours(rule.max_age)}"] if rule.max_age else []
        parts += ["void when the plan changes"] if rule.void_on_change else []
        return ", ".join(parts)
    if isinstance(rule, Lock):
        until = f" until {in_zone(rule.until, 'UTC', at)}" if rule.until else ""
        return f"locked by {gate.created_by}{until}: {rule.why}"
    now = standing(rule.calendar, at)
    when = in_zone(now.until, rule.calendar.zone, at) if now.until else ""
    if isinstance(rule, Freeze):
        if now.inside:
            return f"closed until {when}" if when else "closed for good"
        return f"open; closes {when}" if when else "open; over"
    if now.inside:
        return f"open until {when}" if when else "open for good"
    return f"closed until {when}" if when else "closed; no further window"


def is_closed(gate: Gate, at: datetime) -> bool | None:
    """Whether the gate by itself is closed now; None for an approval rule, which each deployment meets anew."""
    rule = gate.rule
    if isinstance(rule, ApprovalRule):
        return None
    if isinstance(rule, Lock):
        return rule.until is None or at < rule.until
    return standing(rule.calendar, at).inside == isinstance(rule, Freeze)
