"""A service: what runs of it in each environment, its configuration, host names, releases, runs and how to push."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access.permissions import allowed
from highroad.db.engine import Transaction
from highroad.deployments import store
from highroad.deployments.answers import (
    DeploymentAnswer,
    ReleaseAnswer,
    RunAnswer,
    deployment_answer,
    release_answer,
    run_answer,
)
from highroad.deployments.desk import Desk
from highroad.kit.paging import PageRequest
from highroad.pipelines import store as pipelines
from highroad.projects import variable_store
from highroad.projects.actions import find_service, visible_environments
from highroad.projects.api import git_url
from highroad.projects.model import Environment, Service, Variable, resolve
from highroad.web.api import does
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit

RELEASES, RUNS, DEPLOYMENTS = 10, 10, 10


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    visitor = Depends(visit(desk.context))

    @pages.get("/projects/{project}/services/{service}", openapi_extra=does("project:read"))
    def show(visit: Annotated[Visit, visitor], project: str, service: str) -> Response:
        return show_service(visit, desk, project, service)

    return pages


def service_path(service: Service) -> str:
    return f"/projects/{service.project}/services/{service.name}"


def show_service(visit: Visit, desk: Desk, project: str, name: str, refused: Refusal | None = None) -> Response:
    """The page, also as the answer to a form on it that was not taken."""
    asked = visit.request.query_params.get("environment") or visit.form.text("environment")
    with desk.context.db.read() as tx:
        service = find_service(tx, visit.actor, project, name)
        environments = visible_environments(tx, visit.actor, service.project_id)
        chosen = next((each for each in environments if each.name == asked), next(iter(environments), None))
        placements = desk.placements(tx, service, environments)
        place = (chosen or service).place.of_service(service.name)
        readable = allowed(visit.actor, "variable:read", place)
        variables = _variables(tx, service, chosen) if readable else []
        releases = pipelines.list_releases(tx, service.id, PageRequest(RELEASES)).items
        runs = pipelines.list_runs(tx, service.id, PageRequest(RUNS)).items
        history = _Recent(
            [release_answer(tx, each, visit.actor) for each in releases],
            [run_answer(tx, service, each, visit.actor) for each in runs],
            _deployments(tx, desk, service, environments),
            {each.name: store.released_here(tx, service.id, each.id, limit=50) for each in environments},
        )
    return visit.page(
        "service.html",
        refused=refused,
        service=service,
        git_url=git_url(desk.context, service),
        environments=environments,
        chosen=chosen,
        placements=placements,
        variables=variables,
        recent=history,
        busy=any(each.state == "deploying" for each in placements) or not all(run.ended for run in runs),
    )


@dataclass(frozen=True, slots=True)
class _Recent:
    """What happened lately, newest first. `ran_in` are the ids of the releases that ran in an environment, by its name:
    a rollback can lead to these."""

    releases: list[ReleaseAnswer]
    runs: list[RunAnswer]
    deployments: list[DeploymentAnswer]
    ran_in: dict[str, list[str]]


def _variables(tx: Transaction, service: Service, environment: Environment | None) -> list[Variable]:
    where = environment.id if environment else ""
    return list(resolve(variable_store.variables_in_force(tx, service.project_id, where, service.id)))


def _deployments(
    tx: Transaction, desk: Desk, service: Service, environments: list[Environment]
) -> list[DeploymentAnswer]:
    """The newest of all environments; ids sort by time."""
    found = [
        (each, environment)
        for environment in environments
        for each in store.list_deployments(tx, service.id, environment.id, PageRequest(DEPLOYMENTS)).items
    ]
    newest = sorted(found, key=lambda pair: pair[0].id, reverse=True)[:DEPLOYMENTS]
    return [deployment_answer(tx, service, where, each, desk.context.settings) for each, where in newest]
