"""The company's policies over HTTP: their texts, versions, the schema they are checked against, and the dry run."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from highroad.access import company_policies
from highroad.access.grants import CompanyPolicy
from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.access.policy.checking import LONGEST, problems
from highroad.access.policy.schema import schema_text
from highroad.access.replay import DAYS, MOST_SHOWN, Changed, Replayed, replay
from highroad.people.whereabouts import Whereabouts
from highroad.web.api import Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context


class PolicyText(Body):
    text: str = Field(max_length=LONGEST * 2, description="Statements in Cedar.")
    note: str = Field(default="", max_length=1000, description="Why, for those who read its history.")


class Candidate(Body):
    text: str = Field(max_length=LONGEST * 2, description="Statements in Cedar.")
    name: str = Field(default="candidate", max_length=63, description="The policy whose place it would take.")
    days: int = Field(default=DAYS, ge=1, le=90, description="How far back decisions are made again.")


class Version(Body):
    version: int = Field(ge=1, le=100_000)


class PolicyAnswer(Answer):
    name: str
    in_force: int | None = Field(description="The version that decides; null: it is switched off.")
    version: int = Field(description="The version whose text this is.")
    text: str
    created_at: Instant


class VersionAnswer(Answer):
    version: int
    text: str
    note: str
    author: str
    created_at: Instant


class SchemaAnswer(Answer):
    schema_: str = Field(alias="schema", description="The Cedar schema that policies are checked against.")


class ProblemAnswer(Answer):
    line: int
    detail: str


class ChangedAnswer(Answer):
    time: Instant
    actor: str
    action: str
    place: str
    policy: str
    unknown: list[str] = Field(description="Circumstances that the policy looks at and the event log does not tell.")


class DryRun(Answer):
    since: Instant
    decisions: int = Field(description="Recorded decisions that were made again.")
    left_out: int = Field(description="Those that could not be: the account or place is gone, or grants have changed.")
    cut: bool = Field(description="There were more than are looked at; these are the newest.")
    would_refuse: int
    would_allow: int
    refused: list[ChangedAnswer] = Field(description=f"The newest, at most {MOST_SHOWN}.")
    allowed: list[ChangedAnswer]


class CheckAnswer(Answer):
    valid: bool
    problems: list[ProblemAnswer]
    dry_run: DryRun | None


def policy_answer(policy: CompanyPolicy) -> PolicyAnswer:
    return PolicyAnswer(
        name=policy.name,
        in_force=policy.in_force or None,
        version=policy.version,
        text=policy.text,
        created_at=policy.created_at,
    )


def _changed(each: Changed) -> ChangedAnswer:
    return ChangedAnswer(
        time=each.time,
        actor=each.actor,
        action=each.action,
        place=str(each.place),
        policy=each.policy,
        unknown=list(each.unknown),
    )


def dry_run_answer(found: Replayed) -> DryRun:
    return DryRun(
        since=found.since,
        decisions=found.decisions,
        left_out=found.left_out,
        cut=found.cut,
        would_refuse=len(found.refused),
        would_allow=len(found.allowed),
        refused=[_changed(each) for each in found.refused[:MOST_SHOWN]],
        allowed=[_changed(each) for each in found.allowed[:MOST_SHOWN]],
    )


def router(context: Context, where: Whereabouts) -> APIRouter:
    api = api_router("policies")
    _add_reading(api, context, where)
    _add_changes(api, context)
    return api


def _add_reading(api: APIRouter, context: Context, where: Whereabouts) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/policies", openapi_extra=does("policy:read"))
    def list_policies(actor: Annotated[Actor, actor_of]) -> Listing[PolicyAnswer]:
        """The policies that the company wrote, also those that are switched off."""
        with context.db.read() as tx:
            return Listing(items=[policy_answer(each) for each in company_policies.visible(tx, actor)])

    @api.get("/policies/schema", openapi_extra=does("policy:read"))
    def get_schema(actor: Annotated[Actor, actor_of]) -> SchemaAnswer:
        """The Cedar schema of policies: who acts, where, what, and under which circumstances."""
        require(actor, "policy:read")
        return SchemaAnswer(schema=schema_text())

    @api.post("/policies/check", openapi_extra=does("policy:read"))
    def check_policy(actor: Annotated[Actor, actor_of], body: Candidate) -> CheckAnswer:
        """Whether a text is valid, and what it would have changed in the last days. Nothing is saved."""
        require(actor, "policy:read")
        wrong = problems(body.text)
        if wrong:
            answers = [ProblemAnswer(line=each.line, detail=each.detail) for each in wrong]
            return CheckAnswer(valid=False, problems=answers, dry_run=None)
        with context.db.read() as tx:
            candidate = company_policies.with_candidate(tx, body.name, body.text)
            found = replay(tx, candidate, where.recorded, days=body.days)
        return CheckAnswer(valid=True, problems=[], dry_run=dry_run_answer(found))

    @api.get("/policies/{policy}", openapi_extra=does("policy:read"))
    def get_policy(actor: Annotated[Actor, actor_of], policy: str) -> PolicyAnswer:
        """A policy with the text that is in force, or its newest one."""
        with context.db.read() as tx:
            return policy_answer(company_policies.find(tx, actor, policy))

    @api.get("/policies/{policy}/history", openapi_extra=does("policy:read"))
    def get_history(actor: Annotated[Actor, actor_of], policy: str) -> Listing[VersionAnswer]:
        """All versions, newest first."""
        with context.db.read() as tx:
            found = company_policies.history(tx, actor, policy)
        return Listing(items=[VersionAnswer.model_validate(each) for each in found])


def _add_changes(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.put("/policies/{policy}", openapi_extra=does("policy:write"))
    def apply_policy(actor: Annotated[Actor, actor_of], policy: str, body: PolicyText) -> PolicyAnswer:
        """Save a text as the policy's newest version and put it in force; it decides from the next request on."""
        with context.db.begin() as tx:
            applied = company_policies.apply(tx, context.log, actor, name=policy, text=body.text, note=body.note)
        return policy_answer(applied)

    @api.post("/policies/{policy}/revert", openapi_extra=does("policy:write"))
    def revert_policy(actor: Annotated[Actor, actor_of], policy: str, body: Version) -> PolicyAnswer:
        """Put an earlier version in force."""
        with context.db.begin() as tx:
            return policy_answer(company_policies.revert(tx, context.log, actor, name=policy, version=body.version))

    @api.post("/policies/{policy}/disable", openapi_extra=does("policy:write"))
    def disable_policy(actor: Annotated[Actor, actor_of], policy: str) -> PolicyAnswer:
        """Switch the policy off; its versions stay."""
        with context.db.begin() as tx:
            return policy_answer(company_policies.disable(tx, context.log, actor, name=policy))

    @api.delete("/policies/{policy}", status_code=204, openapi_extra=does("policy:write"))
    def delete_policy(actor: Annotated[Actor, actor_of], policy: str) -> None:
        """Delete the policy with its history; its text stays in the event log."""
        with context.db.begin() as tx:
            company_policies.delete(tx, context.log, actor, name=policy)
