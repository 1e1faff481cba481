"""Tables of gates, of deployments that wait at them, and of what people said and passed.

All gates stand in one table and are found by their place, so that a deployment to an environment without any costs one
indexed query. What belongs to a deployment knows service and environment too, and goes with them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from highroad.db.engine import Transaction, metadata
from highroad.gates.approvals import Vote
from highroad.gates.calendar import Calendar
from highroad.gates.model import (
    Alternative,
    ApprovalRule,
    Closed,
    Freeze,
    Gate,
    Lock,
    Of,
    Rule,
    Where,
    Window,
    keys_of,
)
from highroad.kit.clock import now, parse_rfc3339, rfc3339
from highroad.kit.ids import new_id
from highroad.projects.model import Environment
from highroad.projects.store import environments, projects

PREFIXES = {"approvals": "rule", "freeze": "frz", "window": "win", "lock": "lck"}

gates = Table(
    "gates",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(16), nullable=False, index=True),
    Column("place", String(120), nullable=False, index=True),
    Column("project_id", String(40), ForeignKey("projects.id", ondelete="CASCADE")),
    Column("environment_id", String(40), ForeignKey("environments.id", ondelete="CASCADE")),
    Column("mode", String(16)),
    Column("name", String(120), nullable=False),
    Column("rule", Text, nullable=False),
    Column("passes", String(120), nullable=False),
    Column("until", String(32)),
    Column("created_at", String(32), nullable=False),
    Column("created_by", String(255), nullable=False),
)
waits = Table(
    "deployment_waits",
    metadata,
    Column("deployment_id", String(40), primary_key=True),
    Column("service_id", String(40), ForeignKey("services.id", ondelete="CASCADE"), nullable=False),
    Column("environment_id", String(40), ForeignKey("environments.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("round", Integer, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("plan", Text, nullable=False),
    Column("authors", Text, nullable=False),
    Column("closed", Text, nullable=False),
    Column("voided", Text, nullable=False),
    Column("since", String(32), nullable=False),
    Column("expires_at", String(32), nullable=False),
    Column("recheck_at", String(32), index=True),
    Column("looked_at", String(32), nullable=False),
)
approvals = Table(
    "approvals",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("deployment_id", String(40), nullable=False),
    Column("service_id", String(40), ForeignKey("services.id", ondelete="CASCADE"), nullable=False),
    Column("environment_id", String(40), ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("user_id", String(40), nullable=False),
    Column("user", String(255), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("comment", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("at", String(32), nullable=False),
    UniqueConstraint("deployment_id", "round", "user_id"),
)
passes = Table(
    "gate_passes",
    metadata,
    Column("deployment_id", String(40), primary_key=True),
    Column("service_id", String(40), ForeignKey("services.id", ondelete="CASCADE"), nullable=False),
    Column("environment_id", String(40), ForeignKey("environments.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("actor", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("closed", Text, nullable=False),
    Column("at", String(32), nullable=False, index=True),
)


@dataclass(frozen=True, slots=True)
class Wait:
    """What a deployment waits for. `plan` is the plan as JSON, `fingerprint` what of it must stay as it is, `round` how
    often it has changed, `voided` why the last change made approvals void. `recheck_at`: None once it waits no more."""

    deployment_id: str
    service_id: str
    environment_id: str
    round: int
    fingerprint: str
    plan: str
    authors: frozenset[str]
    closed: tuple[Closed, ...]
    voided: str
    since: datetime
    expires_at: datetime
    recheck_at: datetime | None
    looked_at: datetime

    @property
    def seen(self) -> str:
        """What an approver sends back to say which plan was looked at."""
        return f"{self.round}-{self.fingerprint[:16]}"


@dataclass(frozen=True, slots=True)
class Pass:
    """Somebody passed closed gates in an emergency; `closed` are those, none once the plan has become another one."""

    deployment_id: str
    service_id: str
    environment_id: str
    actor: str
    reason: str
    closed: tuple[Closed, ...]
    at: datetime


# Gates

_ORDERED = select(gates).order_by(gates.c.created_at, gates.c.id)
_GUARDING = _ORDERED.where(gates.c.place.in_(bindparam("places", expanding=True)))
"""Built once: every push asks it."""


def gates_of(tx: Transaction, environment: Environment) -> list[Gate]:
    """All gates that guard this environment, oldest first: the one query that every deployment costs."""
    keys = keys_of(environment.id, environment.project_id, environment.mode)
    return _made(tx, tx.execute(_GUARDING, {"places": keys}).mappings().all())


def list_gates(tx: Transaction, *kinds: str) -> list[Gate]:
    return _gates(tx, gates.c.kind.in_(kinds))


def gate(tx: Transaction, id: str) -> Gate | None:
    return next(iter(_gates(tx, gates.c.id == id)), None)


def _gates(tx: Transaction, *which: Any) -> list[Gate]:
    return _made(tx, tx.execute(_ORDERED.where(*which)).mappings().all())


def _made(tx: Transaction, rows: Sequence[RowMapping]) -> list[Gate]:
    if not rows:
        return []
    names = _names(tx, rows)
    return [_gate(row, names) for row in rows]


def _names(tx: Transaction, rows: Sequence[RowMapping]) -> dict[str, str]:
    found: dict[str, str] = {}
    for column, table in (("project_id", projects), ("environment_id", environments)):
        wanted = {row[column] for row in rows if row[column] is not None}
        if wanted:
            statement = select(table.c.id, table.c.name).where(table.c.id.in_(wanted))
            found |= {row["id"]: row["name"] for row in tx.execute(statement).mappings()}
    return found


def add_gate(
    tx: Transaction, where: Where, name: str, rule: Rule, *, passes: frozenset[str], created_by: str
) -> Gate | None:
    """None when it is a lock and the environment is locked already."""
    kind = Gate("", where, name, rule, passes, now(), created_by).kind
    id = f"lck_{where.environment_id}" if kind == "lock" else new_id(PREFIXES[kind])
    values = {
        "id": id,
        "kind": kind,
        "place": where.key,
        "project_id": where.project_id,
        "environment_id": where.environment_id,
        "mode": where.mode,
        "name": name,
        "rule": json.dumps(_dumped(rule)),
        "passes": " ".join(sorted(passes)),
        "until": rfc3339(rule.until) if isinstance(rule, Lock) and rule.until else None,
        "created_at": rfc3339(now()),
        "created_by": created_by,
    }
    statement = tx.insert(gates).values(**values).on_conflict_do_nothing(index_elements=["id"])
    return gate(tx, id) if tx.execute(statement.returning(gates.c.id)).first() is not None else None


def change_rule(tx: Transaction, id: str, rule: Rule) -> None:
    tx.execute(update(gates).where(gates.c.id == id).values(rule=json.dumps(_dumped(rule))))


def remove_gate(tx: Transaction, id: str) -> bool:
    return tx.execute(delete(gates).where(gates.c.id == id)).rowcount == 1


def remove_overdue_lock(tx: Transaction, environment_id: str, at: datetime) -> None:
    """A lock whose time is over holds nothing up; it makes room for a new one."""
    mine = (gates.c.id == f"lck_{environment_id}", gates.c.until <= rfc3339(at))
    tx.execute(delete(gates).where(*mine))


def _dumped(rule: Rule) -> dict[str, Any]:
    if isinstance(rule, ApprovalRule):
        return {
            "alternatives": [[each.count, each.of.kind, each.of.name] for each in rule.alternatives],
            "not_author": rule.not_author,
            "max_age": rule.max_age.total_seconds() if rule.max_age else None,
            "void_on_change": rule.void_on_change,
            "expires": rule.expires.total_seconds(),
        }
    if isinstance(rule, Lock):
        return {"why": rule.why, "until": rfc3339(rule.until) if rule.until else None}
    return asdict(rule)


def _loaded(kind: str, text: str) -> Rule:
    values = json.loads(text)
    if kind == "approvals":
        return ApprovalRule(
            tuple(Alternative(count, Of(of, name)) for count, of, name in values["alternatives"]),
            values["not_author"],
            timedelta(seconds=values["max_age"]) if values["max_age"] is not None else None,
            values["void_on_change"],
            timedelta(seconds=values["expires"]),
        )
    if kind == "lock":
        return Lock(values["why"], parse_rfc3339(values["until"]) if values["until"] else None)
    times = values["calendar"]
    calendar = Calendar(times["zone"], tuple(times["rules"]), tuple(times["exceptions"]))
    return Freeze(calendar, values["reason"]) if kind == "freeze" else Window(calendar)


def _gate(row: RowMapping, names: dict[str, str]) -> Gate:
    where = Where(
        row["project_id"],
        names.get(row["project_id"], ""),
        row["environment_id"],
        names.get(row["environment_id"], ""),
        row["mode"],
    )
    return Gate(
        row["id"],
        where,
        row["name"],
        _loaded(row["kind"], row["rule"]),
        frozenset(row["passes"].split()),
        parse_rfc3339(row["created_at"]),
        row["created_by"],
    )


# Waiting


def save_wait(tx: Transaction, wait: Wait) -> None:
    """Write it, whether or not the deployment waits already."""
    values = {
        "service_id": wait.service_id,
        "environment_id": wait.environment_id,
        "round": wait.round,
        "fingerprint": wait.fingerprint,
        "plan": wait.plan,
        "authors": json.dumps(sorted(wait.authors)),
        "closed": _closed_json(wait.closed),
        "voided": wait.voided,
        "since": rfc3339(wait.since),
        "expires_at": rfc3339(wait.expires_at),
        "recheck_at": rfc3339(wait.recheck_at) if wait.recheck_at else None,
        "looked_at": rfc3339(wait.looked_at),
    }
    statement = tx.insert(waits).values(deployment_id=wait.deployment_id, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["deployment_id"], set_=values))


def wait_of(tx: Transaction, deployment_id: str) -> Wait | None:
    row = tx.execute(select(waits).where(waits.c.deployment_id == deployment_id)).mappings().first()
    return _wait(row) if row else None


def waits_due(tx: Transaction, at: datetime) -> list[Wait]:
    """Those to look at again. What was looked at in the future is due, too: the clock was put back since."""
    due = or_(waits.c.recheck_at <= rfc3339(at), waits.c.looked_at > rfc3339(at))
    statement = select(waits).where(waits.c.recheck_at.is_not(None), due).order_by(waits.c.deployment_id)
    return [_wait(row) for row in tx.execute(statement).mappings()]


def waits_present(tx: Transaction, environment_id: str | None = None) -> list[Wait]:
    statement = select(waits).where(waits.c.recheck_at.is_not(None)).order_by(waits.c.deployment_id)
    if environment_id is not None:
        statement = statement.where(waits.c.environment_id == environment_id)
    return [_wait(row) for row in tx.execute(statement).mappings()]


def end_wait(tx: Transaction, deployment_id: str) -> None:
    tx.execute(update(waits).where(waits.c.deployment_id == deployment_id).values(recheck_at=None))


def recheck_all(tx: Transaction) -> None:
    """Gates have changed: whatever waits is looked at again, soon."""
    tx.execute(update(waits).where(waits.c.recheck_at.is_not(None)).values(recheck_at=rfc3339(now())))


def _wait(row: RowMapping) -> Wait:
    return Wait(
        row["deployment_id"],
        row["service_id"],
        row["environment_id"],
        row["round"],
        row["fingerprint"],
        row["plan"],
        frozenset(json.loads(row["authors"])),
        _closed(row["closed"]),
        row["voided"],
        parse_rfc3339(row["since"]),
        parse_rfc3339(row["expires_at"]),
        parse_rfc3339(row["recheck_at"]) if row["recheck_at"] else None,
        parse_rfc3339(row["looked_at"]),
    )


def _closed_json(closed: Sequence[Closed]) -> str:
    return json.dumps(
        [[each.gate_id, each.kind, each.words, rfc3339(each.until) if each.until else None] for each in closed]
    )


def _closed(text: str) -> tuple[Closed, ...]:
    return tuple(
        Closed(id, kind, words, parse_rfc3339(until) if until else None) for id, kind, words, until in json.loads(text)
    )


# What people said


def add_vote(tx: Transaction, wait: Wait, vote: Vote) -> bool:
    """False when the same person has said something about this round before."""
    values = {
        "id": new_id("apv"),
        "deployment_id": wait.deployment_id,
        "service_id": wait.service_id,
        "environment_id": wait.environment_id,
        "round": vote.round,
        "user_id": vote.user_id,
        "user": vote.user,
        "verdict": vote.verdict,
        "comment": vote.comment,
        "fingerprint": vote.fingerprint,
        "at": rfc3339(vote.at),
    }
    statement = tx.insert(approvals).values(**values)
    unique = ["deployment_id", "round", "user_id"]
    return (
        tx.execute(statement.on_conflict_do_nothing(index_elements=unique).returning(approvals.c.id)).first()
        is not None
    )


def votes_of(tx: Transaction, deployment_id: str) -> list[Vote]:
    statement = select(approvals).where(approvals.c.deployment_id == deployment_id).order_by(approvals.c.id)
    return [
        Vote(
            row["user_id"],
            row["user"],
            row["verdict"],
            row["comment"],
            parse_rfc3339(row["at"]),
            row["round"],
            row["fingerprint"],
        )
        for row in tx.execute(statement).mappings()
    ]


# Emergencies


def add_pass(tx: Transaction, made: Pass) -> None:
    """A later one replaces an earlier one of the same deployment; what that passed of the same plan counts on."""
    earlier = pass_of(tx, made.deployment_id)
    closed = made.closed if earlier is None else (*earlier.closed, *made.closed)
    values = {
        "service_id": made.service_id,
        "environment_id": made.environment_id,
        "actor": made.actor,
        "reason": made.reason,
        "closed": _closed_json(closed),
        "at": rfc3339(made.at),
    }
    tx.execute(delete(passes).where(passes.c.deployment_id == made.deployment_id))
    tx.execute(insert(passes).values(deployment_id=made.deployment_id, **values))


def pass_of(tx: Transaction, deployment_id: str) -> Pass | None:
    row = tx.execute(select(passes).where(passes.c.deployment_id == deployment_id)).mappings().first()
    return _pass(row) if row else None


def void_pass(tx: Transaction, deployment_id: str) -> None:
    """It passes nothing any more; that it was given stays known."""
    tx.execute(update(passes).where(passes.c.deployment_id == deployment_id).values(closed=_closed_json(())))


def passes_since(tx: Transaction, since: datetime, environment_ids: Sequence[str] | None = None) -> list[Pass]:
    """Newest first, at most 20."""
    statement = select(passes).where(passes.c.at >= rfc3339(since)).order_by(passes.c.at.desc()).limit(20)
    if environment_ids is not None:
        statement = statement.where(passes.c.environment_id.in_(list(environment_ids)))
    return [_pass(row) for row in tx.execute(statement).mappings()]


def _pass(row: RowMapping) -> Pass:
    return Pass(
        row["deployment_id"],
        row["service_id"],
        row["environment_id"],
        row["actor"],
        row["reason"],
        _closed(row["closed"]),
        parse_rfc3339(row["at"]),
    )


def forget(tx: Transaction, deployment_ids: Sequence[str]) -> None:
    """All that belongs to these deployments."""
    for table in (waits, approvals, passes):
        tx.execute(delete(table).where(table.c.deployment_id.in_(list(deployment_ids))))
