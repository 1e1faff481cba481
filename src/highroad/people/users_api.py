"""People and invitations over HTTP."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from highroad.access import actions, invitation_actions, store, user_actions
from highroad.access.invitations import Invitation
from highroad.access.model import Actor
from highroad.access.permissions import allowed, require
from highroad.people.persons import Person, ProjectNames, memberships_of, person
from highroad.people.tokens_api import TokenAnswer
from highroad.settings import Settings
from highroad.web.access import UserAnswer, link_url
from highroad.web.api import SECRET, Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context


class UserChange(Body):
    name: str | None = Field(default=None, min_length=1, max_length=120)
    email: str | None = Field(default=None, max_length=254)
    role: str | None = Field(default=None, description="owner, admin, auditor or member.")
    active: bool | None = Field(default=None, description="False ends sessions and tokens at once.")


class NewInvitation(Body):
    email: str = Field(max_length=254)
    name: str = Field(default="", max_length=120)
    role: str = Field(default="member", description="owner, admin, auditor or member.")
    teams: list[str] = Field(default=[], max_length=50, description="Names of teams that they will be in.")


class MembershipAnswer(Answer):
    team: str
    title: str
    sources: list[str] = Field(description="Empty for a team above one of theirs.")


class RoleAnswer(Answer):
    role: str
    project: str | None = Field(description="Null: all projects.")
    mode: str | None = Field(description="Null: all modes.")
    through: str | None = Field(description="The team that it comes from; null: their own.")
    by: str
    since: Instant
    expires_at: Instant | None


class AccessAnswer(Answer):
    roles: list[RoleAnswer]
    sessions: int
    tokens: list[TokenAnswer] = Field(description="Those that can be used.")
    last_seen_at: Instant | None
    made: list[str] = Field(description="Service accounts and policy tokens that they made; these stay when they go.")


class UserDetail(UserAnswer):
    teams: list[MembershipAnswer]
    access: AccessAnswer | None = Field(description="Null for those who may not see it (access:read).")


class SignInLink(Answer):
    sign_in_link: str


class InvitationAnswer(Answer):
    id: str
    email: str
    name: str
    role: str
    teams: list[str]
    made_by: str
    created_at: Instant
    expires_at: Instant
    expired: bool


class IssuedInvitation(InvitationAnswer):
    link: str = Field(description="Whoever opens it becomes the user; pass it on safely.")


def invitation_url(settings: Settings, secret: str) -> str:
    return f"{settings.url}/invitation#{secret}"


def router(context: Context, names: ProjectNames) -> APIRouter:
    api = api_router("people")
    _add_users(api, context, names)
    _add_invitations(api, context)
    return api


def _add_users(api: APIRouter, context: Context, names: ProjectNames) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/users", openapi_extra=does("user:read"))
    def list_users(actor: Annotated[Actor, actor_of]) -> Listing[UserAnswer]:
        """Everybody who may sign in, or once might."""
        require(actor, "user:read")
        with context.db.read() as tx:
            return Listing(items=[UserAnswer.model_validate(each) for each in store.list_users(tx)])

    @api.get("/users/{id}", openapi_extra=does("user:read"))
    def get_user(actor: Annotated[Actor, actor_of], id: str) -> UserDetail:
        """A person with their teams, and for those who may see it what they may do and how they come in."""
        require(actor, "user:read")
        with context.db.read() as tx:
            user = user_actions.find(tx, id)
            found = person(tx, user, names) if allowed(actor, "access:read") else None
            teams = found.memberships if found else memberships_of(tx, user.id)
        return UserDetail(
            **UserAnswer.model_validate(user).model_dump(mode="python"),
            teams=[MembershipAnswer.model_validate(each) for each in teams],
            access=_access(found) if found else None,
        )

    @api.post("/users/{id}/sign-in-link", status_code=201, dependencies=[SECRET], openapi_extra=does("user:write"))
    def make_link(actor: Annotated[Actor, actor_of], id: str) -> SignInLink:
        """A new one-time link for somebody who cannot sign in. An older one that was not used opens no longer."""
        with context.db.begin() as tx:
            secret = actions.make_link(tx, context.log, actor, id)
        return SignInLink(sign_in_link=link_url(context.settings, secret))

    @api.patch("/users/{id}", openapi_extra=does("user:write"))
    def change_user(actor: Annotated[Actor, actor_of], id: str, body: UserChange) -> UserAnswer:
        """Change, deactivate or activate somebody. Deactivation ends sessions and tokens at once, and withdraws the
        invitations that they made."""
        require(actor, "user:write")
        with context.db.begin() as tx:
            changed = user_actions.change_user(
                tx,
                context.log,
                actor,
                user_actions.find(tx, id).id,
                name=body.name,
                role=body.role,
                active=body.active,
                email=body.email,
            )
        return UserAnswer.model_validate(changed)


def _access(found: Person) -> AccessAnswer:
    return AccessAnswer(
        roles=[RoleAnswer.model_validate(each) for each in found.roles],
        sessions=found.sessions,
        tokens=[TokenAnswer.model_validate(each) for each in found.tokens],
        last_seen_at=found.last_seen_at,
        made=[each.name for each in found.made],
    )


def _add_invitations(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/invitations", openapi_extra=does("user:read"))
    def list_invitations(actor: Annotated[Actor, actor_of]) -> Listing[InvitationAnswer]:
        """Who is invited and has not come yet, newest first; also those whose link has expired."""
        with context.db.read() as tx:
            found = invitation_actions.listed(tx, actor)
        return Listing(items=[InvitationAnswer.model_validate(each) for each in found])

    @api.post("/invitations", status_code=201, dependencies=[SECRET], openapi_extra=does("user:write"))
    def invite(actor: Annotated[Actor, actor_of], body: NewInvitation) -> IssuedInvitation:
        """Invite somebody: the answer holds a link, open for seven days, which makes them a user with this role and
        these teams. Highroad sends no mail."""
        with context.db.begin() as tx:
            made = invitation_actions.invite(
                tx, context.log, actor, email=body.email, name=body.name, role=body.role, into=body.teams
            )
        return _issued(context, *made)

    @api.post("/invitations/{id}/resend", dependencies=[SECRET], openapi_extra=does("user:write"))
    def resend(actor: Annotated[Actor, actor_of], id: str) -> IssuedInvitation:
        """A new link for another seven days; the one before opens nothing any more."""
        with context.db.begin() as tx:
            made = invitation_actions.resend(tx, context.log, actor, id)
        return _issued(context, *made)

    @api.delete("/invitations/{id}", status_code=204, openapi_extra=does("user:write"))
    def withdraw(actor: Annotated[Actor, actor_of], id: str) -> None:
        """Take an invitation back, by its id or email address: its link opens nothing any more."""
        with context.db.begin() as tx:
            invitation_actions.withdraw(tx, context.log, actor, id)


def _issued(context: Context, invitation: Invitation, secret: str) -> IssuedInvitation:
    shown = InvitationAnswer.model_validate(invitation).model_dump(mode="python")
    return IssuedInvitation(**shown, link=invitation_url(context.settings, secret))
