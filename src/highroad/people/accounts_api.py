"""Service accounts and policy tokens over HTTP: accounts for programs, made by those who may `account:write`."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from highroad.access import account_actions as actions
from highroad.access.model import Actor, Token
from highroad.access.permissions import require
from highroad.access.policy.checking import LONGEST
from highroad.access.service_accounts import ServiceAccount
from highroad.access.token_actions import TOKEN_LIFE_DAYS
from highroad.db.engine import Transaction
from highroad.people.tokens_api import IssuedToken, NewToken, TokenAnswer, issued
from highroad.web.api import SECRET, Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context


class NewAccount(Body):
    name: str = Field(max_length=200, description="A DNS label, of no other account.")
    description: str = Field(default="", max_length=500, description="What it is for.")
    team: str | None = Field(default=None, max_length=80, description="The team that answers for it.")
    role: str = Field(default="member", description="In the organization: member, auditor or admin.")


class AccountChange(Body):
    description: str | None = Field(default=None, max_length=500)
    team: str | None = Field(default=None, max_length=80, description="Null: nobody answers for it.")
    role: str | None = Field(default=None, description="member, auditor or admin.")
    active: bool | None = Field(default=None, description="False ends its tokens at once.")


class NewPolicyToken(Body):
    name: str = Field(max_length=200, description="A DNS label, of no other account.")
    policy: str = Field(max_length=LONGEST, description="Cedar: all that the token may do.")
    description: str = Field(default="", max_length=500, description="What it is for.")
    team: str | None = Field(default=None, max_length=80, description="The team that answers for it.")
    expires_in_days: int | None = Field(default=TOKEN_LIFE_DAYS, ge=1, le=3650)


class PolicyTokenChange(Body):
    policy: str | None = Field(default=None, max_length=LONGEST, description="In force at once, for the same secret.")
    description: str | None = Field(default=None, max_length=500)
    team: str | None = Field(default=None, max_length=80)


class AccountAnswer(Answer):
    id: str
    name: str
    description: str
    team: str | None
    role: str
    active: bool
    made_by: str
    created_at: Instant
    last_used_at: Instant | None


class PolicyTokenAnswer(Answer):
    id: str
    name: str
    description: str
    team: str | None
    active: bool
    made_by: str
    created_at: Instant
    policy: str
    token: TokenAnswer


class IssuedPolicyToken(PolicyTokenAnswer):
    secret: str = Field(description="The secret; it is shown this once.")


def router(context: Context) -> APIRouter:
    api = api_router("service accounts")
    _add_accounts(api, context)
    _add_tokens(api, context)
    _add_policy_tokens(api, context)
    return api


def _add_accounts(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/service-accounts", openapi_extra=does("access:read"))
    def list_accounts(actor: Annotated[Actor, actor_of]) -> Listing[AccountAnswer]:
        """Accounts for programs, by name, also those that were deactivated."""
        with context.db.read() as tx:
            found = actions.visible(tx, actor, "service")
        return Listing(items=[AccountAnswer.model_validate(each) for each in found])

    @api.post("/service-accounts", status_code=201, openapi_extra=does("account:write"))
    def create_account(actor: Annotated[Actor, actor_of], body: NewAccount) -> AccountAnswer:
        """An account without a token; it gets roles by grants, as users do."""
        with context.db.begin() as tx:
            made = actions.create(
                tx,
                context.log,
                actor,
                name=body.name,
                description=body.description,
                team=body.team,
                role=body.role,
            )
        return AccountAnswer.model_validate(made)

    @api.get("/service-accounts/{id}", openapi_extra=does("access:read"))
    def get_account(actor: Annotated[Actor, actor_of], id: str) -> AccountAnswer:
        """A service account by its name or id."""
        require(actor, "access:read")
        with context.db.read() as tx:
            return AccountAnswer.model_validate(actions.find(tx, id, "service"))

    @api.patch("/service-accounts/{id}", openapi_extra=does("account:write"))
    def change_account(actor: Annotated[Actor, actor_of], id: str, body: AccountChange) -> AccountAnswer:
        """Change, deactivate or activate it; fields that are left out stay. Deactivation ends its tokens at once."""
        require(actor, "account:write")
        changes = {name: getattr(body, name) for name in body.model_fields_set}
        with context.db.begin() as tx:
            account = actions.find(tx, id, "service")
            return AccountAnswer.model_validate(actions.change(tx, context.log, actor, account, changes=changes))


def _add_tokens(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.post(
        "/service-accounts/{id}/tokens", status_code=201, dependencies=[SECRET], openapi_extra=does("account:write")
    )
    def create_token(actor: Annotated[Actor, actor_of], id: str, body: NewToken) -> IssuedToken:
        """A token for a service account. It stays when whoever asked for it is gone; its secret is shown this once."""
        require(actor, "account:write")
        with context.db.begin() as tx:
            made = actions.create_token(
                tx,
                context.log,
                actor,
                actions.find(tx, id, "service"),
                name=body.name,
                scopes=body.scopes,
                days=body.expires_in_days,
            )
        return issued(*made)


def _add_policy_tokens(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/policy-tokens", openapi_extra=does("access:read"))
    def list_policy_tokens(actor: Annotated[Actor, actor_of]) -> Listing[PolicyTokenAnswer]:
        """Tokens that may do what their policy allows and nothing else, by name."""
        with context.db.read() as tx:
            found = actions.visible(tx, actor, "policy")
            return Listing(items=[_answer(each, actions.policy_token(tx, each)) for each in found])

    @api.post("/policy-tokens", status_code=201, dependencies=[SECRET], openapi_extra=does("account:write"))
    def create_policy_token(actor: Annotated[Actor, actor_of], body: NewPolicyToken) -> IssuedPolicyToken:
        """A token with a Cedar policy, which is checked against the schema. Its secret is shown this once.

        Only owners and administrators with all scopes make one.
        """
        with context.db.begin() as tx:
            account, token, secret = actions.create_policy_token(
                tx,
                context.log,
                actor,
                name=body.name,
                policy=body.policy,
                description=body.description,
                team=body.team,
                days=body.expires_in_days,
            )
        return IssuedPolicyToken(**_answer(account, token).model_dump(mode="python"), secret=secret)

    @api.get("/policy-tokens/{id}", openapi_extra=does("access:read"))
    def get_policy_token(actor: Annotated[Actor, actor_of], id: str) -> PolicyTokenAnswer:
        """A policy token by its name or id."""
        require(actor, "access:read")
        with context.db.read() as tx:
            return _found(tx, id)

    @api.patch("/policy-tokens/{id}", openapi_extra=does("account:write"))
    def change_policy_token(actor: Annotated[Actor, actor_of], id: str, body: PolicyTokenChange) -> PolicyTokenAnswer:
        """Another policy for the same secret, in force at once, or another description; what is left out stays."""
        require(actor, "account:write")
        changes = {name: getattr(body, name) for name in body.model_fields_set - {"policy"}}
        with context.db.begin() as tx:
            account = actions.find(tx, id, "policy")
            if body.policy is not None:
                actions.change_policy(tx, context.log, actor, account, policy=body.policy)
            actions.change(tx, context.log, actor, account, changes=changes)
            return _found(tx, id)

    @api.delete("/policy-tokens/{id}", status_code=204, openapi_extra=does("account:write"))
    def end_policy_token(actor: Annotated[Actor, actor_of], id: str) -> None:
        """End a policy token at once and for good."""
        require(actor, "account:write")
        with context.db.begin() as tx:
            account = actions.find(tx, id, "policy")
            actions.change(tx, context.log, actor, account, changes={"active": False})


def _found(tx: Transaction, id: str) -> PolicyTokenAnswer:
    account = actions.find(tx, id, "policy")
    return _answer(account, actions.policy_token(tx, account))


def _answer(account: ServiceAccount, token: Token) -> PolicyTokenAnswer:
    return PolicyTokenAnswer(
        id=account.id,
        name=account.name,
        description=account.description,
        team=account.team,
        active=account.active,
        made_by=account.made_by,
        created_at=account.created_at,
        policy=token.policy or "",
        token=TokenAnswer.model_validate(token),
    )
