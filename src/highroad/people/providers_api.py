"""Sign-in providers over HTTP: set up, changed, tested and removed by whoever may change the federation."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from highroad.access.federation import actions, store
from highroad.access.federation.issuers import Issuers
from highroad.access.federation.model import GroupRule, Provider
from highroad.access.federation.probe import Finding, probe
from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.people.oidc_pages import redirect_uri
from highroad.web.api import Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context


class GroupRuleBody(Body):
    group: str = Field(max_length=255, description="A group, or a pattern with * and ?.")
    team: str = Field(max_length=63, description="The team that its members are in; *: the one that is called alike.")


class NewProvider(Body):
    name: str = Field(max_length=63, description="Part of the redirect address; it stays.")
    issuer: str = Field(max_length=500, description="The issuer's URL exactly as it names itself; it stays.")
    client_id: str = Field(max_length=255)
    client_secret: str | None = Field(default=None, max_length=1000, description="Left out for a public client.")
    title: str = Field(default="", max_length=120, description="What stands on the sign-in button.")
    scopes: list[str] = Field(default=list(actions.SCOPES), max_length=50)
    group_claim: str = Field(default="", max_length=120, description="Such as groups, or realm_access.roles.")
    groups: list[GroupRuleBody] = Field(default=[], max_length=actions.MOST_RULES)
    creates_users: bool = Field(default=False, description="Whoever signs in for the first time becomes a user.")
    domains: list[str] = Field(default=[], max_length=100, description="Email domains that it answers for.")
    email_trust: str = Field(default="verified", description="verified: needs email_verified; always: does not.")


class ProviderChange(Body):
    client_id: str | None = Field(default=None, max_length=255)
    client_secret: str | None = Field(default=None, max_length=1000)
    title: str | None = Field(default=None, max_length=120)
    scopes: list[str] | None = Field(default=None, max_length=50)
    group_claim: str | None = Field(default=None, max_length=120)
    groups: list[GroupRuleBody] | None = Field(default=None, max_length=actions.MOST_RULES)
    creates_users: bool | None = None
    domains: list[str] | None = Field(default=None, max_length=100)
    email_trust: str | None = None
    active: bool | None = Field(default=None, description="Off: nobody signs in with it, and its sessions end.")


class GroupRuleAnswer(Answer):
    group: str
    team: str


class ProviderAnswer(Answer):
    id: str
    name: str
    title: str
    issuer: str
    client_id: str
    has_secret: bool
    scopes: list[str]
    group_claim: str
    groups: list[GroupRuleAnswer]
    creates_users: bool
    domains: list[str]
    email_trust: str
    vouched: bool = Field(description="An owner set it up or changed whom it answers for: it signs in owners too.")
    active: bool
    redirect_uri: str = Field(description="To be registered at the provider, letter by letter.")
    created_at: Instant


class FindingAnswer(Answer):
    state: Literal["good", "warning", "bad"]
    what: str
    next_step: str


class ProviderTest(Answer):
    works: bool = Field(description="Whether nothing bad was found. Only a sign-in proves the client id and secret.")
    findings: list[FindingAnswer]


def router(context: Context, issuers: Issuers | None = None) -> APIRouter:
    api = api_router("sign-in providers")
    _add_reading(api, context)
    _add_changing(api, context)
    _add_test(api, context, issuers or Issuers())
    return api


def _add_reading(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/sign-in-providers", openapi_extra=does("federation:read"))
    def list_sign_in_providers(actor: Annotated[Actor, actor_of]) -> Listing[ProviderAnswer]:
        """The providers that people sign in with, without their client secrets."""
        require(actor, "federation:read")
        with context.db.read() as tx:
            return Listing(items=[_answer(context, each) for each in store.list_providers(tx)])

    @api.get("/sign-in-providers/{id}", openapi_extra=does("federation:read"))
    def get_sign_in_provider(actor: Annotated[Actor, actor_of], id: str) -> ProviderAnswer:
        """One provider, by name or id."""
        require(actor, "federation:read")
        with context.db.read() as tx:
            return _answer(context, actions.find(tx, id))


def _add_changing(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.post("/sign-in-providers", status_code=201, openapi_extra=does("federation:write"))
    def create_sign_in_provider(actor: Annotated[Actor, actor_of], body: NewProvider) -> ProviderAnswer:
        """Set a provider up. The answer holds the redirect address that it has to know."""
        given = body.model_dump(exclude={"client_secret", "groups"})
        with context.db.begin() as tx:
            made = actions.add_provider(
                tx, context.log, actor, secret=body.client_secret or None, groups=_rules(body.groups), **given
            )
        return _answer(context, made)

    @api.patch("/sign-in-providers/{id}", openapi_extra=does("federation:write"))
    def change_sign_in_provider(actor: Annotated[Actor, actor_of], id: str, body: ProviderChange) -> ProviderAnswer:
        """Change what is given. Name and issuer stay: for another issuer, set up another provider."""
        changes: dict[str, Any] = body.model_dump(exclude={"client_secret", "groups"}, exclude_none=True)
        changes = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
        if body.groups is not None:
            changes["groups"] = _rules(body.groups)
        with context.db.begin() as tx:
            changed = actions.change_provider(tx, context.log, actor, id, changes, secret=body.client_secret or None)
        return _answer(context, changed)

    @api.delete("/sign-in-providers/{id}", status_code=204, openapi_extra=does("federation:write"))
    def delete_sign_in_provider(actor: Annotated[Actor, actor_of], id: str) -> None:
        """Remove a provider: its sessions end and the memberships that it gave are withdrawn. Users stay."""
        with context.db.begin() as tx:
            actions.remove_provider(tx, context.log, actor, id)


def _add_test(api: APIRouter, context: Context, issuers: Issuers) -> None:
    actor_of = Depends(signed_in(context))

    @api.post("/sign-in-providers/{id}/test", openapi_extra=does("federation:write"))
    async def check_sign_in_provider(actor: Annotated[Actor, actor_of], id: str) -> ProviderTest:
        """Ask the provider what it publishes, and say what is wrong with it. Nothing is changed."""
        require(actor, "federation:write")
        provider = await run_in_threadpool(find, context, id)
        findings = await probe(provider, issuers)
        return ProviderTest(works=works(findings), findings=[FindingAnswer.model_validate(each) for each in findings])


def find(context: Context, name_or_id: str) -> Provider:
    with context.db.read() as tx:
        return actions.find(tx, name_or_id)


def works(findings: list[Finding]) -> bool:
    return all(each.state != "bad" for each in findings)


def _rules(given: list[GroupRuleBody]) -> tuple[GroupRule, ...]:
    return tuple(GroupRule(each.group, each.team) for each in given)


def _answer(context: Context, provider: Provider) -> ProviderAnswer:
    shown = {name: getattr(provider, name) for name in ProviderAnswer.model_fields if name != "redirect_uri"}
    shown["groups"] = [GroupRuleAnswer(group=each.group, team=each.team) for each in provider.groups]
    return ProviderAnswer(**shown, redirect_uri=redirect_uri(context, provider.name))
