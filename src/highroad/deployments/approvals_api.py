"""Deployments that wait, over HTTP: the inbox, what an approver sees, approving, refusing and breaking the glass."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from highroad.access.model import Actor
from highroad.access.permissions import require_scope
from highroad.db.engine import Transaction
from highroad.deployments.answers import DeploymentAnswer, deployment_answer
from highroad.deployments.api import find_deployment
from highroad.deployments.approval_answers import WaitAnswer, WaitDetail, wait_answer, wait_detail, waits_seen_by
from highroad.deployments.desk import Desk
from highroad.deployments.evidence import evidence_of, facts_of
from highroad.deployments.verdicts import LONGEST_COMMENT, NotWaiting, Word, said
from highroad.gates import store as gates
from highroad.gates.store import Wait
from highroad.web.api import Body, Listing, api_router, does
from highroad.web.auth import signed_in

_ACTIONS: dict[Word, str] = {"approve": "deployment:approve", "refuse": "deployment:approve", "pass": "gate:pass"}


class Approval(Body):
    plan: str = Field(max_length=60, description="`plan_version` of the plan that you looked at.")
    comment: str = Field(default="", max_length=LONGEST_COMMENT)


class Refused(Body):
    comment: str = Field(max_length=LONGEST_COMMENT, description="Why; whoever asked for the deployment reads it.")


class BreakGlass(Body):
    reason: str = Field(
        max_length=LONGEST_COMMENT, description="Why the gates cannot be waited for; everybody reads it."
    )


def router(desk: Desk) -> APIRouter:
    api = api_router("approvals")
    _add_inbox(api, desk)
    _add_words(api, desk)
    return api


def _add_inbox(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))

    @api.get("/approvals", openapi_extra=does("project:read"))
    def list_waiting(actor: Annotated[Actor, actor_of]) -> Listing[WaitAnswer]:
        """Deployments that wait at a gate, oldest first; those that wait for you say so."""
        require_scope(actor, "project:read")
        with desk.context.db.read() as tx:
            waits = waits_seen_by(tx, actor, gates.waits_present(tx))
            return Listing(items=[wait_answer(tx, desk.keeper, actor, each) for each in waits])

    @api.get("/deployments/{id}/approval", openapi_extra=does("project:read"))
    def get_approval(actor: Annotated[Actor, actor_of], id: str) -> WaitDetail:
        """What an approver sees: the plan, the commits and the patch, tests, risk, and who said what."""
        with desk.context.db.read() as tx:
            find_deployment(tx, actor, id)
        return detail_of(desk, actor, id)


def detail_of(desk: Desk, actor: Actor, id: str) -> WaitDetail:
    """Of a deployment that the actor may see. Raises `NotWaiting` for one that never waited."""
    with desk.context.db.read() as tx:
        facts = facts_of(tx, desk.keeper, _wait(tx, id))
    evidence = evidence_of(desk.keeper, facts)
    with desk.context.db.read() as tx:
        return wait_detail(tx, desk.keeper, actor, evidence)


def _wait(tx: Transaction, id: str) -> Wait:
    found = gates.wait_of(tx, id)
    if found is None:
        raise NotWaiting("This deployment did not have to wait.", next_step=f"highroad show {id}")
    return found


def _add_words(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))

    @api.post("/deployments/{id}/approve", openapi_extra=does("deployment:approve"))
    def approve_deployment(actor: Annotated[Actor, actor_of], id: str, body: Approval) -> DeploymentAnswer:
        """Approve a deployment that waits, for the plan that you looked at."""
        return _said(desk, actor, id, "approve", body.comment, body.plan)

    @api.post("/deployments/{id}/refuse", openapi_extra=does("deployment:approve"))
    def refuse_deployment(actor: Annotated[Actor, actor_of], id: str, body: Refused) -> DeploymentAnswer:
        """Refuse a deployment that waits, which ends it."""
        return _said(desk, actor, id, "refuse", body.comment)

    @api.post("/deployments/{id}/break-glass", openapi_extra=does("gate:pass"))
    def break_glass(actor: Annotated[Actor, actor_of], id: str, body: BreakGlass) -> DeploymentAnswer:
        """Let a deployment pass the gates that are closed now, in an emergency. It is announced loudly."""
        return _said(desk, actor, id, "pass", body.reason)


def _said(desk: Desk, actor: Actor, id: str, word: Word, text: str, seen: str = "") -> DeploymentAnswer:
    require_scope(actor, _ACTIONS[word])
    with desk.context.db.read() as tx:
        find_deployment(tx, actor, id)
    said(desk.keeper, actor, id, word, text=text, seen=seen)
    with desk.context.db.read() as tx:
        found, service, environment = find_deployment(tx, actor, id)
        return deployment_answer(tx, service, environment, found, desk.context.settings)
