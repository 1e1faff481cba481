"""A project: its environments, its services, and what of them runs where."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.deployments import modes
from highroad.deployments.desk import Desk
from highroad.errors import HighroadError
from highroad.gates import store as gates
from highroad.gates.api import gate_answer
from highroad.gates.pages import LOUD
from highroad.kit.clock import now
from highroad.projects import actions, store
from highroad.projects.actions import find_environment, find_project
from highroad.projects.model import MODES
from highroad.web.api import does
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    visitor, context = Depends(visit(desk.context)), desk.context

    @pages.get("/projects/{project}", openapi_extra=does("project:read"))
    def project_page(visit: Annotated[Visit, visitor], project: str) -> Response:
        return show_project(visit, desk, project)

    @pages.post("/projects/{project}/environments", openapi_extra=does("environment:write"))
    def create_environment(visit: Annotated[Visit, visitor], project: str) -> Response:
        form = visit.form
        try:
            with context.db.begin() as tx:
                parent = find_project(tx, visit.actor, project)
                name, mode, branch = form.text("name"), form.text("mode"), form.text("branch") or None
                actions.create_environment(tx, context.log, visit.actor, parent, name=name, mode=mode, branch=branch)
        except HighroadError as error:
            return show_project(visit, desk, project, visit.refusal("environment", error))
        return visit.go(f"/projects/{project}")

    @pages.post("/projects/{project}/environments/{environment}", openapi_extra=does("environment:write"))
    def change_environment(visit: Annotated[Visit, visitor], project: str, environment: str) -> Response:
        """Mode and deploy rule; the form always sends both."""
        form = visit.form
        changes = {"mode": form.text("mode"), "branch": form.text("branch") or None}
        try:
            with context.db.begin() as tx:
                found = find_environment(tx, visit.actor, project, environment)
                modes.change_environment(tx, context.log, visit.actor, found, changes=changes)
        except HighroadError as error:
            return show_project(visit, desk, project, visit.refusal(f"environment-{environment}", error))
        return visit.go(f"/projects/{project}")

    @pages.post("/projects/{project}/services", openapi_extra=does("service:write"))
    def create_service(visit: Annotated[Visit, visitor], project: str) -> Response:
        name, path = visit.form.text("name"), visit.form.text("path")
        try:
            with context.db.begin() as tx:
                parent = find_project(tx, visit.actor, project)
                actions.create_service(tx, context.log, visit.actor, parent, name=name, path=path)
        except HighroadError as error:
            return show_project(visit, desk, project, visit.refusal("service", error))
        return visit.go(f"/projects/{project}/services/{name}")

    return pages


def show_project(visit: Visit, desk: Desk, name: str, refused: Refusal | None = None) -> Response:
    with desk.context.db.read() as tx:
        project = find_project(tx, visit.actor, name)
        environments = actions.visible_environments(tx, visit.actor, project.id)
        services = store.list_services(tx, project.id)
        at = now()
        guards = {each.id: [gate_answer(gate, at) for gate in gates.gates_of(tx, each)] for each in environments}
        passes = gates.passes_since(tx, at - LOUD, [each.id for each in environments])
        placements = {each.id: desk.placements(tx, each, environments) for each in services}
    return visit.page(
        "project.html",
        refused=refused,
        project=project,
        environments=environments,
        services=services,
        placements=placements,
        guards=guards,
        passes=passes,
        modes=MODES,
        busy=any(place.state == "deploying" for row in placements.values() for place in row),
    )
