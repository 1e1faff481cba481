"""Projects, environments and services over HTTP. Their deletion and changes of environments stand in
`deployments.api`, variables in `deployments.configuration`: they concern what runs."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from highroad.access.model import Actor
from highroad.kit.paging import PageRequest
from highroad.projects import actions, store
from highroad.projects.model import Environment, Project, Service
from highroad.web.api import Answer, Body, Instant, Listing, api_router, does, listing, paging
from highroad.web.auth import signed_in
from highroad.web.context import Context


class NewProject(Body):
    name: str = Field(max_length=200, description="A DNS label.")


class ProjectChange(Body):
    team: str | None = Field(default=None, max_length=80, description="The team that owns it; null: none does.")


class NewEnvironment(Body):
    name: str = Field(max_length=200, description="A DNS label.")
    mode: str = "development"
    branch: str | None = Field(
        default=None, max_length=200, description="Commits on a branch that matches this glob are deployed here."
    )


class EnvironmentChange(Body):
    mode: str | None = None
    branch: str | None = Field(default=None, max_length=200)


class NewService(Body):
    name: str = Field(max_length=200, description="A DNS label.")
    path: str = Field(default="", max_length=500, description="The directory of the repository that it is built from.")


class ServiceChange(Body):
    path: str = Field(max_length=500)


class EnvironmentAnswer(Answer):
    id: str
    project: str
    name: str
    mode: str
    branch: str | None
    created_at: Instant


class ServiceSummary(Answer):
    id: str
    project: str
    name: str
    path: str
    git_url: str
    created_at: Instant


class ProjectSummary(Answer):
    id: str
    name: str
    team: str | None = Field(description="The team that owns it.")
    created_at: Instant


class ProjectAnswer(ProjectSummary):
    environments: list[EnvironmentAnswer]
    services: list[ServiceSummary]


def git_url(context: Context, service: Service) -> str:
    return f"{context.settings.url}/git/{service.project}/{service.name}.git"


def service_answer(context: Context, service: Service) -> ServiceSummary:
    return ServiceSummary(
        id=service.id,
        project=service.project,
        name=service.name,
        path=service.path,
        git_url=git_url(context, service),
        created_at=service.created_at,
    )


def environment_answer(environment: Environment) -> EnvironmentAnswer:
    return EnvironmentAnswer.model_validate(environment)


def router(context: Context) -> APIRouter:
    api = api_router("projects")
    _add_projects(api, context)
    _add_environments(api, context)
    _add_services(api, context)
    return api


def _add_projects(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/projects", openapi_extra=does("project:read"))
    def list_projects(
        actor: Annotated[Actor, actor_of], page: Annotated[PageRequest, Depends(paging)]
    ) -> Listing[ProjectSummary]:
        """The projects that one may see, by name."""
        with context.db.read() as tx:
            return Listing(**listing(actions.visible_projects(tx, actor, page), ProjectSummary.model_validate))

    @api.post("/projects", status_code=201, openapi_extra=does("project:create"))
    def create_project(actor: Annotated[Actor, actor_of], body: NewProject) -> ProjectAnswer:
        """A project for services that belong together; its name becomes part of their host names."""
        with context.db.begin() as tx:
            project = actions.create_project(tx, context.log, actor, name=body.name)
        return _project(project, [], [])

    @api.get("/projects/{project}", openapi_extra=does("project:read"))
    def get_project(actor: Annotated[Actor, actor_of], project: str) -> ProjectAnswer:
        """A project with its environments and services."""
        with context.db.read() as tx:
            found = actions.find_project(tx, actor, project)
            environments = actions.visible_environments(tx, actor, found.id)
            services = [service_answer(context, each) for each in store.list_services(tx, found.id)]
        return _project(found, environments, services)

    @api.patch("/projects/{project}", openapi_extra=does("project:write"))
    def change_project(actor: Annotated[Actor, actor_of], project: str, body: ProjectChange) -> ProjectAnswer:
        """Give the project to a team, or to none."""
        with context.db.begin() as tx:
            found = actions.find_project(tx, actor, project)
            team = body.team if "team" in body.model_fields_set else found.team
            found = actions.change_project(tx, context.log, actor, found, team=team)
            environments = actions.visible_environments(tx, actor, found.id)
            services = [service_answer(context, each) for each in store.list_services(tx, found.id)]
        return _project(found, environments, services)


def _project(project: Project, environments: list[Environment], services: list[ServiceSummary]) -> ProjectAnswer:
    return ProjectAnswer(
        id=project.id,
        name=project.name,
        team=project.team,
        created_at=project.created_at,
        environments=[environment_answer(each) for each in environments],
        services=services,
    )


def _add_environments(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))
    base = "/projects/{project}/environments"

    @api.get(base, openapi_extra=does("project:read"))
    def list_environments(actor: Annotated[Actor, actor_of], project: str) -> Listing[EnvironmentAnswer]:
        """The environments of a project, by name."""
        with context.db.read() as tx:
            found = actions.find_project(tx, actor, project)
            visible = actions.visible_environments(tx, actor, found.id)
        return Listing(items=[environment_answer(each) for each in visible])

    @api.post(base, status_code=201, openapi_extra=does("environment:write"))
    def create_environment(actor: Annotated[Actor, actor_of], project: str, body: NewEnvironment) -> EnvironmentAnswer:
        """Somewhere for the project's services to run, with the rule of which branches are deployed there."""
        with context.db.begin() as tx:
            parent = actions.find_project(tx, actor, project)
            created = actions.create_environment(
                tx, context.log, actor, parent, name=body.name, mode=body.mode, branch=body.branch
            )
        return environment_answer(created)

    @api.get(base + "/{environment}", openapi_extra=does("project:read"))
    def get_environment(actor: Annotated[Actor, actor_of], project: str, environment: str) -> EnvironmentAnswer:
        """An environment with its mode and its deploy rule."""
        with context.db.read() as tx:
            return environment_answer(actions.find_environment(tx, actor, project, environment))


def _add_services(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))
    base = "/projects/{project}/services"

    @api.post(base, status_code=201, openapi_extra=does("service:write"))
    def create_service(actor: Annotated[Actor, actor_of], project: str, body: NewService) -> ServiceSummary:
        """A service and its empty repository; push to `git_url` to deploy."""
        with context.db.begin() as tx:
            parent = actions.find_project(tx, actor, project)
            created = actions.create_service(tx, context.log, actor, parent, name=body.name, path=body.path)
        return service_answer(context, created)

    @api.patch(base + "/{service}", openapi_extra=does("service:write"))
    def change_service(
        actor: Annotated[Actor, actor_of], project: str, service: str, body: ServiceChange
    ) -> ServiceSummary:
        """Build the service from another directory of its repository, from the next push on."""
        with context.db.begin() as tx:
            found = actions.find_service(tx, actor, project, service)
            changed = actions.change_service(tx, context.log, actor, found, path=body.path)
        return service_answer(context, changed)
