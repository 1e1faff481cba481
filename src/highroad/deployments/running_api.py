"""What surrounds a running service over HTTP: its logs, one-off commands, own host names and configuration."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from highroad.access.model import Actor
from highroad.access.permissions import allowed, require, require_scope
from highroad.db.engine import Transaction
from highroad.deployments import actions, command_store, store
from highroad.deployments.answers import CommandAnswer, DeploymentAnswer, command_answer, deployment_answer
from highroad.deployments.commands import NoSuchCommand
from highroad.deployments.desk import Desk
from highroad.deployments.instances import stream_of
from highroad.deployments.streaming import app_log_stream, command_stream, log_line, matches
from highroad.kit.paging import PageRequest
from highroad.projects import actions as project_actions
from highroad.projects import store as projects
from highroad.projects import variable_store
from highroad.projects.actions import find_environment, find_project, find_service, place_of
from highroad.projects.model import Domain, Environment, Project, Service, VariableKind, VariableScope, resolve
from highroad.routing.hostnames import own_domain
from highroad.web.api import Answer, Body, Instant, Listing, api_router, does, listing, paging
from highroad.web.auth import signed_in
from highroad.web.streams import wants_stream

PLACE = "/projects/{project}/services/{service}/environments/{environment}"


class CommandRequest(Body):
    command: str = Field(max_length=8192, description="A shell command line.")


class NewDomain(Body):
    host: str = Field(max_length=300)


class DomainAnswer(Answer):
    host: str
    created_at: Instant


class VariableAnswer(Answer):
    name: str
    value: str | None = Field(validation_alias="shown", description="Null for a secret, whoever asks.")
    scope: VariableScope
    overrides: str | None = None
    kind: VariableKind


class VariableChange(Body):
    set: dict[str, str] = Field(default_factory=dict, max_length=500)
    unset: list[str] = Field(default_factory=list, max_length=500)
    deploy: bool = Field(default=True, description="Restart what runs with the changed configuration.")


class VariablesAnswer(Answer):
    items: list[VariableAnswer]


class ChangedVariables(VariablesAnswer):
    deployments: list[DeploymentAnswer]


def router(desk: Desk) -> APIRouter:
    api = api_router("running")
    _add_logs(api, desk)
    _add_commands(api, desk)
    _add_domains(api, desk)
    _add_variables(api, desk)
    return api


def _add_logs(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))

    @api.get(
        PLACE + "/logs",
        response_model=None,
        responses={200: {"content": {"text/event-stream": {}}}},
        openapi_extra=does("log:read"),
    )
    def app_logs(
        request: Request,
        actor: Annotated[Actor, actor_of],
        project: str,
        service: str,
        environment: str,
        tail: Annotated[int, Query(ge=0, le=10_000)] = 100,
        process: Annotated[str | None, Query(description="`web`, or one instance: `web.1`.")] = None,
        cursor: str | None = None,
    ) -> Response:
        """What the instances write; `text/event-stream` follows it."""
        with desk.context.db.read() as tx:
            found, where = _place(tx, actor, project, service, environment)
        require(actor, "log:read", where.place.of_service(found.name))
        if wants_stream(request):
            return app_log_stream(desk, request, found, where, tail=tail, process=process)
        page = desk.driver.read_logs(stream_of(found.id, where.id), cursor=cursor, tail=None if cursor else tail)
        items = [log_line(each) for each in page.lines if matches(each, process)]
        return JSONResponse({"items": items, "cursor": page.cursor, "dropped": page.dropped})


def _add_commands(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))

    @api.get(PLACE + "/commands", openapi_extra=does("project:read"))
    def list_commands(
        actor: Annotated[Actor, actor_of],
        project: str,
        service: str,
        environment: str,
        page: Annotated[PageRequest, Depends(paging)],
    ) -> Listing[CommandAnswer]:
        """One-off commands and runs of scheduled processes, newest first."""
        with desk.context.db.read() as tx:
            found, where = _place(tx, actor, project, service, environment)
            rows = command_store.list_commands(tx, found.id, where.id, page)
        return Listing(**listing(rows, command_answer))

    @api.post(PLACE + "/commands", status_code=202, openapi_extra=does("command:write"))
    def run_command(
        actor: Annotated[Actor, actor_of], project: str, service: str, environment: str, body: CommandRequest
    ) -> CommandAnswer:
        """Run a command once, with the release, configuration and limits that serve there."""
        with desk.context.db.read() as tx:
            found, where = _place(tx, actor, project, service, environment)
        return command_answer(desk.commands.run(actor, found, where, body.command))

    @api.get("/commands/{id}", openapi_extra=does("project:read"))
    def get_command(actor: Annotated[Actor, actor_of], id: str) -> CommandAnswer:
        """A one-off command, and how it ended."""
        with desk.context.db.read() as tx:
            return command_answer(_command(tx, actor, "project:read", id))

    @api.get(
        "/commands/{id}/log",
        response_model=None,
        responses={200: {"content": {"text/event-stream": {}}}},
        openapi_extra=does("project:read", "log:read"),
    )
    def command_log(
        request: Request, actor: Annotated[Actor, actor_of], id: str, cursor: Annotated[int, Query(ge=0, lt=2**53)] = 0
    ) -> Response:
        """The command's output; `text/event-stream` follows it to its end."""
        with desk.context.db.read() as tx:
            _command(tx, actor, "log:read", id)
        if wants_stream(request):
            return command_stream(desk, request, id)
        lines, offset = desk.follower.journal.read(id, cursor)
        items = [{"at": each.at, "task": each.task, "text": each.text} for each in lines]
        return JSONResponse({"items": items, "cursor": str(offset)})

    @api.post("/commands/{id}/cancel", status_code=202, openapi_extra=does("command:write"))
    def cancel_command(actor: Annotated[Actor, actor_of], id: str) -> CommandAnswer:
        """Kill a command that runs."""
        with desk.context.db.read() as tx:
            found = _command(tx, actor, "command:write", id)
        desk.commands.cancel(found)
        return command_answer(found)


def _command(tx: Transaction, actor: Actor, action: str, id: str) -> command_store.Command:
    """One that the actor may see, for `action` on it; any other is as good as not there."""
    require_scope(actor, action)
    found = command_store.command_by_id(tx, id)
    where = projects.environment_by_id(tx, found.environment_id) if found else None
    service = projects.service_by_id(tx, found.service_id) if found else None
    if found is None or where is None or service is None or not allowed(actor, "project:read", where.place):
        raise NoSuchCommand("There is no such command.", next_step="highroad run -- COMMAND")
    require(actor, action, where.place.of_service(service.name))
    return found


def _add_domains(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))
    context = desk.context

    @api.get(PLACE + "/domains", openapi_extra=does("project:read"))
    def list_domains(
        actor: Annotated[Actor, actor_of], project: str, service: str, environment: str
    ) -> Listing[DomainAnswer]:
        """The own host names that lead to a service in an environment."""
        with context.db.read() as tx:
            found, where = _place(tx, actor, project, service, environment)
            return Listing(items=[_domain(each) for each in projects.list_domains(tx, found.id, where.id)])

    @api.post(PLACE + "/domains", status_code=201, openapi_extra=does("service:write"))
    def add_domain(
        actor: Annotated[Actor, actor_of], project: str, service: str, environment: str, body: NewDomain
    ) -> DomainAnswer:
        """Lead an own host name to the service; point its DNS record at this machine."""
        host = own_domain(body.host, platform=context.settings.domain)
        with context.db.begin() as tx:
            found, where = _place(tx, actor, project, service, environment)
            added = project_actions.add_domain(tx, context.log, actor, found, where, host)
        desk.refresh_routes()
        return _domain(added)

    @api.delete(PLACE + "/domains/{host}", status_code=204, openapi_extra=does("service:write"))
    def remove_domain(
        actor: Annotated[Actor, actor_of], project: str, service: str, environment: str, host: str
    ) -> None:
        """Lead an own host name nowhere any more."""
        with context.db.begin() as tx:
            found, where = _place(tx, actor, project, service, environment)
            project_actions.remove_domain(tx, context.log, actor, found, where, host.lower())
        desk.refresh_routes()


def _domain(domain: Domain) -> DomainAnswer:
    return DomainAnswer(host=domain.host, created_at=domain.created_at)


def _add_variables(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))
    project_path = "/projects/{project}/variables"
    environment_path = "/projects/{project}/environments/{environment}/variables"
    service_path = "/projects/{project}/services/{service}/variables"
    change = _variable_changer(desk)
    in_force = _variable_reader(desk)

    @api.get(project_path, openapi_extra=does("variable:read"))
    def project_variables(actor: Annotated[Actor, actor_of], project: str) -> VariablesAnswer:
        """The values at the project's own scope."""
        return in_force(actor, project, None, None)

    @api.patch(project_path, openapi_extra=does("variable:write"))
    def change_project_variables(
        actor: Annotated[Actor, actor_of], project: str, body: VariableChange
    ) -> ChangedVariables:
        """Set and unset at the project's scope, all or nothing; running services follow unless `deploy` is false."""
        return change(actor, project, None, None, body)

    @api.get(environment_path, openapi_extra=does("variable:read"))
    def environment_variables(actor: Annotated[Actor, actor_of], project: str, environment: str) -> VariablesAnswer:
        """The values in force for whatever runs in an environment, before those of a service."""
        return in_force(actor, project, environment, None)

    @api.patch(environment_path, openapi_extra=does("variable:write"))
    def change_environment_variables(
        actor: Annotated[Actor, actor_of], project: str, environment: str, body: VariableChange
    ) -> ChangedVariables:
        """Set and unset at the environment's scope; what runs there follows unless `deploy` is false."""
        return change(actor, project, environment, None, body)

    @api.get(service_path, openapi_extra=does("variable:read"))
    def service_variables(
        actor: Annotated[Actor, actor_of], project: str, service: str, environment: str | None = None
    ) -> VariablesAnswer:
        """The values in force for a service, in one environment or in all."""
        return in_force(actor, project, environment, service)

    @api.patch(service_path, openapi_extra=does("variable:write"))
    def change_service_variables(
        actor: Annotated[Actor, actor_of],
        project: str,
        service: str,
        body: VariableChange,
        environment: str | None = None,
    ) -> ChangedVariables:
        """At the service's scope, or with `environment` only there."""
        return change(actor, project, environment, service, body)


Scope = tuple[Project, Environment | None, Service | None]


def _scope(tx: Transaction, actor: Actor, project: str, environment: str | None, service: str | None) -> Scope:
    return (
        find_project(tx, actor, project),
        find_environment(tx, actor, project, environment) if environment else None,
        find_service(tx, actor, project, service) if service else None,
    )


def _variable_reader(desk: Desk) -> Callable[[Actor, str, str | None, str | None], VariablesAnswer]:
    def in_force(actor: Actor, project: str, environment: str | None, service: str | None) -> VariablesAnswer:
        with desk.context.db.read() as tx:
            scope = _scope(tx, actor, project, environment, service)
            require(actor, "variable:read", place_of(*scope))
            return VariablesAnswer(items=_in_force(tx, scope))

    return in_force


def _in_force(tx: Transaction, scope: Scope) -> list[VariableAnswer]:
    project, environment, service = scope
    reaching = variable_store.variables_in_force(
        tx, project.id, environment.id if environment else "", service.id if service else ""
    )
    return [VariableAnswer.model_validate(each) for each in resolve(reaching)]


def _variable_changer(
    desk: Desk,
) -> Callable[[Actor, str, str | None, str | None, VariableChange], ChangedVariables]:
    def change(
        actor: Actor, project: str, environment: str | None, service: str | None, body: VariableChange
    ) -> ChangedVariables:
        with desk.context.db.begin() as tx:
            scope = _scope(tx, actor, project, environment, service)
            project_actions.change_variables(
                tx,
                desk.context.log,
                actor,
                scope[0],
                environment=scope[1],
                service=scope[2],
                values=body.set,
                unset=body.unset,
            )
            deployments = reconfigure(tx, desk, actor, scope) if body.deploy else []
            return ChangedVariables(items=_in_force(tx, scope), deployments=deployments)

    return change


def reconfigure(tx: Transaction, desk: Desk, actor: Actor, scope: Scope) -> list[DeploymentAnswer]:
    """A deployment for every running service that the changed scope reaches."""
    project, environment, service = scope
    deployments = []
    for each in [service] if service else projects.list_services(tx, project.id):
        for placement in store.list_placements(tx, service_id=each.id):
            if placement.release_id is None or placement.stopped:
                continue
            if environment is not None and placement.environment_id != environment.id:
                continue
            where = environment or projects.environment_by_id(tx, placement.environment_id)
            assert where is not None, "placements reference environments"
            queued = actions.ask(
                tx,
                desk.context.log,
                actor,
                each,
                where,
                kind="configure",
                release=None,
                counts={},
                start=desk.start,
                keeper=desk.keeper,
            )
            deployments.append(deployment_answer(tx, each, where, queued, desk.context.settings))
    return deployments


def _place(tx: Transaction, actor: Actor, project: str, service: str, environment: str) -> tuple[Service, Environment]:
    return find_service(tx, actor, project, service), find_environment(tx, actor, project, environment)
