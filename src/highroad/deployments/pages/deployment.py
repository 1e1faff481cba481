"""A deployment: its plan, steps, instances and log, why it ended as it did, and how to stop it."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access.permissions import require
from highroad.deployments import actions, store
from highroad.deployments.answers import deployment_answer
from highroad.deployments.api import find_deployment
from highroad.deployments.desk import Desk
from highroad.deployments.pages.logs import shown_log
from highroad.errors import HighroadError
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    visitor, context = Depends(visit(desk.context)), desk.context

    @pages.get("/deployments/{id}")
    def show_deployment(visit: Annotated[Visit, visitor], id: str) -> Response:
        return _deployment(visit, desk, id)

    @pages.post("/deployments/{id}/cancel")
    def cancel_deployment(visit: Annotated[Visit, visitor], id: str) -> Response:
        try:
            with context.db.begin() as tx:
                found, service, environment = find_deployment(tx, id)
                actions.cancel(tx, context.log, visit.actor, service, environment, found)
        except HighroadError as error:
            return _deployment(visit, desk, id, visit.refusal("deployment", error))
        return visit.go(f"/deployments/{id}")

    return pages


def _deployment(visit: Visit, desk: Desk, id: str, refused: Refusal | None = None) -> Response:
    require(visit.actor, "project:read")
    with desk.context.db.read() as tx:
        found, service, environment = find_deployment(tx, id)
        placement = desk.placements(tx, service, [environment])[0]
        mine = {each.id for each in store.instances_of(tx, id)}
        answer = deployment_answer(tx, service, environment, found, desk.context.settings)
    return visit.page(
        "deployment.html",
        refused=refused,
        deployment=answer,
        cancelling=found.cancel and not found.ended,
        instances=[each for each in placement.instances if each.id in mine],
        ended=found.ended,
        log=shown_log(desk.follower.deployment(id, None)),
    )
