"""The configuration form of a service: set a variable or take it away, at one scope."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Response

from highroad.access.model import Actor
from highroad.db.engine import Transaction
from highroad.deployments.desk import Desk
from highroad.deployments.pages.service import service_path, show_service
from highroad.deployments.running_api import Scope, reconfigure
from highroad.errors import HighroadError, Invalid
from highroad.projects import actions
from highroad.projects.actions import find_environment, find_project, find_service
from highroad.web.api import does
from highroad.web.forms import Form
from highroad.web.pages import Visit, page_router, visit


class NoSuchScope(Invalid):
    code = "no-such-scope"


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    context = desk.context

    @pages.post("/projects/{project}/services/{service}/variables", openapi_extra=does("variable:write"))
    def change(visit: Annotated[Visit, Depends(visit(context))], project: str, service: str) -> Response:
        """Sets `name` to `value`, or with `unset` takes it away, at `scope`; `deploy` restarts what it reaches."""
        form = visit.form
        name, removing = form.text("name"), bool(form.text("unset"))
        try:
            with context.db.begin() as tx:
                scope = _scope(tx, visit.actor, project, service, form)
                actions.change_variables(
                    tx,
                    context.log,
                    visit.actor,
                    scope[0],
                    environment=scope[1],
                    service=scope[2],
                    values={} if removing else {name: form.raw("value")},
                    unset=[name] if removing else [],
                )
                if form.text("deploy"):
                    reconfigure(tx, desk, visit.actor, scope)
                found = find_service(tx, visit.actor, project, service)
        except HighroadError as error:
            return show_service(visit, desk, project, service, visit.refusal("variable", error))
        return visit.go(f"{service_path(found)}?environment={quote(form.text('environment'))}#configuration")

    return pages


def _scope(tx: Transaction, actor: Actor, project: str, service: str, form: Form) -> Scope:
    """The four scopes as the form names them; the environment is the one that the page shows."""
    parent, kind = find_project(tx, actor, project), form.text("scope")
    if kind not in ("project", "environment", "service", "service-environment"):
        raise NoSuchScope("A variable needs a scope.", next_step="Choose where it counts.")
    return (
        parent,
        find_environment(tx, actor, project, form.text("environment")) if "environment" in kind else None,
        find_service(tx, actor, project, service) if "service" in kind else None,
    )
