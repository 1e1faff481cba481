"""Trust rules over HTTP, and the exchange of a CI job's identity token for a token of Highroad (after RFC 8693)."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from highroad.access.federation.issuers import Issuers
from highroad.access.model import Actor, Token
from highroad.access.permissions import require
from highroad.access.trust import actions, store
from highroad.access.trust.failures import BadExchange, ExchangeRefused
from highroad.access.trust.model import LONGEST_MINUTES, MOST_CONDITIONS, Condition, TrustRule
from highroad.errors import FieldError
from highroad.kit.clock import now
from highroad.web.api import OPEN, SECRET, Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import client_address, signed_in
from highroad.web.context import Context

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - the name of a type
JWT = "urn:ietf:params:oauth:token-type:jwt"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type


class ConditionBody(Body):
    claim: str = Field(max_length=60)
    pattern: str = Field(max_length=255, description="A value; * and ? stay between / and :, ** goes across them.")


class NewTrustRule(Body):
    name: str = Field(max_length=63)
    issuer: str = Field(max_length=500, description="The issuer of the jobs' identity tokens, exactly.")
    audience: str | None = Field(default=None, max_length=500, description="Left out: the address of Highroad.")
    conditions: list[ConditionBody] = Field(max_length=MOST_CONDITIONS, description="All must hold.")
    account: str = Field(max_length=254, description="The service account whose token a job gets.")
    scopes: list[str] = Field(default=["read", "write"], description="Among read, write, git.")
    minutes: int = Field(default=LONGEST_MINUTES, description="How long a token lives; not past the job's own.")
    once: bool = Field(default=True, description="Each identity token is exchanged a single time.")


class TrustRuleChange(Body):
    audience: str | None = Field(default=None, max_length=500)
    conditions: list[ConditionBody] | None = Field(default=None, max_length=MOST_CONDITIONS)
    account: str | None = Field(default=None, max_length=254)
    scopes: list[str] | None = None
    minutes: int | None = None
    once: bool | None = None
    active: bool | None = None


class ConditionAnswer(Answer):
    claim: str
    pattern: str


class TrustRuleAnswer(Answer):
    id: str
    name: str
    issuer: str
    audience: str
    conditions: list[ConditionAnswer]
    account: str
    scopes: list[str]
    minutes: int
    once: bool
    active: bool
    created_at: Instant
    last_used_at: Instant | None


class Exchange(Body):
    """Named as in RFC 8693; sent as JSON."""

    grant_type: str = Field(default=GRANT, max_length=100)
    subject_token: str = Field(max_length=100_000, description="The job's identity token.")
    subject_token_type: str = Field(default=ID_TOKEN, max_length=100)


class Exchanged(Answer):
    access_token: str = Field(description="A token of Highroad.")
    issued_token_type: str
    token_type: str
    expires_in: int = Field(description="Seconds.")
    scope: str
    account: str
    rule: str


def router(context: Context, issuers: Issuers | None = None) -> APIRouter:
    api = api_router("trust")
    _add_reading(api, context)
    _add_changing(api, context)
    _add_exchange(api, context, issuers or Issuers())
    return api


def _add_reading(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/trust-rules", openapi_extra=does("federation:read"))
    def list_trust_rules(actor: Annotated[Actor, actor_of]) -> Listing[TrustRuleAnswer]:
        """Which CI jobs get a token of which service account."""
        require(actor, "federation:read")
        with context.db.read() as tx:
            return Listing(items=[_answer(each) for each in store.list_rules(tx)])

    @api.get("/trust-rules/{id}", openapi_extra=does("federation:read"))
    def get_trust_rule(actor: Annotated[Actor, actor_of], id: str) -> TrustRuleAnswer:
        """One trust rule, by name or id."""
        require(actor, "federation:read")
        with context.db.read() as tx:
            return _answer(actions.find(tx, id))


def _add_changing(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.post("/trust-rules", status_code=201, openapi_extra=does("federation:write"))
    def create_trust_rule(actor: Annotated[Actor, actor_of], body: NewTrustRule) -> TrustRuleAnswer:
        """Trust the jobs of an issuer that fulfil all conditions. One must say whose they are."""
        given = body.model_dump(exclude={"conditions", "audience"})
        with context.db.begin() as tx:
            made = actions.add_rule(
                tx,
                context.log,
                actor,
                conditions=conditions_of(body.conditions),
                audience=body.audience or context.settings.url,
                **given,
            )
        return _answer(made)

    @api.patch("/trust-rules/{id}", openapi_extra=does("federation:write"))
    def change_trust_rule(actor: Annotated[Actor, actor_of], id: str, body: TrustRuleChange) -> TrustRuleAnswer:
        """Change what is given. Tokens that jobs have already run out by themselves."""
        changes: dict[str, Any] = body.model_dump(exclude={"conditions", "scopes"}, exclude_none=True)
        if body.conditions is not None:
            changes["conditions"] = conditions_of(body.conditions)
        if body.scopes is not None:
            changes["scopes"] = tuple(body.scopes)
        with context.db.begin() as tx:
            return _answer(actions.change_rule(tx, context.log, actor, id, changes))

    @api.delete("/trust-rules/{id}", status_code=204, openapi_extra=does("federation:write"))
    def delete_trust_rule(actor: Annotated[Actor, actor_of], id: str) -> None:
        """Trust these jobs no longer."""
        with context.db.begin() as tx:
            actions.remove_rule(tx, context.log, actor, id)


def _add_exchange(api: APIRouter, context: Context, issuers: Issuers) -> None:
    @api.post("/token-exchange", dependencies=[SECRET], openapi_extra=OPEN)
    async def exchange_token(request: Request, body: Exchange) -> Exchanged:
        """A short-lived token for the identity token of a CI job, if a trust rule says so.

        The fields are those of RFC 8693. A job's token is not accepted as such by any other address of this API.
        """
        _require_types(body)
        issuer, address = "", client_address(request)
        try:
            issuer = actions.issuer_of(body.subject_token)
            rules = await run_in_threadpool(_rules_for, context, issuer)
            rule, claims = await actions.identify(issuers, rules, body.subject_token)
            token, secret = await run_in_threadpool(_exchange, context, rule, claims, body.subject_token, address)
        except ExchangeRefused as error:
            await run_in_threadpool(_note_refusal, context, error, issuer, address)
            raise
        assert token.expires_at is not None, "it came by exchange"
        return Exchanged(
            access_token=secret,
            issued_token_type=ACCESS_TOKEN,
            token_type="Bearer",  # noqa: S106 - the name of a type
            expires_in=max(1, int((token.expires_at - now()).total_seconds())),
            scope=" ".join(token.scopes),
            account=rule.account_name,
            rule=rule.name,
        )


def _require_types(body: Exchange) -> None:
    wrong = []
    if body.grant_type != GRANT:
        wrong.append(FieldError("/grant_type", f"must be {GRANT}"))
    if body.subject_token_type not in (ID_TOKEN, JWT):
        wrong.append(FieldError("/subject_token_type", f"must be {ID_TOKEN} or {JWT}"))
    if wrong:
        raise BadExchange("Only identity tokens are exchanged.", next_step="See RFC 8693.", errors=wrong)


def _rules_for(context: Context, issuer: str) -> list[TrustRule]:
    with context.db.read() as tx:
        return store.rules_for(tx, issuer)


def _exchange(context: Context, rule: TrustRule, claims: dict[str, Any], token: str, address: str) -> tuple[Token, str]:
    with context.db.begin() as tx:
        return actions.exchange(tx, context.log, rule.id, claims, token, address=address)


def _note_refusal(context: Context, error: ExchangeRefused, issuer: str, address: str) -> None:
    with context.db.begin() as tx:
        actions.note_refusal(tx, context.log, error, issuer=issuer, address=address)


def conditions_of(given: Sequence[ConditionBody]) -> tuple[Condition, ...]:
    return tuple(Condition(each.claim, each.pattern) for each in given)


def _answer(rule: TrustRule) -> TrustRuleAnswer:
    shown = {
        name: getattr(rule, name) for name in TrustRuleAnswer.model_fields if name not in ("account", "conditions")
    }
    conditions = [ConditionAnswer(claim=each.claim, pattern=each.pattern) for each in rule.conditions]
    return TrustRuleAnswer(**shown, account=rule.account_name, conditions=conditions)
