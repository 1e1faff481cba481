"""Gates over HTTP: approval rules, freezes, deployment windows and locks, and what guards an environment."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from highroad.access.model import Actor
from highroad.access.permissions import require, require_scope
from highroad.db.engine import Transaction
from highroad.gates import actions, store
from highroad.gates.calendar import calendar
from highroad.gates.decision import describe, is_closed
from highroad.gates.model import ApprovalRule, Freeze, Gate, Lock, Where
from highroad.kit.clock import now
from highroad.projects.actions import find_environment
from highroad.web.api import Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context

_KINDS = "Kinds of deployment that it lets pass, such as rollback and stop."


class Place(Body):
    project: str | None = Field(default=None, max_length=63, description="Null: the whole organization.")
    environment: str | None = Field(default=None, max_length=63, description="One environment of the project.")
    mode: str | None = Field(default=None, max_length=16, description="Only environments of this mode.")


class NewRule(Place):
    rule: str = Field(
        max_length=1000, description="`2 of team payments or 1 of owner`; also `role manager`, an address."
    )
    name: str = Field(default="", max_length=120)
    not_author: bool = Field(default=True, description="Who asked or has commits in it does not count.")
    max_age_hours: float | None = Field(default=24, gt=0, le=2160, description="Null: approvals do not grow old.")
    void_on_change: bool = Field(default=True, description="A changed plan has to be approved anew.")
    expires_days: float = Field(default=7, gt=0, le=90, description="How long a deployment waits.")
    passes: list[str] = Field(default=[], description=_KINDS)


class NewTimes(Place):
    name: str = Field(max_length=120, description="People who wait read it.")
    times: list[str] = Field(
        default=[],
        description="At least one: `fri 16:00 - mon 08:00`, `2026-12-19 - 2027-01-04`, `mon-fri 09:00-17:00`.",
    )
    zone: str = Field(default="UTC", max_length=60, description="IANA name of the time zone.")
    exceptions: list[str] = Field(default=[], description="Times taken out, in the same forms.")
    passes: list[str] = Field(default=[], description=_KINDS)


class NewFreeze(NewTimes):
    reason: str = Field(default="", max_length=500)


class Exceptions(Body):
    times: list[str] = Field(default=[], description="Further times to take out: `2026-12-24`.")


class NewLock(Body):
    why: str = Field(max_length=500)
    until: datetime | None = Field(default=None, description="Null: until somebody unlocks it.")
    passes: list[str] = Field(default=[], description=_KINDS)


class GateAnswer(Answer):
    id: str
    kind: str = Field(description="approvals, freeze, window or lock")
    name: str
    where: str
    project: str | None
    environment: str | None
    mode: str | None
    words: str = Field(description="What it asks for, or how its calendar stands now.")
    closed: bool | None = Field(
        description="Whether it is closed now; null for approvals, which are asked for each time."
    )
    passes: list[str]
    rule: str | None = None
    zone: str | None = None
    times: list[str] = Field(default_factory=list)
    exceptions: list[str] = Field(default_factory=list)
    reason: str = ""
    until: Instant | None = None
    created_by: str
    created_at: Instant


def gate_answer(gate: Gate, at: datetime) -> GateAnswer:
    rule, where = gate.rule, gate.where
    found = GateAnswer(
        id=gate.id,
        kind=gate.kind,
        name=gate.name,
        where=str(where),
        project=where.project or None,
        environment=where.environment or None,
        mode=where.mode,
        words=describe(gate, at),
        closed=is_closed(gate, at),
        passes=sorted(gate.passes),
        created_by=gate.created_by,
        created_at=gate.created_at,
    )
    if isinstance(rule, ApprovalRule):
        found.rule = str(rule)
    elif isinstance(rule, Lock):
        found.reason, found.until = rule.why, rule.until
    else:
        times = rule.calendar
        found.zone, found.times, found.exceptions = times.zone, list(times.rules), list(times.exceptions)
        found.reason = rule.reason if isinstance(rule, Freeze) else ""
    return found


def router(context: Context) -> APIRouter:
    api = api_router("gates")
    _add_lists(api, context)
    _add_rules(api, context)
    _add_calendars(api, context)
    _add_locks(api, context)
    return api


def _add_lists(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    def listed(actor: Actor, *kinds: str) -> Listing[GateAnswer]:
        require_scope(actor, "project:read")
        with context.db.read() as tx:
            found = actions.visible(tx, actor, store.list_gates(tx, *kinds))
        return Listing(items=[gate_answer(each, now()) for each in found])

    @api.get("/approval-rules", openapi_extra=does("project:read"))
    def list_rules(actor: Annotated[Actor, actor_of]) -> Listing[GateAnswer]:
        """Approval rules of all places that you may see."""
        return listed(actor, "approvals")

    @api.get("/freezes", openapi_extra=does("project:read"))
    def list_freezes(actor: Annotated[Actor, actor_of]) -> Listing[GateAnswer]:
        """Freezes, those that are over too, with how each stands now."""
        return listed(actor, "freeze")

    @api.get("/windows", openapi_extra=does("project:read"))
    def list_windows(actor: Annotated[Actor, actor_of]) -> Listing[GateAnswer]:
        """Deployment windows, with how each stands now."""
        return listed(actor, "window")

    @api.get("/locks", openapi_extra=does("project:read"))
    def list_locks(actor: Annotated[Actor, actor_of]) -> Listing[GateAnswer]:
        """Environments that are locked, by whom and why."""
        return listed(actor, "lock")

    @api.get("/projects/{project}/environments/{environment}/gates", openapi_extra=does("project:read"))
    def environment_gates(actor: Annotated[Actor, actor_of], project: str, environment: str) -> Listing[GateAnswer]:
        """All that guards an environment, also what stands at its project or for the whole organization."""
        with context.db.read() as tx:
            found = find_environment(tx, actor, project, environment)
            guards = store.gates_of(tx, found)
        return Listing(items=[gate_answer(each, now()) for each in guards])


def _add_rules(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.post("/approval-rules", status_code=201, openapi_extra=does("gate:write"))
    def create_rule(actor: Annotated[Actor, actor_of], body: NewRule) -> GateAnswer:
        """Deployments of a place wait for these approvals from now on."""
        age = timedelta(hours=body.max_age_hours) if body.max_age_hours is not None else None
        with context.db.begin() as tx:
            made = actions.add_approval_rule(
                tx,
                context.log,
                actor,
                _where(tx, actor, body),
                rule=body.rule,
                name=body.name,
                not_author=body.not_author,
                max_age=age,
                void_on_change=body.void_on_change,
                expires=timedelta(days=body.expires_days),
                passes=body.passes,
            )
        return gate_answer(made, now())

    @api.delete("/gates/{id}", status_code=204, openapi_extra=does("gate:write"))
    def remove_gate(actor: Annotated[Actor, actor_of], id: str) -> None:
        """Remove an approval rule, a freeze or a deployment window; what waits for it alone goes on."""
        require_scope(actor, "gate:write")
        with context.db.begin() as tx:
            found = actions.find_gate(tx, actor, id, "approvals", "freeze", "window")
            actions.remove_gate(tx, context.log, actor, found)

    @api.get("/gates/{id}", openapi_extra=does("project:read"))
    def get_gate(actor: Annotated[Actor, actor_of], id: str) -> GateAnswer:
        """One gate of any kind, and how it stands now."""
        with context.db.read() as tx:
            return gate_answer(actions.find_gate(tx, actor, id), now())


def _add_calendars(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.post("/freezes", status_code=201, openapi_extra=does("gate:write"))
    def create_freeze(actor: Annotated[Actor, actor_of], body: NewFreeze) -> GateAnswer:
        """Nothing is deployed there during these times, except what it lets pass."""
        with context.db.begin() as tx:
            where = _where(tx, actor, body)
            require(actor, "gate:write", actions.place_of(tx, where))
            times = calendar(body.zone, body.times, body.exceptions)
            made = actions.add_freeze(
                tx, context.log, actor, where, name=body.name, times=times, reason=body.reason, passes=body.passes
            )
        return gate_answer(made, now())

    @api.post("/windows", status_code=201, openapi_extra=does("gate:write"))
    def create_window(actor: Annotated[Actor, actor_of], body: NewTimes) -> GateAnswer:
        """Things are deployed there during these times only, except what it lets pass."""
        with context.db.begin() as tx:
            where = _where(tx, actor, body)
            require(actor, "gate:write", actions.place_of(tx, where))
            times = calendar(body.zone, body.times, body.exceptions)
            made = actions.add_window(tx, context.log, actor, where, name=body.name, times=times, passes=body.passes)
        return gate_answer(made, now())

    @api.post("/gates/{id}/exceptions", openapi_extra=does("gate:write"))
    def add_exceptions(actor: Annotated[Actor, actor_of], id: str, body: Exceptions) -> GateAnswer:
        """Take further times out of a freeze or a deployment window."""
        require_scope(actor, "gate:write")
        with context.db.begin() as tx:
            found = actions.find_gate(tx, actor, id)
            changed = actions.except_times(tx, context.log, actor, found, body.times)
        return gate_answer(changed, now())


def _add_locks(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))
    path = "/projects/{project}/environments/{environment}/lock"

    @api.post(path, status_code=201, openapi_extra=does("lock:write"))
    def lock_environment(
        actor: Annotated[Actor, actor_of], project: str, environment: str, body: NewLock
    ) -> GateAnswer:
        """Hold up all deployments to an environment, for everybody to see why."""
        with context.db.begin() as tx:
            found = find_environment(tx, actor, project, environment)
            until = body.until.replace(tzinfo=UTC) if body.until and body.until.tzinfo is None else body.until
            made = actions.lock(tx, context.log, actor, found, why=body.why, until=until, at=now(), passes=body.passes)
        return gate_answer(made, now())

    @api.delete(path, status_code=204, openapi_extra=does("lock:write"))
    def unlock_environment(
        actor: Annotated[Actor, actor_of],
        project: str,
        environment: str,
        why: Annotated[str, Query(max_length=500, description="Needed for somebody else's lock.")] = "",
    ) -> None:
        """Take the lock away; what waits for it alone goes on. Somebody else's takes `gate:pass` or `gate:write`."""
        with context.db.begin() as tx:
            found = find_environment(tx, actor, project, environment)
            actions.unlock(tx, context.log, actor, found, why=why)


def _where(tx: Transaction, actor: Actor, body: Place) -> Where:
    if body.project is None:
        require(actor, "gate:write")
    where, _ = actions.where_of(tx, actor, project=body.project, environment=body.environment, mode=body.mode)
    return where
