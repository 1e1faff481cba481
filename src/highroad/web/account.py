"""The page about oneself: one's own password, tokens and sessions."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access import actions, sessions, store, token_actions
from highroad.access.model import SCOPES
from highroad.access.permissions import require
from highroad.access.second_factor import actions as second_factor
from highroad.errors import HighroadError, Invalid
from highroad.kit.clock import now
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit
from highroad.web.sign_in import renew_session


class PasswordsDiffer(Invalid):
    code = "passwords-differ"
    title = "The new password was typed in two ways"


def router(context: Context) -> APIRouter:
    pages = page_router()
    _add_account(pages, context)
    _add_tokens(pages, context)
    return pages


def _account(visit: Visit, refused: Refusal | None = None, secret: str = "") -> Response:
    require(visit.actor, "self:read")
    with visit.context.db.read() as tx:
        user = store.user(tx, visit.actor.id)
        tokens = store.list_tokens(tx, visit.actor.id)
        mine = sessions.list_sessions(tx, visit.actor)
        factor = second_factor.standing(tx, visit.actor, rule=visit.context.settings.second_factor)
    assert user is not None, "sessions reference users"
    at = now()
    usable = [each for each in tokens if not each.revoked_at and (each.expires_at is None or each.expires_at > at)]
    return visit.page(
        "account.html",
        refused=refused,
        user=user,
        tokens=usable[::-1],
        sessions=[(each, sessions.device(each.agent), each.id == visit.actor.session) for each in mine],
        factor=factor,
        scopes={name: meaning for name, meaning in SCOPES.items() if name != "admin" or user.admin},
        secret=secret,
        welcome="welcome" in visit.request.query_params and not user.has_password,
        done=visit.request.query_params.get("done", ""),
    )


def _add_account(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/account", openapi_extra=does("self:read"))
    def show_account(visit: Annotated[Visit, visitor]) -> Response:
        return _account(visit)

    @pages.post("/account/password", openapi_extra=does("self:write"))
    def set_password(visit: Annotated[Visit, visitor]) -> Response:
        form = visit.form
        try:
            if form.raw("new") != form.raw("again"):
                raise PasswordsDiffer("Nothing was changed.", next_step="Type the same new password twice.")
            current = form.raw("current")[:1000] or None
            actions.set_password(context.db, context.log, visit.actor, current=current, new=form.raw("new"))
        except HighroadError as error:
            return _account(visit, visit.refusal("password", error))
        return renew_session(visit, visit.go("/account?done=password"))

    @pages.post("/account/sessions/end", openapi_extra=does("self:write"))
    def end_other_sessions(visit: Annotated[Visit, visitor]) -> Response:
        """End every session of this person but the one that asks."""
        with context.db.begin() as tx:
            sessions.revoke_all(tx, context.log, visit.actor)
        return visit.go("/account?done=sessions")

    @pages.post("/account/sessions/{name}/end", openapi_extra=does("self:write"))
    def end_session(visit: Annotated[Visit, visitor], name: str) -> Response:
        with context.db.begin() as tx:
            sessions.revoke(tx, context.log, visit.actor, name)
        return visit.go("/account?done=session")


def _add_tokens(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.post("/account/tokens", openapi_extra=does("self:write"))
    def create_token(visit: Annotated[Visit, visitor]) -> Response:
        """The secret stands in this answer and in no other: hence no redirect."""
        form = visit.form
        try:
            days = form.number("days")
            if days is not None and not 1 <= days <= 3650:
                raise Invalid("A token lives 1 to 3650 days.", next_step="Leave it empty for one that never expires.")
            with context.db.begin() as tx:
                _, secret = token_actions.create_token(
                    tx, context.log, visit.actor, name=form.text("name"), scopes=form.all("scope"), days=days
                )
        except HighroadError as error:
            return _account(visit, visit.refusal("token", error))
        return _account(visit, secret=secret)

    @pages.post("/account/tokens/{id}/revoke", openapi_extra=does("self:write"))
    def revoke_token(visit: Annotated[Visit, visitor], id: str) -> Response:
        with context.db.begin() as tx:
            token_actions.revoke_token(tx, context.log, visit.actor, id)
        return visit.go("/account?done=token")
