"""The pages about service accounts: all of them, and one with its roles and tokens."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access import account_actions as actions
from highroad.access import store, teams
from highroad.access.model import SCOPES
from highroad.access.permissions import allowed, require
from highroad.errors import HighroadError
from highroad.people.forms import days_of
from highroad.people.persons import ProjectNames, roles_of, usable
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit

_WANTED = {"yes": True, "no": False}


def router(context: Context, names: ProjectNames) -> APIRouter:
    pages = page_router()
    _add_accounts(pages, context)
    _add_account(pages, context, names)
    return pages


def _accounts(visit: Visit, refused: Refusal | None = None) -> Response:
    with visit.context.db.read() as tx:
        found = actions.visible(tx, visit.actor, "service")
        known = teams.list_teams(tx)
    return visit.page("service-accounts.html", refused=refused, accounts=found, teams=known, roles=actions.ROLES)


def _add_accounts(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/service-accounts", openapi_extra=does("access:read"))
    def show_accounts(visit: Annotated[Visit, visitor]) -> Response:
        return _accounts(visit)

    @pages.post("/service-accounts", openapi_extra=does("account:write"))
    def create(visit: Annotated[Visit, visitor]) -> Response:
        form = visit.form
        try:
            with context.db.begin() as tx:
                made = actions.create(
                    tx,
                    context.log,
                    visit.actor,
                    name=form.text("name"),
                    description=form.text("description"),
                    team=form.text("team") or None,
                    role=form.text("role") or "member",
                )
        except HighroadError as error:
            if not allowed(visit.actor, "account:write"):
                raise  # there is no form that would say so
            return _accounts(visit, visit.refusal("account", error))
        return visit.go(f"/service-accounts/{made.name}")


def _account(
    visit: Visit, names: ProjectNames, name: str, refused: Refusal | None = None, secret: str = ""
) -> Response:
    require(visit.actor, "access:read")
    with visit.context.db.read() as tx:
        account = actions.find(tx, name, "service")
        tokens = [each for each in store.list_tokens(tx, account.id) if usable(each)]
        roles = roles_of(tx, account.id, names)
        inside = teams.teams_of(tx, account.id)
        known = teams.list_teams(tx)
    scopes = {each: meaning for each, meaning in SCOPES.items() if each != "admin" or account.role == "admin"}
    return visit.page(
        "service-account.html",
        refused=refused,
        account=account,
        tokens=tokens[::-1],
        held=roles,
        inside=inside,
        teams=known,
        roles=actions.ROLES,
        scopes=scopes,
        secret=secret,
        done=visit.request.query_params.get("done", ""),
    )


def _add_account(pages: APIRouter, context: Context, names: ProjectNames) -> None:
    visitor = Depends(visit(context))

    @pages.get("/service-accounts/{name}", openapi_extra=does("access:read"))
    def show_account(visit: Annotated[Visit, visitor], name: str) -> Response:
        return _account(visit, names, name)

    @pages.post("/service-accounts/{name}", openapi_extra=does("account:write"))
    def change(visit: Annotated[Visit, visitor], name: str) -> Response:
        require(visit.actor, "account:write")
        form = visit.form
        changes: dict[str, object] = {}
        if "description" in form.fields:
            changes = {"description": form.text("description"), "team": form.text("team") or None}
        if form.text("role"):
            changes["role"] = form.text("role")
        if form.text("active"):
            changes["active"] = _WANTED.get(form.text("active"))
        try:
            with context.db.begin() as tx:
                account = actions.find(tx, name, "service")
                actions.change(tx, context.log, visit.actor, account, changes=changes)
        except HighroadError as error:
            return _account(visit, names, name, visit.refusal("account", error))
        return visit.go(f"/service-accounts/{name}?done=changed")

    @pages.post("/service-accounts/{name}/tokens", openapi_extra=does("account:write"))
    def create_token(visit: Annotated[Visit, visitor], name: str) -> Response:
        """The secret stands in this answer and in no other: hence no redirect."""
        require(visit.actor, "account:write")
        form = visit.form
        try:
            days = days_of(form)
            with context.db.begin() as tx:
                _, secret = actions.create_token(
                    tx,
                    context.log,
                    visit.actor,
                    actions.find(tx, name, "service"),
                    name=form.text("name"),
                    scopes=form.all("scope"),
                    days=days,
                )
        except HighroadError as error:
            return _account(visit, names, name, visit.refusal("token", error))
        return _account(visit, names, name, secret=secret)
