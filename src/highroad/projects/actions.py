"""Verbs on projects, environments, services, configuration and host names. Deletion needs running things to end
first and stands in `deployments`, above."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePosixPath

from sqlalchemy.exc import IntegrityError

from highroad.access import grants, team_actions
from highroad.access.model import Actor
from highroad.access.permissions import allowed, filter_allowed, require, require_scope
from highroad.access.places import Place
from highroad.db.engine import Transaction
from highroad.errors import Conflict, FieldError, Invalid, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.names import require_label
from highroad.kit.paging import LARGEST_SIZE, Page, PageRequest, page_of
from highroad.projects import secrets, store
from highroad.projects.model import MODES, Domain, Environment, Project, Service

_BRANCH = re.compile(r"[^\s~^:\\\x00-\x1f]{1,200}")


class NameTaken(Conflict):
    code = "name-taken"
    title = "This name is taken"


class NoSuchProject(NotFound):
    code = "no-such-project"


class NoSuchEnvironment(NotFound):
    code = "no-such-environment"


class NoSuchService(NotFound):
    code = "no-such-service"


class NoSuchDomain(NotFound):
    code = "no-such-domain"


class DomainTaken(Conflict):
    code = "domain-taken"


# Finding, with an answer that helps


def find_project(tx: Transaction, actor: Actor, name: str) -> Project:
    found = store.project(tx, name)
    if found is None or not allowed(actor, "project:read", found.place):
        require_scope(actor, "project:read")
        raise NoSuchProject(f"There is no project {name[:80]!r}.", next_step="highroad projects")
    return found


def find_environment(tx: Transaction, actor: Actor, project: str, name: str) -> Environment:
    parent = find_project(tx, actor, project)
    found = store.environment(tx, parent.id, name)
    if found is None or not allowed(actor, "project:read", found.place):
        names = ", ".join(each.name for each in visible_environments(tx, actor, parent.id)) or "none yet"
        raise NoSuchEnvironment(
            f"Project {project} has no environment {name[:80]!r} (it has: {names}).",
            next_step=f"highroad environments create {name[:63]} -p {project}",
        )
    return found


def visible_environments(tx: Transaction, actor: Actor, project_id: str) -> list[Environment]:
    """The environments of a project that the actor may see, by name."""
    return filter_allowed(
        actor, "project:read", store.list_environments(tx, project_id), lambda environment: environment.place
    )


def visible_projects(tx: Transaction, actor: Actor, request: PageRequest) -> Page[Project]:
    """A page of the projects that the actor may see, by name; rows that he may not are read over."""
    require_scope(actor, "project:read")
    seen: list[Project] = []
    after = request.after
    while True:
        page = store.list_projects(tx, PageRequest(LARGEST_SIZE, after))
        seen += filter_allowed(actor, "project:read", page.items, lambda project: project.place)
        if len(seen) > request.size or page.next_page_token is None:
            return page_of(seen[: request.size + 1], request, lambda each: each.name)
        after = page.items[-1].name


def find_service(tx: Transaction, actor: Actor, project: str, name: str) -> Service:
    parent = find_project(tx, actor, project)
    found = store.service(tx, parent.id, name)
    if found is None:
        names = ", ".join(each.name for each in store.list_services(tx, parent.id)) or "none yet"
        raise NoSuchService(
            f"Project {project} has no service {name[:80]!r} (it has: {names}).",
            next_step="In the service's repository: highroad init",
        )
    return found


# Creating and changing


@contextmanager
def _unique(tx: Transaction, what: str, name: str) -> Iterator[None]:
    try:
        with tx.connection.begin_nested():
            yield
    except IntegrityError as error:
        raise NameTaken(
            f"There is a {what} {name!r} already.",
            next_step=f"Choose another name, or use the {what} that is there.",
            errors=[FieldError("/name", "is taken")],
        ) from error


def create_project(tx: Transaction, log: EventLog, actor: Actor, *, name: str) -> Project:
    require(actor, "project:create")
    require_label(name, field="name")
    with _unique(tx, "project", name):
        project = store.add_project(tx, name)
    if not actor.admin and actor.kind in ("user", "service"):
        grants.set_grant(
            tx, holder_kind="user", holder_id=actor.id, project=project.id, mode=None, role="manager", by=actor.name
        )
    log.append(tx, Event(events.PROJECT_CREATED, project.id, {"name": name}, project=name), actor)
    return project


def change_project(tx: Transaction, log: EventLog, actor: Actor, project: Project, *, team: str | None) -> Project:
    """Give the project to a team (by name or id), or to none. To take it from a team is the organization's: policies
    may be bound to the team."""
    require(actor, "project:write", project.place)
    owner = team_actions.find(tx, team) if team else None
    if (owner.name if owner else None) == project.team:
        return project
    if project.team is not None:
        require(actor, "team:write")
    store.update_project(tx, project.id, team_id=owner.id if owner else None)
    changed = store.project_by_id(tx, project.id)
    assert changed is not None, "the caller found it in this transaction"
    diff: dict[str, tuple[object, object]] = {"team": (project.team, changed.team)}
    event = Event(events.PROJECT_MODIFIED, project.id, {"name": project.name}, project=project.name, diff=diff)
    log.append(tx, event, actor)
    return changed


def create_environment(
    tx: Transaction, log: EventLog, actor: Actor, project: Project, *, name: str, mode: str, branch: str | None
) -> Environment:
    _check_mode(mode)
    require(actor, "environment:write", replace(project.place, environment=name, mode=mode))
    require_label(name, field="name")
    _check_branch(branch)
    with _unique(tx, "environment", name):
        environment = store.add_environment(tx, project, name=name, mode=mode, branch=branch)
    content = {"name": name, "uri": f"/projects/{project.name}"}
    log.append(
        tx,
        Event(events.ENVIRONMENT_CREATED, environment.id, content, project=project.name, environment=name),
        actor,
    )
    return environment


def change_environment(
    tx: Transaction, log: EventLog, actor: Actor, environment: Environment, *, changes: Mapping[str, str | None]
) -> Environment:
    """Change `mode` and `branch` as far as they are in `changes`. What hangs on the mode stands above:
    `deployments.modes`, which whoever serves people calls."""
    require(actor, "environment:write", environment.place)
    if "mode" in changes:
        _check_mode(changes["mode"] or "")
        require(actor, "environment:write", replace(environment.place, mode=changes["mode"]))
    if "branch" in changes:
        _check_branch(changes["branch"])
    if not changes:
        return environment
    store.update_environment(tx, environment.id, **changes)
    changed = store.environment_by_id(tx, environment.id)
    assert changed is not None, "the caller found it in this transaction"
    event = Event(
        events.ENVIRONMENT_MODIFIED,
        environment.id,
        {"name": environment.name},
        project=environment.project,
        environment=environment.name,
        custom={"changed": sorted(changes)},
        diff={
            name: (getattr(environment, name), getattr(changed, name))
            for name in sorted(changes)
            if getattr(environment, name) != getattr(changed, name)
        },
    )
    log.append(tx, event, actor)
    return changed


def create_service(
    tx: Transaction, log: EventLog, actor: Actor, project: Project, *, name: str, path: str = ""
) -> Service:
    require(actor, "service:write", project.place)
    require_label(name, field="name")
    clean = check_path(path)
    with _unique(tx, "service", name):
        service = store.add_service(tx, project, name=name, path=clean)
    content = {"name": name, "owner": project.name, "uri": f"/git/{project.name}/{name}.git"}
    log.append(tx, Event(events.REPOSITORY_CREATED, service.id, content, project=project.name, service=name), actor)
    return service


def change_service(tx: Transaction, log: EventLog, actor: Actor, service: Service, *, path: str) -> Service:
    require(actor, "service:write", service.place)
    store.update_service(tx, service.id, path=check_path(path))
    changed = store.service_by_id(tx, service.id)
    assert changed is not None, "the caller found it in this transaction"
    event = Event(
        events.REPOSITORY_MODIFIED, service.id, {"name": service.name}, project=service.project, service=service.name
    )
    log.append(tx, event, actor)
    return changed


def check_path(path: str) -> str:
    """A directory inside a repository, normalised, empty for the root. Raises `Invalid` for one that leaves it."""
    path = path.strip()
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\0" in path or len(path) > 500:
        raise Invalid(
            f"The path {path[:80]!r} does not stay inside the repository.",
            next_step="Pass a relative directory such as services/api, or nothing for the root.",
            errors=[FieldError("/path", "must stay inside the repository")],
        )
    return "/".join(part for part in parts if part != ".")


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise Invalid(
            f"There is no mode {mode[:40]!r}.",
            next_step=f"Choose one of {', '.join(MODES)}.",
            errors=[FieldError("/mode", f"one of {', '.join(MODES)}")],
        )


def _check_branch(branch: str | None) -> None:
    if branch is not None and not _BRANCH.fullmatch(branch):
        raise Invalid(
            f"{branch[:80]!r} is not the name of a branch, nor a pattern of names.",
            next_step="Pass a branch such as main, a pattern such as release/*, or null for deployments by hand only.",
            errors=[FieldError("/branch", "is not a branch name or pattern")],
        )


# Configuration


def place_of(project: Project, environment: Environment | None, service: Service | None) -> Place:
    """Where a value at this scope takes effect: in one environment, or in all of the project's."""
    place = environment.place if environment else project.place
    return place.of_service(service.name) if service else place


def change_variables(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    project: Project,
    *,
    environment: Environment | None,
    service: Service | None,
    values: Mapping[str, str],
    unset: Iterable[str],
) -> None:
    """Set and unset plain variables at exactly one scope, all or nothing. Unsetting a name that is not set there is an
    error; one that is a secret there stays a secret."""
    entries = {name: secrets.Entry(value) for name, value in values.items()}
    secrets.change(tx, log, actor, secrets.Scope(project, environment, service), entries, unset)


# Host names


def add_domain(
    tx: Transaction, log: EventLog, actor: Actor, service: Service, environment: Environment, host: str
) -> Domain:
    """`host` was normalised and checked by `routing.hostnames`."""
    require(actor, "service:write", environment.place.of_service(service.name))
    try:
        with tx.connection.begin_nested():
            domain = store.add_domain(tx, host, service.id, environment.id)
    except IntegrityError as error:
        raise DomainTaken(
            f"{host} leads to a service already.", next_step="Remove it there first: highroad domains remove"
        ) from error
    log.append(tx, _domain_event(events.DOMAIN_ADDED, service, environment, host), actor)
    return domain


def remove_domain(
    tx: Transaction, log: EventLog, actor: Actor, service: Service, environment: Environment, host: str
) -> None:
    require(actor, "service:write", environment.place.of_service(service.name))
    if not store.remove_domain(tx, host, service.id, environment.id):
        raise NoSuchDomain(f"{host[:253]} does not lead to this service.", next_step="highroad domains list")
    log.append(tx, _domain_event(events.DOMAIN_REMOVED, service, environment, host), actor)


def _domain_event(type: events.EventType, service: Service, environment: Environment, host: str) -> Event:
    return Event(
        type,
        service.id,
        {"host": host},
        project=service.project,
        service=service.name,
        environment=environment.name,
    )
