"""The buttons of a service: deploy, roll back, restart, scale, stop, start, and its own host names."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access.model import Actor
from highroad.db.engine import Transaction
from highroad.deployments import actions
from highroad.deployments.actions import BadDeployment, NoSuchRelease
from highroad.deployments.desk import Desk
from highroad.deployments.model import KINDS, Kind
from highroad.deployments.pages.service import service_path, show_service
from highroad.errors import HighroadError
from highroad.pipelines import store as pipelines
from highroad.pipelines.model import Release
from highroad.projects import actions as project_actions
from highroad.projects.actions import find_environment, find_service
from highroad.projects.model import Environment, Service
from highroad.routing.hostnames import own_domain
from highroad.web.api import does
from highroad.web.forms import Form
from highroad.web.pages import Visit, page_router, visit

PLACE = "/projects/{project}/services/{service}/environments/{environment}"
COUNT = "count-"


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    _add_deployments(pages, desk)
    _add_domains(pages, desk)
    return pages


def _add_deployments(pages: APIRouter, desk: Desk) -> None:
    visitor, context = Depends(visit(desk.context)), desk.context

    @pages.post(PLACE + "/deployments", openapi_extra=does("deployment:write"))
    def request_deployment(visit: Annotated[Visit, visitor], project: str, service: str, environment: str) -> Response:
        """`kind`, for deploy and rollback perhaps the id of a `release`, for scale a field `count-PROCESS` each."""
        try:
            kind = _kind(visit.form)
            with context.db.begin() as tx:
                found, where = find_place(tx, visit.actor, project, service, environment)
                deployment = actions.ask(
                    tx,
                    context.log,
                    visit.actor,
                    found,
                    where,
                    kind=kind,
                    release=_release(tx, found, kind, visit.form),
                    counts=_counts(visit.form) if kind == "scale" else {},
                    start=desk.start,
                    keeper=desk.keeper,
                )
        except HighroadError as error:
            return show_service(visit, desk, project, service, visit.refusal(f"deployment-{environment}", error))
        return visit.go(f"/deployments/{deployment.id}")


def find_place(
    tx: Transaction, actor: Actor, project: str, service: str, environment: str
) -> tuple[Service, Environment]:
    return find_service(tx, actor, project, service), find_environment(tx, actor, project, environment)


def _kind(form: Form) -> Kind:
    for kind in KINDS:
        if kind == form.text("kind"):
            return kind  # type: ignore[return-value]  # KINDS are the members of Kind
    raise BadDeployment("This is no kind of deployment.", next_step="Use the buttons of the page.")


def _release(tx: Transaction, service: Service, kind: Kind, form: Form) -> Release | None:
    id = form.text("release")
    if not id or kind not in actions.REPLACES_RELEASE:
        return None
    found = pipelines.release(tx, id)
    if found is None or found.service_id != service.id:
        raise NoSuchRelease("This release is no longer kept.", next_step="Choose another from the list of releases.")
    return found


def _counts(form: Form) -> dict[str, int]:
    counts = {name.removeprefix(COUNT): form.number(name) for name in form.fields if name.startswith(COUNT)}
    chosen = {name: count for name, count in counts.items() if count is not None}
    if not chosen:
        raise BadDeployment("Scaling needs a number of instances.", next_step="Say how many of each process.")
    return chosen


def _add_domains(pages: APIRouter, desk: Desk) -> None:
    visitor, context = Depends(visit(desk.context)), desk.context

    @pages.post(PLACE + "/domains", openapi_extra=does("service:write"))
    def change_domains(visit: Annotated[Visit, visitor], project: str, service: str, environment: str) -> Response:
        """Adds the `host`, or with `remove` takes it away."""
        host = visit.form.text("host")
        try:
            with context.db.begin() as tx:
                found, where = find_place(tx, visit.actor, project, service, environment)
                if visit.form.text("remove"):
                    project_actions.remove_domain(tx, context.log, visit.actor, found, where, host.lower())
                else:
                    name = own_domain(host[:300], platform=context.settings.domain)
                    project_actions.add_domain(tx, context.log, visit.actor, found, where, name)
        except HighroadError as error:
            return show_service(visit, desk, project, service, visit.refusal(f"domain-{environment}", error))
        desk.refresh_routes()
        return visit.go(f"{service_path(found)}#domains")
