"""The page about everybody's tokens, policy tokens, and what to do about one that leaked."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access import account_actions, token_actions
from highroad.access.permissions import allowed, require
from highroad.access.token_actions import Leak
from highroad.errors import HighroadError
from highroad.people.forms import days_of
from highroad.people.persons import usable
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, local_path, page_router, visit

EXAMPLE = """\
permit (
  principal,
  action in [Action::"project:read", Action::"run:write"],
  resource in Project::"shop"
);
"""


def router(context: Context) -> APIRouter:
    pages = page_router()
    _add_tokens(pages, context)
    _add_policy_tokens(pages, context)
    return pages


def _tokens(
    visit: Visit, refused: Refusal | None = None, secret: str = "", leaks: list[Leak] | None = None
) -> Response:
    with visit.context.db.read() as tx:
        everybody = token_actions.every_token(tx, visit.actor)
        policies = account_actions.visible(tx, visit.actor, "policy")
        shown = [(each, account_actions.policy_token(tx, each)) for each in policies]
    return visit.page(
        "tokens.html",
        refused=refused,
        tokens=[each for each in everybody if usable(each[0]) and each[1].kind != "policy"],
        policy_tokens=[each for each in shown if each[0].active],
        example=EXAMPLE,
        secret=secret,
        leaks=leaks,
        done=visit.request.query_params.get("done", ""),
    )


def _add_tokens(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/tokens", openapi_extra=does("access:read"))
    def show_tokens(visit: Annotated[Visit, visitor]) -> Response:
        return _tokens(visit)

    @pages.post("/tokens/leaked", openapi_extra=does("access:read"))
    def leaked(visit: Annotated[Visit, visitor]) -> Response:
        require(visit.actor, "access:read")
        secrets = visit.form.raw("secrets").split()[:100]
        with context.db.begin() as tx:
            found = token_actions.revoke_leaked(
                tx,
                context.log,
                secrets,
                where=visit.form.text("where")[:500],
                address=visit.actor.address,
                origin="portal",
            )
        return _tokens(visit, leaks=found)

    @pages.post("/tokens/{id}/revoke", openapi_extra=does("self:write", "user:write"))
    def revoke(visit: Annotated[Visit, visitor], id: str) -> Response:
        with context.db.begin() as tx:
            token_actions.revoke_token(tx, context.log, visit.actor, id)
        return visit.go(local_path(visit.form.text("next"), "/tokens?done=revoked"))


def _add_policy_tokens(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.post("/policy-tokens", openapi_extra=does("account:write"))
    def create(visit: Annotated[Visit, visitor]) -> Response:
        """The secret stands in this answer and in no other: hence no redirect."""
        form = visit.form
        try:
            days = days_of(form)
            with context.db.begin() as tx:
                _, _, secret = account_actions.create_policy_token(
                    tx,
                    context.log,
                    visit.actor,
                    name=form.text("name"),
                    policy=form.raw("policy"),
                    description=form.text("description"),
                    days=days,
                )
        except HighroadError as error:
            if not allowed(visit.actor, "account:write"):
                raise  # there is no form that would say so
            return _tokens(visit, visit.refusal("policy-token", error))
        return _tokens(visit, secret=secret)

    @pages.post("/policy-tokens/{name}", openapi_extra=does("account:write"))
    def change(visit: Annotated[Visit, visitor], name: str) -> Response:
        require(visit.actor, "account:write")
        try:
            with context.db.begin() as tx:
                account = account_actions.find(tx, name, "policy")
                account_actions.change_policy(tx, context.log, visit.actor, account, policy=visit.form.raw("policy"))
        except HighroadError as error:
            return _tokens(visit, visit.refusal(f"policy-{name}", error))
        return visit.go("/tokens?done=policy")

    @pages.post("/policy-tokens/{name}/end", openapi_extra=does("account:write"))
    def end(visit: Annotated[Visit, visitor], name: str) -> Response:
        require(visit.actor, "account:write")
        with context.db.begin() as tx:
            account = account_actions.find(tx, name, "policy")
            account_actions.change(tx, context.log, visit.actor, account, changes={"active": False})
        return visit.go("/tokens?done=revoked")
