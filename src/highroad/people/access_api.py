"""Who has which role where, over HTTP: grants, presets, and questions about what somebody may do."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, Field

from highroad.access import granting, grants, questions
from highroad.access.granting import Holder
from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.access.places import ORGANIZATION, Place
from highroad.access.policy.actions import ACTIONS, VERBS
from highroad.access.policy.presets import PRESETS
from highroad.access.policy.schema import CIRCUMSTANCES
from highroad.access.policy.standing import Grant
from highroad.db.engine import Transaction
from highroad.people.whereabouts import Whereabouts
from highroad.web.api import Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context

Kind = Literal["user", "team", "account"]
_PLACE = "PROJECT, PROJECT/ENVIRONMENT, PROJECT/ENVIRONMENT/SERVICE or PROJECT//SERVICE; empty: the organization."


class NewGrant(Body):
    kind: Kind = Field(description="What holds the role: a user, a team or a service account.")
    holder: str = Field(max_length=254, description="An email address, or the name of a team or service account.")
    project: str | None = Field(default=None, max_length=63, description="Left out: all projects.")
    mode: str | None = Field(default=None, max_length=16, description="Left out: all modes.")
    role: str = Field(max_length=63)
    expires_at: AwareDatetime | None = None


class NewPreset(Body):
    kind: Kind = Field(description="What holds the roles: a user, a team or a service account.")
    holder: str = Field(max_length=254)
    project: str | None = Field(default=None, max_length=63, description="Left out: all projects.")
    preset: str = Field(max_length=63)
    expires_at: AwareDatetime | None = None


class Subject(Body):
    type: Literal["user", "account", "token"] = "user"
    id: str = Field(max_length=254, description="An email address or the name of an account.")


class ActionName(Body):
    name: str = Field(max_length=64)


class Resource(Body):
    type: Literal["organization", "project", "environment", "service"] = "environment"
    id: str = Field(default="", max_length=200, description=_PLACE)


class Evaluation(Body):
    """An access evaluation request of the OpenID AuthZEN Authorization API 1.0."""

    subject: Subject
    action: ActionName
    resource: Resource
    context: dict[str, Any] = Field(default_factory=dict, description=f"Among {', '.join(sorted(CIRCUMSTANCES))}.")


class GrantAnswer(Answer):
    id: str
    kind: str
    holder: str
    project: str | None
    mode: str | None
    role: str
    since: Instant
    by: str
    expires_at: Instant | None


class PresetAnswer(Answer):
    name: str
    description: str
    roles: dict[str, str]


class CanAnswer(Answer):
    allowed: bool
    action: str
    place: str
    reason: str
    policy: str = Field(description="What decided, by id; empty when nothing permits it.")
    ask: list[str] = Field(default=[], description="Who could grant it.")


class AbleAnswer(Answer):
    name: str
    kind: str
    reason: str
    policy: str
    tokens: list[str]


class WhoAnswer(Answer):
    action: str
    place: str
    items: list[AbleAnswer]


class Evaluated(Answer):
    decision: bool
    context: dict[str, str]


def router(context: Context, where: Whereabouts) -> APIRouter:
    api = api_router("access")
    _add_grants(api, context, where)
    _add_presets(api, context, where)
    _add_questions(api, context, where)
    _add_evaluation(api, context, where)
    return api


def grant_answer(grant: Grant, holder: Holder, projects: dict[str, str]) -> GrantAnswer:
    return GrantAnswer(
        id=grant.id,
        kind=holder.kind,
        holder=holder.name,
        project=projects.get(grant.project, grant.project) if grant.project else None,
        mode=grant.mode,
        role=grant.role,
        since=grant.since,
        by=grant.by,
        expires_at=grant.expires_at,
    )


def _answers(tx: Transaction, where: Whereabouts, found: list[Grant]) -> list[GrantAnswer]:
    holders = granting.holders(tx, found)
    places = where.projects(tx, [each.project for each in found if each.project])
    names = {id: place.project_name for id, place in places.items()}
    return [grant_answer(each, holders[each.holder_id], names) for each in found]


def _place(tx: Transaction, actor: Actor, where: Whereabouts, project: str | None) -> Place:
    return where.find(tx, actor, project) if project else ORGANIZATION


def _add_grants(api: APIRouter, context: Context, where: Whereabouts) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/access/grants", openapi_extra=does("access:read"))
    def list_grants(
        actor: Annotated[Actor, actor_of],
        project: Annotated[str | None, Query(max_length=63, description="Left out: of the whole organization.")] = None,
    ) -> Listing[GrantAnswer]:
        """Who has which role where. Of a project: also the grants for all projects, which reach it."""
        with context.db.read() as tx:
            found = granting.visible_grants(tx, actor, _place(tx, actor, where, project))
            return Listing(items=_answers(tx, where, found))

    @api.post("/access/grants", status_code=201, openapi_extra=does("access:write"))
    def grant(actor: Annotated[Actor, actor_of], body: NewGrant) -> GrantAnswer:
        """Give a role. It takes the place of the one that the holder had in the same project and mode."""
        with context.db.begin() as tx:
            place = _place(tx, actor, where, body.project)
            require(actor, "access:write", place)
            holder = granting.find_holder(tx, body.kind, body.holder)
            made = granting.grant(
                tx,
                context.log,
                actor,
                holder=holder,
                place=place,
                mode=body.mode,
                role=body.role,
                expires_at=body.expires_at,
            )
            return _answers(tx, where, [made])[0]

    @api.delete("/access/grants/{id}", status_code=204, openapi_extra=does("access:write"))
    def withdraw(actor: Annotated[Actor, actor_of], id: str) -> None:
        """Take a granted role back."""
        with context.db.begin() as tx:
            found = grants.grant_by_id(tx, id)
            place = ORGANIZATION
            if found is not None and found.project is not None:
                named = where.projects(tx, [found.project]).get(found.project)
                place = where.find(tx, actor, named.project_name) if named else ORGANIZATION
            else:
                require(actor, "access:write", ORGANIZATION)
            granting.withdraw(tx, context.log, actor, id, place)


def _add_presets(api: APIRouter, context: Context, where: Whereabouts) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/access/presets", openapi_extra=does("self:read"))
    def list_presets(actor: Annotated[Actor, actor_of]) -> Listing[PresetAnswer]:
        """Ready-made sets of roles by environment mode."""
        require(actor, "self:read")
        return Listing(items=[PresetAnswer.model_validate(each) for each in PRESETS])

    @api.post("/access/presets", status_code=201, openapi_extra=does("access:write"))
    def grant_preset(actor: Annotated[Actor, actor_of], body: NewPreset) -> Listing[GrantAnswer]:
        """Give the roles of a preset, one for each mode, all or nothing."""
        with context.db.begin() as tx:
            place = _place(tx, actor, where, body.project)
            require(actor, "access:write", place)
            holder = granting.find_holder(tx, body.kind, body.holder)
            made = granting.grant_preset(
                tx, context.log, actor, holder=holder, place=place, preset=body.preset, expires_at=body.expires_at
            )
            return Listing(items=_answers(tx, where, made))


def _add_questions(api: APIRouter, context: Context, where: Whereabouts) -> None:
    actor_of = Depends(signed_in(context))
    verbs = f"{', '.join(VERBS)}, or an action's own name such as deployment:write."

    @api.get("/access/can-i", openapi_extra=does("self:read"))
    def can_i(
        actor: Annotated[Actor, actor_of],
        action: Annotated[str, Query(max_length=64, description=verbs)],
        place: Annotated[str, Query(max_length=200, description=_PLACE)] = "",
    ) -> CanAnswer:
        """Whether this token or session may do something, and why. Approvals and freezes are asked when it is done."""
        require(actor, "self:read")
        with context.db.read() as tx:
            found = where.find(tx, actor, place)
            name = questions.action_named(action, found)
            answered = questions.can(actor, name, found)
            ask = [] if answered.allowed else questions.helpers(tx, actor, found)
        return CanAnswer(
            allowed=answered.allowed,
            action=name,
            place=str(found),
            reason=answered.reason,
            policy=answered.policy,
            ask=ask,
        )

    @api.get("/access/who-can", openapi_extra=does("access:read"))
    def who_can(
        actor: Annotated[Actor, actor_of],
        action: Annotated[str, Query(max_length=64, description=verbs)],
        place: Annotated[str, Query(max_length=200, description=_PLACE)] = "",
    ) -> WhoAnswer:
        """Every active account that may do something, with the reason and the tokens it could use."""
        with context.db.read() as tx:
            found = where.find(tx, actor, place)
            name = questions.action_named(action, found)
            able = questions.who_can(tx, actor, name, found)
        return WhoAnswer(
            action=name,
            place=str(found),
            items=[
                AbleAnswer(
                    name=each.user.email,
                    kind=each.user.kind,
                    reason=each.reason,
                    policy=each.policy,
                    tokens=list(each.tokens),
                )
                for each in able
            ],
        )


def _add_evaluation(api: APIRouter, context: Context, where: Whereabouts) -> None:
    actor_of = Depends(signed_in(context))

    @api.post("/access/evaluation", openapi_extra=does("self:read"))
    def evaluate(actor: Annotated[Actor, actor_of], body: Evaluation) -> Evaluated:
        """An access evaluation in the form of OpenID AuthZEN 1.0. Of others than oneself it takes `access:read`."""
        require(actor, "self:read")
        with context.db.read() as tx:
            place = where.find(tx, actor, body.resource.id)
            name = questions.action_named(body.action.name, place)
            who = questions.account(tx, actor, body.subject.id, place)
            known = {key: value for key, value in body.context.items() if key in CIRCUMSTANCES and _plain(value)}
            answered = questions.can(who, name, place, **known)
        return Evaluated(
            decision=answered.allowed,
            context={"reason": answered.reason, "policy": answered.policy, "meaning": ACTIONS[name].meaning},
        )


def _plain(value: object) -> bool:
    """A value that Cedar takes: its whole numbers have 64 bits."""
    return isinstance(value, str | bool) or (isinstance(value, int) and abs(value) < 2**63)
