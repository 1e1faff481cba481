"""Verbs on projects, environments, services, configuration and host names. Deletion needs running things to end
first and stands in `deployments`, above."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath

from sqlalchemy.exc import IntegrityError

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.db.engine import Transaction
from highroad.errors import Conflict, FieldError, Invalid, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.names import require_label
from highroad.projects import store
from highroad.projects.model import MODES, Domain, Environment, Project, Service, check_variables

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


class NoSuchVariable(NotFound):
    code = "no-such-variable"


class NoSuchDomain(NotFound):
    code = "no-such-domain"


class DomainTaken(Conflict):
    code = "domain-taken"


# Finding, with an answer that helps


def find_project(tx: Transaction, actor: Actor, name: str) -> Project:
    require(actor, "project:read")
    found = store.project(tx, name)
    if found is None:
        raise NoSuchProject(f"There is no project {name[:80]!r}.", next_step="highroad projects")
    return found


def find_environment(tx: Transaction, actor: Actor, project: str, name: str) -> Environment:
    parent = find_project(tx, actor, project)
    found = store.environment(tx, parent.id, name)
    if found is None:
        names = ", ".join(each.name for each in store.list_environments(tx, parent.id)) or "none yet"
        raise NoSuchEnvironment(
            f"Project {project} has no environment {name[:80]!r} (it has: {names}).",
            next_step=f"highroad environments create {name[:63]} -p {project}",
        )
    return found


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
    require(actor, "project:write")
    require_label(name, field="name")
    with _unique(tx, "project", name):
        project = store.add_project(tx, name)
    log.append(tx, Event(events.PROJECT_CREATED, project.id, {"name": name}, project=name), actor)
    return project


def create_environment(
    tx: Transaction, log: EventLog, actor: Actor, project: Project, *, name: str, mode: str, branch: str | None
) -> Environment:
    require(actor, "environment:write")
    require_label(name, field="name")
    _check_mode(mode)
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
    """Change `mode` and `branch` as far as they are in `changes`."""
    require(actor, "environment:write")
    if "mode" in changes:
        _check_mode(changes["mode"] or "")
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
    )
    log.append(tx, event, actor)
    return changed


def create_service(
    tx: Transaction, log: EventLog, actor: Actor, project: Project, *, name: str, path: str = ""
) -> Service:
    require(actor, "service:write")
    require_label(name, field="name")
    clean = check_path(path)
    with _unique(tx, "service", name):
        service = store.add_service(tx, project, name=name, path=clean)
    content = {"name": name, "owner": project.name, "uri": f"/git/{project.name}/{name}.git"}
    log.append(tx, Event(events.REPOSITORY_CREATED, service.id, content, project=project.name, service=name), actor)
    return service


def change_service(tx: Transaction, log: EventLog, actor: Actor, service: Service, *, path: str) -> Service:
    require(actor, "service:write")
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
    """Set and unset at exactly one scope, all or nothing. Unsetting a name that is not set there is an error."""
    require(actor, "variable:write")
    check_variables(values)
    where = (project.id, environment.id if environment else "", service.id if service else "")
    removed = list(unset)
    for name in removed:
        if not store.unset_variable(tx, *where, name):
            raise NoSuchVariable(
                f"{name[:128]} is not set at this scope. Nothing was changed.", next_step="highroad config list"
            )
    for name, value in values.items():
        store.set_variable(tx, *where, name, value)
    event = Event(
        events.VARIABLES_CHANGED,
        service.id if service else environment.id if environment else project.id,
        {"set": sorted(values), "unset": sorted(removed)},
        project=project.name,
        service=service.name if service else None,
        environment=environment.name if environment else None,
    )
    log.append(tx, event, actor)


# Host names


def add_domain(
    tx: Transaction, log: EventLog, actor: Actor, service: Service, environment: Environment, host: str
) -> Domain:
    """`host` was normalised and checked by `routing.hostnames`."""
    require(actor, "service:write")
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
    require(actor, "service:write")
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
