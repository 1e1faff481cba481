"""The start page: the projects with how their services are, and a form for another one."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.db.engine import Transaction
from highroad.deployments import store as deployments
from highroad.deployments.desk import Desk
from highroad.deployments.model import Placement
from highroad.errors import HighroadError
from highroad.gates import store as gates
from highroad.gates.pages import LOUD
from highroad.kit.clock import now
from highroad.kit.paging import PageRequest, page_request
from highroad.projects import actions, store
from highroad.web.api import does
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit

FIRST_ENVIRONMENT = "production"
PAGE_SIZE = 100
_URGENCY = ("failed", "deploying", "stopped", "live", "empty")


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    visitor, context = Depends(visit(desk.context)), desk.context

    @pages.get("/", openapi_extra=does("project:read"))
    def show_projects(visit: Annotated[Visit, visitor]) -> Response:
        return _projects(visit)

    @pages.post("/projects", openapi_extra=does("project:create"))
    def create_project(visit: Annotated[Visit, visitor]) -> Response:
        """A project with its first environment: without one, nothing that is pushed would run anywhere."""
        name = visit.form.text("name")
        try:
            with context.db.begin() as tx:
                project = actions.create_project(tx, context.log, visit.actor, name=name)
                actions.create_environment(
                    tx, context.log, visit.actor, project, name=FIRST_ENVIRONMENT, mode="production", branch="main"
                )
        except HighroadError as error:
            return _projects(visit, visit.refusal("project", error))
        return visit.go(f"/projects/{name}")

    return pages


def _projects(visit: Visit, refused: Refusal | None = None) -> Response:
    request = page_request(PAGE_SIZE, visit.request.query_params.get("page_token"))
    with visit.context.db.read() as tx:
        page = actions.visible_projects(tx, visit.actor, request)
        services = {each.id: store.list_services(tx, each.id) for each in page.items}
        environments = {each.id: actions.visible_environments(tx, visit.actor, each.id) for each in page.items}
        states = _states(tx)
        shown = [each.id for environments_ in environments.values() for each in environments_]
        passes = gates.passes_since(tx, now() - LOUD, shown)
    return visit.page(
        "projects.html",
        refused=refused,
        projects=page.items,
        services=services,
        environments=environments,
        states=states,
        passes=passes,
        next_page=page.next_page_token,
    )


def _states(tx: Transaction) -> dict[str, str]:
    """By the service's id the state that most wants to be seen, among its environments. The start page says what should
    be so; whether an instance just crashed stands on the page of the service, which asks the engine."""
    found: dict[str, str] = {}
    for placement in deployments.list_placements(tx):
        state = _state(tx, placement)
        before = found.get(placement.service_id, _URGENCY[-1])
        found[placement.service_id] = min(state, before, key=_URGENCY.index)
    return found


def _state(tx: Transaction, placement: Placement) -> str:
    if placement.active_id is not None:
        return "deploying"
    last = deployments.list_deployments(tx, placement.service_id, placement.environment_id, PageRequest(1)).items
    if last and last[0].state == "failed":
        return "failed"
    if placement.deployment_id is None:
        return "empty"
    return "stopped" if placement.stopped else "live"
