"""Teams over HTTP: nested, with their members and where each membership comes from."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from highroad.access import team_actions as actions
from highroad.access import teams
from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.access.teams import Team
from highroad.db.engine import Transaction
from highroad.web.api import Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context


class NewTeam(Body):
    name: str = Field(max_length=200, description="A DNS label; it stays, because policies are written with it.")
    title: str = Field(default="", max_length=120, description="What people read; the name when left out.")
    parent: str | None = Field(default=None, max_length=80, description="The name or id of the team above.")


class TeamChange(Body):
    title: str | None = Field(default=None, max_length=120)
    parent: str | None = Field(default=None, max_length=80, description="Null: to the top.")


class MemberAnswer(Answer):
    user: str
    email: str
    name: str
    active: bool
    sources: list[str] = Field(description="manual, scim, or oidc: with the name of the provider.")


class TeamAnswer(Answer):
    id: str
    name: str
    title: str
    parent: str | None = Field(description="The name of the team above.")
    external_id: str | None
    created_at: Instant


class TeamDetail(TeamAnswer):
    children: list[str] = Field(description="The names of the teams right below it.")
    members: list[MemberAnswer] = Field(description="Those of this very team; members of teams below belong to it too.")


class TeamGone(Answer):
    name: str
    moved_up: list[str] = Field(description="The teams that were right below it and now stand where it was.")


def router(context: Context) -> APIRouter:
    api = api_router("teams")
    _add_teams(api, context)
    _add_members(api, context)
    return api


def answer(team: Team, everyone: list[Team]) -> TeamAnswer:
    names = {each.id: each.name for each in everyone}
    return TeamAnswer(
        id=team.id,
        name=team.name,
        title=team.title,
        parent=names.get(team.parent or ""),
        external_id=team.external_id,
        created_at=team.created_at,
    )


def _detail(tx: Transaction, team: Team) -> TeamDetail:
    everyone = teams.list_teams(tx)
    return TeamDetail(
        **answer(team, everyone).model_dump(mode="python"),
        children=[each.name for each in everyone if each.parent == team.id],
        members=[MemberAnswer.model_validate(each) for each in teams.members(tx, team.id)],
    )


def _add_teams(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/teams", openapi_extra=does("team:read"))
    def list_teams(actor: Annotated[Actor, actor_of]) -> Listing[TeamAnswer]:
        """All teams, by name."""
        with context.db.read() as tx:
            found = actions.visible(tx, actor)
        return Listing(items=[answer(each, found) for each in found])

    @api.post("/teams", status_code=201, openapi_extra=does("team:write"))
    def create_team(actor: Annotated[Actor, actor_of], body: NewTeam) -> TeamDetail:
        """A team without members, at the top or below another one."""
        with context.db.begin() as tx:
            made = actions.create(tx, context.log, actor, name=body.name, title=body.title, parent=body.parent)
            return _detail(tx, made)

    @api.get("/teams/{id}", openapi_extra=does("team:read"))
    def get_team(actor: Annotated[Actor, actor_of], id: str) -> TeamDetail:
        """A team by its name or id, with its members and the teams below it."""
        require(actor, "team:read")
        with context.db.read() as tx:
            return _detail(tx, actions.find(tx, id))

    @api.patch("/teams/{id}", openapi_extra=does("team:write"))
    def change_team(actor: Annotated[Actor, actor_of], id: str, body: TeamChange) -> TeamDetail:
        """Give a team another title or put it below another one; fields that are left out stay."""
        require(actor, "team:write")
        changes = {name: getattr(body, name) for name in body.model_fields_set}
        with context.db.begin() as tx:
            return _detail(tx, actions.change(tx, context.log, actor, actions.find(tx, id), changes=changes))

    @api.delete("/teams/{id}", openapi_extra=does("team:write"))
    def delete_team(actor: Annotated[Actor, actor_of], id: str) -> TeamGone:
        """Delete a team with its memberships and grants. The teams right below it move up to where it was, and projects
        that it owned have no owner any more."""
        require(actor, "team:write")
        with context.db.begin() as tx:
            team = actions.find(tx, id)
            below = actions.delete(tx, context.log, actor, team)
        return TeamGone(name=team.name, moved_up=[each.name for each in below])


def _add_members(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.put("/teams/{id}/members/{member}", openapi_extra=does("team:write"))
    def add_member(actor: Annotated[Actor, actor_of], id: str, member: str) -> TeamDetail:
        """Put a user or service account (by id, email address or name) into a team."""
        require(actor, "team:write")
        with context.db.begin() as tx:
            team = actions.find(tx, id)
            actions.add_member(tx, context.log, actor, team, member)
            return _detail(tx, team)

    @api.delete("/teams/{id}/members/{member}", openapi_extra=does("team:write"))
    def remove_member(actor: Annotated[Actor, actor_of], id: str, member: str) -> TeamDetail:
        """Take somebody out of a team who was put there by hand; other memberships end where they come from."""
        require(actor, "team:write")
        with context.db.begin() as tx:
            team = actions.find(tx, id)
            actions.remove_member(tx, context.log, actor, team, member)
            return _detail(tx, team)
