"""Tokens over HTTP: one's own, everybody's for those who look after them, and those that leaked."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from highroad.access import store
from highroad.access import token_actions as actions
from highroad.access.model import Actor, Token, User
from highroad.access.permissions import require
from highroad.web.api import OPEN, SECRET, Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import client_address, origin_of, signed_in
from highroad.web.context import Context

MOST_LEAKED = 100
"""Secrets in one report."""


class NewToken(Body):
    name: str = Field(max_length=120)
    scopes: list[str] = Field(default=["read", "write", "git"], description="Among read, write, git, admin.")
    expires_in_days: int | None = Field(default=actions.TOKEN_LIFE_DAYS, ge=1, le=3650)


class LeakedTokens(Body):
    tokens: list[str] = Field(min_length=1, max_length=MOST_LEAKED, description="The secrets, as they were found.")
    where: str = Field(default="", max_length=500, description="Where they were found, for the audit log.")


class TokenAnswer(Answer):
    id: str
    name: str
    scopes: list[str]
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None
    last_address: str | None
    last_origin: str | None
    revoked_at: Instant | None
    origin: str | None = Field(description="How it was asked for: portal, cli, api, system.")
    made_by: str | None = Field(description="Who asked for it.")


class AccountToken(TokenAnswer):
    account: str
    account_name: str = Field(description="The email address of a user, the name of another account.")
    account_kind: Literal["user", "service", "policy"]
    account_active: bool
    policy: str | None = Field(description="All that a policy token may do.")


class IssuedToken(TokenAnswer):
    token: str = Field(description="The secret; it is shown this once.")


class LeakAnswer(Answer):
    outcome: Literal["revoked", "ended", "unknown", "not-a-token"] = Field(
        description="ended: it had been revoked before; unknown: it is of another installation, or never was."
    )
    token: str | None = Field(description="The id of the token, if there is one.")


def issued(token: Token, secret: str) -> IssuedToken:
    return IssuedToken(**TokenAnswer.model_validate(token).model_dump(mode="python"), token=secret)


def of_account(token: Token, account: User) -> AccountToken:
    return AccountToken(
        **TokenAnswer.model_validate(token).model_dump(mode="python"),
        account=account.id,
        account_name=account.email,
        account_kind=account.kind,
        account_active=account.active,
        policy=token.policy,
    )


def router(context: Context) -> APIRouter:
    api = api_router("tokens")
    actor_of = Depends(signed_in(context))

    @api.get("/tokens", openapi_extra=does("self:read"))
    def list_tokens(
        actor: Annotated[Actor, actor_of],
        account: Annotated[
            str | None, Query(max_length=40, description="The id of an account, or `everybody`; left out: one's own.")
        ] = None,
    ) -> Listing[AccountToken]:
        """Tokens without their secrets; also those that were revoked or have expired. Others' take access:read."""
        require(actor, "self:read")
        with context.db.read() as tx:
            if account is None or account == actor.id:
                user = store.user(tx, actor.id)
                found = [(each, user) for each in store.list_tokens(tx, actor.id) if user is not None]
            else:
                wanted = None if account == "everybody" else account
                found = [*actions.every_token(tx, actor, account=wanted)]
        return Listing(items=[of_account(*each) for each in found])

    @api.post("/tokens", status_code=201, dependencies=[SECRET], openapi_extra=does("self:write"))
    def create_token(actor: Annotated[Actor, actor_of], body: NewToken) -> IssuedToken:
        """A further token, with scopes among one's own. Its secret is shown this once.

        It ends with the token that it was asked for by, whether that one expires or is revoked.
        """
        with context.db.begin() as tx:
            made = actions.create_token(
                tx, context.log, actor, name=body.name, scopes=body.scopes, days=body.expires_in_days
            )
        return issued(*made)

    @api.delete("/tokens/{id}", status_code=204, openapi_extra=does("self:write"))
    def revoke_token(actor: Annotated[Actor, actor_of], id: str) -> None:
        """End a token at once, and those that were made by it: one's own, or as an administrator anybody's."""
        with context.db.begin() as tx:
            actions.revoke_token(tx, context.log, actor, id)

    @api.post("/tokens/leaked", dependencies=[SECRET], openapi_extra=OPEN)
    def revoke_leaked(request: Request, body: LeakedTokens) -> Listing[LeakAnswer]:
        """End tokens that were found where they should not be. Having them is proof enough; nobody signs in for it.

        The answers are in the order of the secrets.
        """
        with context.db.begin() as tx:
            found = actions.revoke_leaked(
                tx,
                context.log,
                body.tokens,
                where=body.where,
                address=client_address(request),
                origin=origin_of(request),
            )
        return Listing(items=[LeakAnswer.model_validate(each) for each in found])

    return api
