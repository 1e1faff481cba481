"""Deleting a service, an environment or a project: the form asks for its name, because there is no way back."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.deployments import removal
from highroad.deployments.desk import Desk
from highroad.deployments.pages.project import show_project
from highroad.deployments.pages.service import show_service
from highroad.errors import FieldError, HighroadError, Invalid
from highroad.projects.actions import find_environment, find_project, find_service
from highroad.web.api import does
from highroad.web.pages import Visit, page_router, visit


class NotConfirmed(Invalid):
    code = "deletion-not-confirmed"
    title = "Nothing was deleted"


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    visitor, context = Depends(visit(desk.context)), desk.context

    @pages.post("/projects/{project}/services/{service}/delete", openapi_extra=does("service:write"))
    def delete_service(visit: Annotated[Visit, visitor], project: str, service: str) -> Response:
        try:
            _require_confirmed(visit, service)
            with context.db.begin() as tx:
                found = find_service(tx, visit.actor, project, service)
                removal.delete_service(tx, context.log, visit.actor, found, desk.start)
        except HighroadError as error:
            return show_service(visit, desk, project, service, visit.refusal("delete", error))
        return visit.go(f"/projects/{project}")

    @pages.post("/projects/{project}/environments/{environment}/delete", openapi_extra=does("environment:write"))
    def delete_environment(visit: Annotated[Visit, visitor], project: str, environment: str) -> Response:
        try:
            _require_confirmed(visit, environment)
            with context.db.begin() as tx:
                found = find_environment(tx, visit.actor, project, environment)
                removal.delete_environment(tx, context.log, visit.actor, found, desk.start)
        except HighroadError as error:
            return show_project(visit, desk, project, visit.refusal(f"environment-{environment}", error))
        return visit.go(f"/projects/{project}")

    @pages.post("/projects/{project}/delete", openapi_extra=does("project:write"))
    def delete_project(visit: Annotated[Visit, visitor], project: str) -> Response:
        try:
            _require_confirmed(visit, project)
            with context.db.begin() as tx:
                found = find_project(tx, visit.actor, project)
                removal.delete_project(tx, context.log, visit.actor, found, desk.start)
        except HighroadError as error:
            return show_project(visit, desk, project, visit.refusal("delete", error))
        return visit.go("/")

    return pages


def _require_confirmed(visit: Visit, name: str) -> None:
    if visit.form.text("confirm").strip() != name:
        raise NotConfirmed(
            f"The name typed is not {name!r}.",
            next_step=f"Type {name} to delete it for good.",
            errors=[FieldError("/confirm", f"must be {name}")],
        )
