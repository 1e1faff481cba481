"""Services as they run, releases, plans and deployments over HTTP."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError

from highroad.access.model import Actor
from highroad.access.permissions import allowed, require_scope
from highroad.builds.model import Artifact
from highroad.db.engine import Transaction
from highroad.deployments import actions, modes, removal, store
from highroad.deployments.actions import BadDeployment, NoSuchDeployment, NoSuchRelease, NothingDeployed
from highroad.deployments.answers import (
    DeploymentAnswer,
    PlacementAnswer,
    PlanAnswer,
    ReleaseAnswer,
    ServiceAnswer,
    ServiceInList,
    deployment_answer,
    newest,
    plan_answer,
    release_answer,
)
from highroad.deployments.desk import Desk
from highroad.deployments.instances import largest
from highroad.deployments.model import Deployment, Kind
from highroad.deployments.plan import plan_deployment
from highroad.deployments.streaming import deployment_stream
from highroad.deployments.subject import preview
from highroad.kit.clock import now
from highroad.kit.numbers import whole_number
from highroad.kit.paging import PageRequest
from highroad.pipelines import store as pipelines
from highroad.pipelines.model import Release
from highroad.projects import store as projects
from highroad.projects.actions import find_environment, find_project, find_service, visible_environments
from highroad.projects.api import EnvironmentAnswer, EnvironmentChange, environment_answer, service_answer
from highroad.projects.model import Environment, Service
from highroad.web.api import Body, Listing, api_router, does, listing, paging
from highroad.web.auth import signed_in
from highroad.web.streams import wants_stream
from highroad.workload.codec import load

PLACE = "/projects/{project}/services/{service}/environments/{environment}"


class DeploymentRequest(Body):
    kind: Kind = "deploy"
    release: str | int | None = Field(default=None, description="Id or number; for deploy and rollback.")
    counts: dict[str, int] = Field(default_factory=dict, description="Instances by process, for scale.")


class PlanRequest(DeploymentRequest):
    workload: dict[str, Any] | None = Field(
        default=None, description="A workload that was not pushed yet, as detection gives it."
    )


def router(desk: Desk) -> APIRouter:
    api = api_router("deployments")
    _add_services(api, desk)
    _add_removals(api, desk)
    _add_changes(api, desk)
    _add_releases(api, desk)
    _add_requests(api, desk)
    _add_deployments(api, desk)
    return api


def _add_services(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))

    @api.get("/projects/{project}/services", openapi_extra=does("project:read"))
    def list_services(actor: Annotated[Actor, actor_of], project: str) -> Listing[ServiceInList]:
        """The project's services with what runs of them."""
        with desk.context.db.read() as tx:
            parent = find_project(tx, actor, project)
            services = projects.list_services(tx, parent.id)
            environments = visible_environments(tx, actor, parent.id)
            placed = desk.placements_of_all(tx, services, environments)
        return Listing(
            items=[
                ServiceInList(**service_answer(desk.context, each).model_dump(mode="python"), environments=places)
                for each, places in zip(services, placed, strict=True)
            ]
        )

    @api.get("/projects/{project}/services/{service}", openapi_extra=does("project:read"))
    def get_service(actor: Annotated[Actor, actor_of], project: str, service: str) -> ServiceAnswer:
        """A service with what runs of it, in every environment of its project."""
        with desk.context.db.read() as tx:
            found = find_service(tx, actor, project, service)
            environments = visible_environments(tx, actor, found.project_id)
            placements = desk.placements(tx, found, environments)
        repository = desk.repository_of(found.id)
        return ServiceAnswer(
            **service_answer(desk.context, found).model_dump(mode="python"),
            default_branch=repository.default_branch() if repository.exists() else None,
            environments=placements,
        )

    @api.get(PLACE, openapi_extra=does("project:read"))
    def get_placement(
        actor: Annotated[Actor, actor_of], project: str, service: str, environment: str
    ) -> PlacementAnswer:
        """What runs of a service in one environment."""
        with desk.context.db.read() as tx:
            found, where = _place(tx, actor, project, service, environment)
            return desk.placements(tx, found, [where])[0]


def _add_removals(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))
    log = desk.context.log

    @api.delete("/projects/{project}", status_code=204, openapi_extra=does("project:write"))
    def delete_project(actor: Annotated[Actor, actor_of], project: str) -> None:
        """Stop and erase everything of a project: services, repositories, logs, history. There is no way back."""
        with desk.context.db.begin() as tx:
            removal.delete_project(tx, log, actor, find_project(tx, actor, project), desk.start)

    @api.delete(
        "/projects/{project}/environments/{environment}", status_code=204, openapi_extra=does("environment:write")
    )
    def delete_environment(actor: Annotated[Actor, actor_of], project: str, environment: str) -> None:
        """Stop what runs there and erase it."""
        with desk.context.db.begin() as tx:
            found = find_environment(tx, actor, project, environment)
            removal.delete_environment(tx, log, actor, found, desk.start)

    @api.delete("/projects/{project}/services/{service}", status_code=204, openapi_extra=does("service:write"))
    def delete_service(actor: Annotated[Actor, actor_of], project: str, service: str) -> None:
        """Stop the service everywhere and erase it with its repository. There is no way back."""
        with desk.context.db.begin() as tx:
            removal.delete_service(tx, log, actor, find_service(tx, actor, project, service), desk.start)


def _add_changes(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))
    context = desk.context

    @api.patch("/projects/{project}/environments/{environment}", openapi_extra=does("environment:write"))
    def change_environment(
        actor: Annotated[Actor, actor_of], project: str, environment: str, body: EnvironmentChange
    ) -> EnvironmentAnswer:
        """Change the mode or the deploy rule; fields that are left out stay. While something runs there, only an owner
        or administrator changes the mode."""
        with context.db.begin() as tx:
            found = find_environment(tx, actor, project, environment)
            changes = {name: getattr(body, name) for name in body.model_fields_set}
            changed = modes.change_environment(tx, context.log, actor, found, changes=changes)
        return environment_answer(changed)


def _add_releases(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))

    @api.get("/projects/{project}/services/{service}/releases", openapi_extra=does("project:read"))
    def list_releases(
        actor: Annotated[Actor, actor_of], project: str, service: str, page: Annotated[PageRequest, Depends(paging)]
    ) -> Listing[ReleaseAnswer]:
        """Newest first."""
        with desk.context.db.read() as tx:
            found = find_service(tx, actor, project, service)
            kept = pipelines.list_releases(tx, found.id, page)
            return Listing(**listing(kept, lambda each: release_answer(tx, each, actor)))


def _add_requests(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))
    settings = desk.context.settings

    @api.get(PLACE + "/deployments", openapi_extra=does("project:read"))
    def list_deployments(
        actor: Annotated[Actor, actor_of],
        project: str,
        service: str,
        environment: str,
        page: Annotated[PageRequest, Depends(paging)],
    ) -> Listing[DeploymentAnswer]:
        """Newest first."""
        with desk.context.db.read() as tx:
            found, where = _place(tx, actor, project, service, environment)
            rows = store.list_deployments(tx, found.id, where.id, page)
            return Listing(**listing(rows, lambda each: deployment_answer(tx, found, where, each, settings)))

    @api.post(PLACE + "/deployments", status_code=202, openapi_extra=does("deployment:write"))
    def request_deployment(
        actor: Annotated[Actor, actor_of], project: str, service: str, environment: str, body: DeploymentRequest
    ) -> DeploymentAnswer:
        """Deploy, roll back, scale, restart, stop or start. Answers at once; follow it at its `/log`."""
        with desk.context.db.begin() as tx:
            found, where = _place(tx, actor, project, service, environment)
            _check(body)
            deployment = actions.ask(
                tx,
                desk.context.log,
                actor,
                found,
                where,
                kind=body.kind,
                release=_release(tx, found, body.release),
                counts=body.counts,
                start=desk.start,
                keeper=desk.keeper,
            )
            return deployment_answer(tx, found, where, deployment, settings)

    @api.post(PLACE + "/plan", openapi_extra=does("project:read"))
    def plan(
        actor: Annotated[Actor, actor_of], project: str, service: str, environment: str, body: PlanRequest
    ) -> PlanAnswer:
        """What this deployment would do; nothing is changed. Other stores are not asked: that takes a deployment."""
        with desk.context.db.begin() as tx:
            found, where = _place(tx, actor, project, service, environment)
            _check(body)
            current, wanted = preview(
                tx,
                found,
                where,
                kind=body.kind,
                release=_release_to_plan(tx, found, where, body),
                counts=body.counts,
                domain=settings.domain,
            )
            if body.workload is not None:
                wanted = replace(wanted, title="the working tree")
        return plan_answer(plan_deployment(current, wanted, desk.driver.abilities(), largest(settings)))


def _add_deployments(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))
    settings = desk.context.settings

    @api.get("/deployments/{id}", openapi_extra=does("project:read"))
    def get_deployment(actor: Annotated[Actor, actor_of], id: str) -> DeploymentAnswer:
        """A deployment with its plan, its steps and how it ended."""
        with desk.context.db.read() as tx:
            found, service, environment = find_deployment(tx, actor, id)
            return deployment_answer(tx, service, environment, found, settings)

    @api.get(
        "/deployments/{id}/log",
        response_model=None,
        responses={200: {"content": {"text/event-stream": {}}}},
        openapi_extra=does("project:read"),
    )
    def deployment_log(
        request: Request, actor: Annotated[Actor, actor_of], id: str, cursor: str | None = None
    ) -> Response:
        """What the deployment says; `text/event-stream` follows it to its end."""
        with desk.context.db.read() as tx:
            find_deployment(tx, actor, id)
        if wants_stream(request):
            return deployment_stream(desk, request, id)
        followed = desk.follower.deployment(id, cursor)
        items = [{"at": each.at, "task": each.task, "text": each.text} for each in followed.lines]
        return JSONResponse({"items": items, "cursor": followed.cursor})

    @api.post("/deployments/{id}/cancel", status_code=202, openapi_extra=does("deployment:write"))
    def cancel_deployment(actor: Annotated[Actor, actor_of], id: str) -> DeploymentAnswer:
        """Put things back, if traffic has not moved yet."""
        require_scope(actor, "deployment:write")
        with desk.context.db.begin() as tx:
            found, service, environment = find_deployment(tx, actor, id)
            actions.cancel(tx, desk.context.log, actor, service, environment, found)
            changed, _, _ = find_deployment(tx, actor, id)
            return deployment_answer(tx, service, environment, changed, settings)


def find_deployment(tx: Transaction, actor: Actor, id: str) -> tuple[Deployment, Service, Environment]:
    """One that the actor may see; any other is as good as not there."""
    require_scope(actor, "project:read")
    deployment = store.deployment(tx, id)
    service = projects.service_by_id(tx, deployment.service_id) if deployment else None
    environment = projects.environment_by_id(tx, deployment.environment_id) if deployment else None
    if (
        deployment is None
        or service is None
        or environment is None
        or not allowed(actor, "project:read", environment.place)
    ):
        raise NoSuchDeployment("There is no such deployment.", next_step="highroad status")
    return deployment, service, environment


def _place(tx: Transaction, actor: Actor, project: str, service: str, environment: str) -> tuple[Service, Environment]:
    return find_service(tx, actor, project, service), find_environment(tx, actor, project, environment)


def _check(body: DeploymentRequest) -> None:
    if body.kind == "scale" and not body.counts:
        raise BadDeployment("Scaling needs a number of instances.", next_step="highroad scale web=2")
    if body.kind != "scale" and body.counts:
        raise BadDeployment("Only scaling takes numbers of instances.", next_step="highroad scale web=2")
    if body.release is not None and body.kind not in actions.REPLACES_RELEASE:
        raise BadDeployment(f"{body.kind} keeps the release that serves.", next_step="Leave the release out.")


def _release(tx: Transaction, service: Service, named: str | int | None) -> Release | None:
    if named is None:
        return None
    text = str(named)
    number = whole_number(text, digits=9)
    found = pipelines.release(tx, text) if number is None else pipelines.release_by_number(tx, service.id, number)
    if found is None or found.service_id != service.id:
        raise NoSuchRelease(f"{service.name} has no release {text[:60]}.", next_step="highroad releases")
    return found


def _release_to_plan(tx: Transaction, service: Service, environment: Environment, body: PlanRequest) -> Release:
    """The release that the plan is about; one made up around a workload that was not pushed yet."""
    if body.workload is not None:
        try:
            workload = load(body.workload)
        except (ValidationError, ValueError, TypeError) as error:
            raise BadDeployment(
                "The workload is not one that this version knows.", next_step="Use the CLI of this version of Highroad."
            ) from error
        publish = workload.build.publish and "."
        artifact = Artifact("", "", publish=publish)
        return Release("", service.id, 0, "", "", "", "", artifact, workload, "", now())
    named = _release(tx, service, body.release)
    if named is not None:
        return named
    placement = store.placement(tx, service.id, environment.id)
    if body.kind == "deploy":
        found = newest(tx, service.id)
    elif body.kind == "rollback":
        found = actions.release_before(tx, service, environment, placement.release_id)
    else:
        found = pipelines.release(tx, placement.release_id) if placement.release_id else None
    if found is None:
        raise NothingDeployed(f"{service.name} has no release here yet.", next_step="git push highroad main")
    return found
