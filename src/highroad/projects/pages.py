"""The start page: the projects, and a form for another one. What runs where stands in `deployments.pages`."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access.permissions import require
from highroad.errors import HighroadError
from highroad.kit.paging import page_request
from highroad.projects import actions, store
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit

FIRST_ENVIRONMENT = "production"
PAGE_SIZE = 100


def router(context: Context) -> APIRouter:
    pages = page_router()
    visitor = Depends(visit(context))

    @pages.get("/")
    def show_projects(visit: Annotated[Visit, visitor]) -> Response:
        return _projects(visit)

    @pages.post("/projects")
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
    require(visit.actor, "project:read")
    request = page_request(PAGE_SIZE, visit.request.query_params.get("page_token"))
    with visit.context.db.read() as tx:
        page = store.list_projects(tx, request)
        services = {each.id: store.list_services(tx, each.id) for each in page.items}
        environments = {each.id: store.list_environments(tx, each.id) for each in page.items}
    return visit.page(
        "projects.html",
        refused=refused,
        projects=page.items,
        services=services,
        environments=environments,
        next_page=page.next_page_token,
    )
