"""Deployments that wait, in the portal: the inbox, and the forms on a deployment's page that answer it."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access.model import Actor
from highroad.access.permissions import require_scope
from highroad.deployments.api import find_deployment
from highroad.deployments.approval_answers import wait_answer, waits_seen_by
from highroad.deployments.desk import Desk
from highroad.deployments.evidence import may_approve
from highroad.deployments.pages.deployment import show_deployment
from highroad.deployments.verdicts import Word, said
from highroad.errors import HighroadError
from highroad.gates import store as gates
from highroad.web.api import does
from highroad.web.pages import Visit, page_router, visit

ADDRESS = "/approvals"


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    visitor = Depends(visit(desk.context))
    desk.context.counts[ADDRESS] = counter(desk)

    @pages.get(ADDRESS, openapi_extra=does("project:read"))
    def inbox(visit: Annotated[Visit, visitor]) -> Response:
        require_scope(visit.actor, "project:read")
        with desk.context.db.read() as tx:
            waits = waits_seen_by(tx, visit.actor, gates.waits_present(tx))
            items = [wait_answer(tx, desk.keeper, visit.actor, each) for each in waits]
        return visit.page(
            "approvals.html",
            mine=[each for each in items if each.for_you],
            others=[each for each in items if not each.for_you],
        )

    @pages.post("/deployments/{id}/approve", openapi_extra=does("deployment:approve"))
    def approve(visit: Annotated[Visit, visitor], id: str) -> Response:
        return _say(visit, desk, id, "approve", visit.form.text("comment"), visit.form.text("plan"))

    @pages.post("/deployments/{id}/refuse", openapi_extra=does("deployment:approve"))
    def refuse(visit: Annotated[Visit, visitor], id: str) -> Response:
        return _say(visit, desk, id, "refuse", visit.form.text("comment"))

    @pages.post("/deployments/{id}/break-glass", openapi_extra=does("gate:pass"))
    def break_glass(visit: Annotated[Visit, visitor], id: str) -> Response:
        return _say(visit, desk, id, "pass", visit.form.text("reason"))

    return pages


def _say(visit: Visit, desk: Desk, id: str, word: Word, text: str, seen: str = "") -> Response:
    with desk.context.db.read() as tx:
        find_deployment(tx, visit.actor, id)
    try:
        said(desk.keeper, visit.actor, id, word, text=text, seen=seen)
    except HighroadError as error:
        return show_deployment(visit, desk, id, visit.refusal(word, error))
    return visit.go(f"/deployments/{id}")


def counter(desk: Desk) -> Callable[[Actor], int]:
    """How many deployments wait for somebody: one small query on every page, as long as nothing waits."""

    def count(actor: Actor) -> int:
        with desk.context.db.read() as tx:
            waits = gates.waits_present(tx)
            return sum(1 for each in waits if may_approve(tx, desk.keeper, actor.id, each))

    return count
