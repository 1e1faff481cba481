"""A deployment: its plan, steps, instances and log, why it ended as it did, and how to stop it."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.deployments import actions, store
from highroad.deployments.answers import deployment_answer
from highroad.deployments.api import find_deployment
from highroad.deployments.approval_answers import direction_in_words
from highroad.deployments.approvals_api import detail_of
from highroad.deployments.desk import Desk
from highroad.deployments.pages.logs import shown_log
from highroad.errors import HighroadError
from highroad.gates import store as gates
from highroad.web.api import does
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit

WAITED = ("waiting", "refused", "expired")
"""States in which people want to see what it waits or waited for."""


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    visitor, context = Depends(visit(desk.context)), desk.context

    @pages.get("/deployments/{id}", openapi_extra=does("project:read"))
    def get_deployment(visit: Annotated[Visit, visitor], id: str) -> Response:
        return show_deployment(visit, desk, id)

    @pages.post("/deployments/{id}/cancel", openapi_extra=does("deployment:write"))
    def cancel_deployment(visit: Annotated[Visit, visitor], id: str) -> Response:
        try:
            with context.db.begin() as tx:
                found, service, environment = find_deployment(tx, visit.actor, id)
                actions.cancel(tx, context.log, visit.actor, service, environment, found)
        except HighroadError as error:
            return show_deployment(visit, desk, id, visit.refusal("deployment", error))
        return visit.go(f"/deployments/{id}")

    return pages


def show_deployment(visit: Visit, desk: Desk, id: str, refused: Refusal | None = None) -> Response:
    """The page, also as the answer to a form on it that was not taken."""
    with desk.context.db.read() as tx:
        found, service, environment = find_deployment(tx, visit.actor, id)
        placement = desk.placements(tx, service, [environment])[0]
        mine = {each.id for each in store.instances_of(tx, id)}
        answer = deployment_answer(tx, service, environment, found, desk.context.settings)
        waited = found.state in WAITED and gates.wait_of(tx, id) is not None
    wait = detail_of(desk, visit.actor, id) if waited else None
    return visit.page(
        "deployment.html",
        refused=refused,
        deployment=answer,
        cancelling=found.cancel and not found.ended,
        instances=[each for each in placement.instances if each.id in mine],
        ended=found.ended,
        waiting=found.state == "waiting",
        wait=wait,
        wait_words=direction_in_words(wait.direction) if wait else "",
        place=environment.place,
        log=shown_log(desk.follower.deployment(id, None)),
    )
