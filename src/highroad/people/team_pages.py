"""The pages about teams: the tree of them, and one team with its members."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access import grants, service_accounts, store, teams
from highroad.access import team_actions as actions
from highroad.access.permissions import allowed, require
from highroad.access.teams import Team
from highroad.errors import HighroadError, Invalid
from highroad.people.persons import ProjectNames
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit


class NotConfirmed(Invalid):
    code = "team-deletion-not-confirmed"
    title = "The deletion was not confirmed"


def router(context: Context, names: ProjectNames) -> APIRouter:
    pages = page_router()
    _add_teams(pages, context)
    _add_team(pages, context, names)
    _add_members(pages, context, names)
    return pages


def as_tree(everyone: Sequence[Team], parent: str | None = None, level: int = 0) -> list[tuple[int, Team]]:
    """Teams with their level below the top, each followed by those below it."""
    found: list[tuple[int, Team]] = []
    for each in everyone:
        if each.parent == parent:
            found += [(level, each), *as_tree(everyone, each.id, level + 1)]
    return found


def _teams(visit: Visit, refused: Refusal | None = None) -> Response:
    with visit.context.db.read() as tx:
        everyone = actions.visible(tx, visit.actor)
        counts = {each.id: len(teams.members(tx, each.id)) for each in everyone}
    return visit.page(
        "teams.html",
        refused=refused,
        tree=as_tree(everyone),
        counts=counts,
        done=visit.request.query_params.get("done", ""),
    )


def _add_teams(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/teams", openapi_extra=does("team:read"))
    def show_teams(visit: Annotated[Visit, visitor]) -> Response:
        return _teams(visit)

    @pages.post("/teams", openapi_extra=does("team:write"))
    def create(visit: Annotated[Visit, visitor]) -> Response:
        form = visit.form
        try:
            with context.db.begin() as tx:
                made = actions.create(
                    tx,
                    context.log,
                    visit.actor,
                    name=form.text("name"),
                    title=form.text("title"),
                    parent=form.text("parent") or None,
                )
        except HighroadError as error:
            if not allowed(visit.actor, "team:write"):
                raise  # there is no form that would say so
            return _teams(visit, visit.refusal("team", error))
        return visit.go(f"/teams/{made.name}")


def _team(visit: Visit, names: ProjectNames, name: str, refused: Refusal | None = None) -> Response:
    require(visit.actor, "team:read")
    with visit.context.db.read() as tx:
        team = actions.find(tx, name)
        everyone = teams.list_teams(tx)
        members = teams.members(tx, team.id)
        inside = {each.user for each in members}
        users = [each for each in store.list_users(tx) if each.active and each.id not in inside]
        accounts = [each for each in service_accounts.everyone(tx, "service") if each.active and each.id not in inside]
        held = grants.list_grants(tx, holder_id=team.id) if allowed(visit.actor, "access:read") else None
        projects = names(tx)
    by_id = {each.id: each for each in everyone}
    return visit.page(
        "team.html",
        refused=refused,
        team=team,
        above=by_id.get(team.parent or ""),
        below=[each for each in everyone if each.parent == team.id],
        members=members,
        addable=[(each.email, each.name) for each in users] + [(each.name, each.name) for each in accounts],
        grants=held,
        projects=projects,
        movable=[each for _, each in as_tree(everyone) if each.id != team.id],
        done=visit.request.query_params.get("done", ""),
    )


def _add_team(pages: APIRouter, context: Context, names: ProjectNames) -> None:
    visitor = Depends(visit(context))

    @pages.get("/teams/{name}", openapi_extra=does("team:read"))
    def show_team(visit: Annotated[Visit, visitor], name: str) -> Response:
        return _team(visit, names, name)

    @pages.post("/teams/{name}", openapi_extra=does("team:write"))
    def change(visit: Annotated[Visit, visitor], name: str) -> Response:
        require(visit.actor, "team:write")
        form = visit.form
        try:
            with context.db.begin() as tx:
                changes = {"title": form.text("title"), "parent": form.text("parent") or None}
                actions.change(tx, context.log, visit.actor, actions.find(tx, name), changes=changes)
        except HighroadError as error:
            return _team(visit, names, name, visit.refusal("team", error))
        return visit.go(f"/teams/{name}?done=changed")

    @pages.post("/teams/{name}/delete", openapi_extra=does("team:write"))
    def delete(visit: Annotated[Visit, visitor], name: str) -> Response:
        require(visit.actor, "team:write")
        with context.db.begin() as tx:
            team = actions.find(tx, name)
            if visit.form.text("confirm") != team.name:
                error = NotConfirmed(
                    "The name was typed differently. Nothing was deleted.", next_step=f"Type {team.name}."
                )
                return _team(visit, names, name, visit.refusal("delete", error))
            actions.delete(tx, context.log, visit.actor, team)
        return visit.go("/teams?done=deleted")


def _add_members(pages: APIRouter, context: Context, names: ProjectNames) -> None:
    visitor = Depends(visit(context))

    @pages.post("/teams/{name}/members", openapi_extra=does("team:write"))
    def add(visit: Annotated[Visit, visitor], name: str) -> Response:
        require(visit.actor, "team:write")
        try:
            with context.db.begin() as tx:
                team = actions.find(tx, name)
                actions.add_member(tx, context.log, visit.actor, team, visit.form.text("member")[:254])
        except HighroadError as error:
            return _team(visit, names, name, visit.refusal("member", error))
        return visit.go(f"/teams/{name}?done=member")

    @pages.post("/teams/{name}/members/{member}/remove", openapi_extra=does("team:write"))
    def remove(visit: Annotated[Visit, visitor], name: str, member: str) -> Response:
        require(visit.actor, "team:write")
        try:
            with context.db.begin() as tx:
                actions.remove_member(tx, context.log, visit.actor, actions.find(tx, name), member)
        except HighroadError as error:
            return _team(visit, names, name, visit.refusal("member", error))
        return visit.go(f"/teams/{name}?done=member")
