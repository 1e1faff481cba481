"""The pages about people: who is here and who is invited, and one person with all that they may do."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access import actions, invitation_actions, invitations, store, teams, user_actions
from highroad.access.permissions import allowed, require
from highroad.access.policy.roles import ORGANIZATION_MEANING
from highroad.access.sessions import revoke_all_of
from highroad.errors import HighroadError
from highroad.people.persons import ProjectNames, memberships_of, person
from highroad.people.users_api import invitation_url
from highroad.web.access import link_url
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit

_WANTED = {"yes": True, "no": False}


def router(context: Context, names: ProjectNames) -> APIRouter:
    pages = page_router()
    _add_people(pages, context)
    _add_invitations(pages, context)
    _add_person(pages, context, names)
    _add_changes(pages, context, names)
    return pages


def _people(visit: Visit, refused: Refusal | None = None, link: str = "", link_for: str = "") -> Response:
    require(visit.actor, "user:read")
    with visit.context.db.read() as tx:
        users = store.list_users(tx)
        invited = invitations.everyone(tx)
        known = teams.list_teams(tx)
    return visit.page(
        "users.html",
        refused=refused,
        users=users,
        invited=invited,
        teams=known,
        roles=ORGANIZATION_MEANING,
        link=link,
        link_for=link_for,
        done=visit.request.query_params.get("done", ""),
    )


def _add_people(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/users", openapi_extra=does("user:read"))
    def show_people(visit: Annotated[Visit, visitor]) -> Response:
        return _people(visit)

    @pages.post("/users", openapi_extra=does("user:write"))
    def invite(visit: Annotated[Visit, visitor]) -> Response:
        """The link stands in this answer and in no other: hence no redirect."""
        form = visit.form
        try:
            with context.db.begin() as tx:
                made, secret = invitation_actions.invite(
                    tx,
                    context.log,
                    visit.actor,
                    email=form.text("email")[:254],
                    name=form.text("name"),
                    role=form.text("role") or "member",
                    into=[each for each in form.all("team") if each],
                )
        except HighroadError as error:
            if not allowed(visit.actor, "user:write"):
                raise  # there is no form that would say so
            return _people(visit, visit.refusal("invite", error))
        return _people(visit, link=invitation_url(context.settings, secret), link_for=made.email)


def _add_invitations(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.post("/invitations/{id}/resend", openapi_extra=does("user:write"))
    def resend(visit: Annotated[Visit, visitor], id: str) -> Response:
        try:
            with context.db.begin() as tx:
                made, secret = invitation_actions.resend(tx, context.log, visit.actor, id)
        except HighroadError as error:
            if not allowed(visit.actor, "user:write"):
                raise
            return _people(visit, visit.refusal("invitations", error))
        return _people(visit, link=invitation_url(context.settings, secret), link_for=made.email)

    @pages.post("/invitations/{id}/withdraw", openapi_extra=does("user:write"))
    def withdraw(visit: Annotated[Visit, visitor], id: str) -> Response:
        try:
            with context.db.begin() as tx:
                invitation_actions.withdraw(tx, context.log, visit.actor, id)
        except HighroadError as error:
            if not allowed(visit.actor, "user:write"):
                raise
            return _people(visit, visit.refusal("invitations", error))
        return visit.go("/users?done=withdrawn")


def _person(visit: Visit, names: ProjectNames, id: str, refused: Refusal | None = None, link: str = "") -> Response:
    require(visit.actor, "user:read")
    with visit.context.db.read() as tx:
        user = user_actions.find(tx, id)
        found = person(tx, user, names) if allowed(visit.actor, "access:read") else None
        memberships = memberships_of(tx, user.id)
        known = teams.list_teams(tx)
    inside = {each.team for each in memberships if each.sources}
    return visit.page(
        "user.html",
        refused=refused,
        user=user,
        memberships=memberships,
        found=found,
        joinable=[each for each in known if each.name not in inside],
        roles=ORGANIZATION_MEANING,
        link=link,
        done=visit.request.query_params.get("done", ""),
    )


def _add_person(pages: APIRouter, context: Context, names: ProjectNames) -> None:
    visitor = Depends(visit(context))

    @pages.get("/users/{id}", openapi_extra=does("user:read"))
    def show_person(visit: Annotated[Visit, visitor], id: str) -> Response:
        return _person(visit, names, id)

    @pages.post("/users/{id}/sign-in-link", openapi_extra=does("user:write"))
    def make_link(visit: Annotated[Visit, visitor], id: str) -> Response:
        """The link stands in this answer and in no other: hence no redirect."""
        try:
            with context.db.begin() as tx:
                secret = actions.make_link(tx, context.log, visit.actor, id)
        except HighroadError as error:
            if not allowed(visit.actor, "user:write"):
                raise
            return _person(visit, names, id, visit.refusal("user", error))
        return _person(visit, names, id, link=link_url(context.settings, secret))


def _add_changes(pages: APIRouter, context: Context, names: ProjectNames) -> None:
    visitor = Depends(visit(context))

    @pages.post("/users/{id}", openapi_extra=does("user:write"))
    def change(visit: Annotated[Visit, visitor], id: str) -> Response:
        """Change the name, the address or the role of somebody, activate or deactivate them."""
        form = visit.form
        try:
            with context.db.begin() as tx:
                user_actions.change_user(
                    tx,
                    context.log,
                    visit.actor,
                    id,
                    name=form.text("name")[:120] or None,
                    email=form.text("email")[:254] or None,
                    role=form.text("role") or None,
                    active=_WANTED.get(form.text("active")),
                )
        except HighroadError as error:
            if not allowed(visit.actor, "user:write"):
                raise
            return _person(visit, names, id, visit.refusal("user", error))
        return visit.go(f"/users/{id}?done=changed")

    @pages.post("/users/{id}/sessions/end", openapi_extra=does("user:write"))
    def end_sessions(visit: Annotated[Visit, visitor], id: str) -> Response:
        with context.db.begin() as tx:
            revoke_all_of(tx, context.log, visit.actor, id)
        return visit.go(f"/users/{id}?done=sessions")
