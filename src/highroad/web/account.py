"""The pages about people: one's own password, tokens and sessions, and, for administrators, the users."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access import actions, store
from highroad.access.model import SCOPES
from highroad.access.permissions import allowed, require
from highroad.errors import HighroadError, Invalid
from highroad.kit.clock import now
from highroad.web.access import link_url
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit


class PasswordsDiffer(Invalid):
    code = "passwords-differ"
    title = "The new password was typed in two ways"


def router(context: Context) -> APIRouter:
    pages = page_router()
    _add_account(pages, context)
    _add_tokens(pages, context)
    _add_users(pages, context)
    _add_user_changes(pages, context)
    return pages


def _account(visit: Visit, refused: Refusal | None = None, secret: str = "") -> Response:
    require(visit.actor, "self:read")
    with visit.context.db.read() as tx:
        user = store.user(tx, visit.actor.id)
        tokens = store.list_tokens(tx, visit.actor.id)
    assert user is not None, "sessions reference users"
    at = now()
    usable = [each for each in tokens if not each.revoked_at and (each.expires_at is None or each.expires_at > at)]
    return visit.page(
        "account.html",
        refused=refused,
        user=user,
        tokens=usable[::-1],
        scopes={name: meaning for name, meaning in SCOPES.items() if name != "admin" or user.admin},
        secret=secret,
        welcome="welcome" in visit.request.query_params and not user.has_password,
        done=visit.request.query_params.get("done", ""),
    )


def _add_account(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/account")
    def show_account(visit: Annotated[Visit, visitor]) -> Response:
        return _account(visit)

    @pages.post("/account/password")
    def set_password(visit: Annotated[Visit, visitor]) -> Response:
        form = visit.form
        try:
            if form.raw("new") != form.raw("again"):
                raise PasswordsDiffer("Nothing was changed.", next_step="Type the same new password twice.")
            current = form.raw("current")[:1000] or None
            actions.set_password(context.db, context.log, visit.actor, current=current, new=form.raw("new"))
        except HighroadError as error:
            return _account(visit, visit.refusal("password", error))
        return visit.go("/account?done=password")

    @pages.post("/account/sessions/end")
    def end_other_sessions(visit: Annotated[Visit, visitor]) -> Response:
        """End every session of this person but the one that asks."""
        require(visit.actor, "self:write")
        with context.db.begin() as tx:
            store.end_sessions_of(tx, visit.actor.id, keep=visit.actor.session)
        return visit.go("/account?done=sessions")


def _add_tokens(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.post("/account/tokens")
    def create_token(visit: Annotated[Visit, visitor]) -> Response:
        """The secret stands in this answer and in no other: hence no redirect."""
        form = visit.form
        try:
            days = form.number("days")
            if days is not None and not 1 <= days <= 3650:
                raise Invalid("A token lives 1 to 3650 days.", next_step="Leave it empty for one that never expires.")
            with context.db.begin() as tx:
                _, secret = actions.create_token(
                    tx, context.log, visit.actor, name=form.text("name"), scopes=form.all("scope"), days=days
                )
        except HighroadError as error:
            return _account(visit, visit.refusal("token", error))
        return _account(visit, secret=secret)

    @pages.post("/account/tokens/{id}/revoke")
    def revoke_token(visit: Annotated[Visit, visitor], id: str) -> Response:
        with context.db.begin() as tx:
            actions.revoke_token(tx, context.log, visit.actor, id)
        return visit.go("/account?done=token")


def _users(visit: Visit, refused: Refusal | None = None, link: str = "", link_for: str = "") -> Response:
    require(visit.actor, "user:write")
    with visit.context.db.read() as tx:
        users = store.list_users(tx)
    return visit.page("users.html", refused=refused, users=users, link=link, link_for=link_for)


def _add_users(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/users")
    def show_users(visit: Annotated[Visit, visitor]) -> Response:
        return _users(visit)

    @pages.post("/users")
    def invite(visit: Annotated[Visit, visitor]) -> Response:
        form = visit.form
        try:
            with context.db.begin() as tx:
                user = actions.create_user(
                    tx,
                    context.log,
                    visit.actor,
                    email=form.text("email")[:254],
                    name=form.text("name"),
                    admin=form.text("admin") == "yes",
                )
                secret = actions.make_link(tx, visit.actor, user.id)
        except HighroadError as error:
            if not allowed(visit.actor, "user:write"):
                raise  # the page that would say so is not theirs to see either
            return _users(visit, visit.refusal("invite", error))
        return _users(visit, link=link_url(context.settings, secret), link_for=user.email)


def _add_user_changes(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.post("/users/{id}/sign-in-link")
    def make_link(visit: Annotated[Visit, visitor], id: str) -> Response:
        with context.db.begin() as tx:
            secret = actions.make_link(tx, visit.actor, id)
            user = store.user(tx, id)
        return _users(visit, link=link_url(context.settings, secret), link_for=user.email if user else "")

    @pages.post("/users/{id}")
    def change_user(visit: Annotated[Visit, visitor], id: str) -> Response:
        """Activate, deactivate, or change whether somebody is an administrator."""
        form = visit.form
        wanted = {"yes": True, "no": False}
        try:
            with context.db.begin() as tx:
                actions.change_user(
                    tx,
                    context.log,
                    visit.actor,
                    id,
                    name=None,
                    admin=wanted.get(form.text("admin")),
                    active=wanted.get(form.text("active")),
                )
        except HighroadError as error:
            if not allowed(visit.actor, "user:write"):
                raise
            return _users(visit, visit.refusal("users", error))
        return visit.go("/users")
