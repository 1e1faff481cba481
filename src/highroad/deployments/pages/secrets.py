"""The secrets of a project at one scope: listed without values, set, revealed, with their history, and imported after a
preview. What is previewed is not kept: the text comes again with the confirmation."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Response

from highroad.access.permissions import require
from highroad.db.engine import Transaction
from highroad.deployments.desk import Desk
from highroad.deployments.secrets_api import (
    SecretChange,
    entry_of,
    find_scope,
    imported,
    in_force,
    rolled_out,
    secret_answer,
)
from highroad.errors import HighroadError, Invalid
from highroad.kit import dotenv
from highroad.projects import secrets, store, variable_store, vaults
from highroad.projects.actions import visible_environments
from highroad.projects.model import Environment, Project, Service, Variable, Version
from highroad.projects.secrets import Effected, Entry, Scope
from highroad.web.api import does
from highroad.web.forms import Form, Refusal
from highroad.web.pages import Visit, page_router, visit

PATH = "/projects/{project}/secrets"


class NoSuchAction(Invalid):
    code = "no-such-form"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows beyond the list: a value that was just revealed, a history, a preview of an import."""

    revealed: tuple[str, str] = ("", "")
    history: Variable | None = None
    versions: tuple[Version, ...] = ()
    preview: tuple[Effected, ...] = ()
    text: str = ""


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    visitor, context = Depends(visit(desk.context)), desk.context

    @pages.get(PATH, openapi_extra=does("variable:read"))
    def show(
        visit: Annotated[Visit, visitor], project: str, environment: str = "", service: str = "", history: str = ""
    ) -> Response:
        """At the scope of the query; `history` is the id of a variable whose versions are shown."""
        shown = Shown()
        if history:
            with context.db.read() as tx:
                _, found = secrets.find_variable(tx, visit.actor, history, "variable:read")
                shown = Shown(history=found, versions=tuple(variable_store.list_versions(tx, found)))
        return _page(visit, desk, project, environment, service, shown)

    @pages.post(PATH, openapi_extra=does("secret:write", "secret:read", "variable:write"))
    def change(visit: Annotated[Visit, visitor], project: str) -> Response:
        """`action` says which of the forms it is; `environment` and `service` are the scope of the page."""
        form = visit.form
        environment, service, action = form.text("environment"), form.text("service"), form.text("action")
        try:
            shown = _act(visit, desk, project, action)
        except HighroadError as error:
            refused = visit.refusal(action if action in ("set", "import") else "list", error)
            return _page(visit, desk, project, environment, service, Shown(), refused)
        if shown is not None:
            return _page(visit, desk, project, environment, service, shown)
        return visit.go(f"/projects/{project}/secrets{_query(environment, service)}")

    return pages


def _query(environment: str, service: str) -> str:
    chosen = {name: value for name, value in (("environment", environment), ("service", service)) if value}
    return f"?{urlencode(chosen)}" if chosen else ""


def _act(visit: Visit, desk: Desk, project: str, action: str) -> Shown | None:
    """Do what a form asks; what to show instead of the plain page."""
    form, actor, log = visit.form, visit.actor, desk.context.log
    deploy = bool(form.text("deploy"))
    with desk.context.db.begin() as tx:
        if action in ("set", "preview", "import"):
            scope = find_scope(tx, actor, project, form.text("environment") or None, form.text("service") or None)
            if action != "set":
                return _import(tx, visit, desk, scope, dry_run=action == "preview")
            name = form.text("name")
            secrets.change(tx, log, actor, scope, {name: _entry(tx, form, scope)})
            rolled_out(tx, desk, actor, scope, deploy=deploy)
            return None
        if action == "reveal":
            scope, found = secrets.find_variable(tx, actor, form.text("id"), "secret:read")
            return Shown(revealed=(found.id, secrets.reveal(tx, log, actor, scope, found)))
        scope, found = secrets.find_variable(tx, actor, form.text("id"), "variable:read")
        if action == "unset":
            secrets.change(tx, log, actor, scope, {}, [found.name])
        elif action == "restore":
            secrets.restore(tx, log, actor, scope, found, form.number("version") or 0)
        else:
            raise NoSuchAction("This form is not known.", next_step="Use the buttons of the page.")
        rolled_out(tx, desk, actor, scope, deploy=deploy)
    return None


def _entry(tx: Transaction, form: Form, scope: Scope) -> Entry:
    file = form.text("file") or None
    if form.text("alias"):
        return Entry(form.text("alias"), "alias", file)
    if form.text("source"):
        place = {"source": form.text("source"), "path": form.text("path"), "key": form.text("key") or "value"}
        return entry_of(tx, scope, SecretChange.model_validate({"external": place, "file": file}))
    return Entry(form.raw("value"), "secret", file)


def _import(tx: Transaction, visit: Visit, desk: Desk, scope: Scope, *, dry_run: bool) -> Shown | None:
    text, secret = visit.form.raw("text"), not visit.form.text("plain")
    require(visit.actor, "secret:write" if secret else "variable:write", scope.place)
    values = dotenv.parse(text, file="line")
    effects = imported(tx, desk, visit.actor, scope, values, secret=secret, dry_run=dry_run)
    if dry_run:
        return Shown(preview=tuple(effects), text=text)
    rolled_out(tx, desk, visit.actor, scope, deploy=bool(visit.form.text("deploy")))
    return None


def _page(
    visit: Visit,
    desk: Desk,
    project: str,
    environment: str,
    service: str,
    shown: Shown,
    refused: Refusal | None = None,
) -> Response:
    with desk.context.db.read() as tx:
        scope = find_scope(tx, visit.actor, project, environment or None, service or None)
        require(visit.actor, "variable:read", scope.place)
        listed = [secret_answer(each) for each in in_force(tx, scope) if each.kind != "plain" or each.file]
        environments = visible_environments(tx, visit.actor, scope.project.id)
        services = store.list_services(tx, scope.project.id)
        sources = [each.name for each in vaults.list_stores(tx) if each.serves(scope.project.id)]
    return visit.page(
        "secrets.html",
        refused=refused,
        project=scope.project,
        scope=scope,
        place=scope.place,
        secrets=listed,
        tabs=_tabs(scope.project, environments, services),
        environment=environment,
        service=service,
        sources=sources,
        shown=shown,
        exact=_exact(scope),
        address=f"/projects/{scope.project.name}/secrets{_query(environment, service)}",
    )


def _exact(scope: Scope) -> str:
    """The name of the scope that this page sets at."""
    if scope.service is not None:
        return "service-environment" if scope.environment else "service"
    return "environment" if scope.environment else "project"


def _tabs(
    project: Project, environments: list[Environment], services: list[Service]
) -> list[tuple[str, str, str, str]]:
    """(words, environment, service, address) of every scope."""
    places = [("the project", "", ""), *((f"{each.name}", each.name, "") for each in environments)]
    for each in services:
        places.append((f"{each.name} everywhere", "", each.name))
        places += [(f"{each.name} in {where.name}", where.name, each.name) for where in environments]
    base = f"/projects/{project.name}/secrets"
    return [(words, where, what, base + _query(where, what)) for words, where, what in places]
