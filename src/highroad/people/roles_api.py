"""Roles over HTTP: what each one means, and those that a company defines."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from highroad.access import custom_roles, granting
from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.access.policy.actions import ACTIONS
from highroad.access.policy.roles import GRANTABLE, Role
from highroad.web.api import Answer, Body, Listing, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context


class NewRole(Body):
    name: str = Field(max_length=200, description="A DNS label.")
    description: str = Field(default="", max_length=500)
    actions: list[str] = Field(max_length=100, description="Actions of projects and environments.")


class RoleChange(Body):
    description: str | None = Field(default=None, max_length=500)
    actions: list[str] | None = Field(default=None, max_length=100)


class RoleAnswer(Answer):
    name: str
    description: str
    actions: list[str]
    built_in: bool


class ActionAnswer(Answer):
    name: str
    meaning: str
    scope: str
    places: list[str]
    grantable: bool


def role_answer(role: Role) -> RoleAnswer:
    return RoleAnswer(
        name=role.name, description=role.description, actions=sorted(role.actions), built_in=role.built_in
    )


def router(context: Context) -> APIRouter:
    api = api_router("roles")
    _add_reading(api, context)
    _add_changes(api, context)
    return api


def _add_reading(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/roles", openapi_extra=does("self:read"))
    def list_roles(actor: Annotated[Actor, actor_of]) -> Listing[RoleAnswer]:
        """The built-in roles and those of the company, with the actions they give."""
        require(actor, "self:read")
        with context.db.read() as tx:
            return Listing(items=[role_answer(each) for each in granting.all_roles(tx).values()])

    @api.get("/actions", openapi_extra=does("self:read"))
    def list_actions(actor: Annotated[Actor, actor_of]) -> Listing[ActionAnswer]:
        """Everything that somebody can be allowed to do, with the scope that a token needs for it."""
        require(actor, "self:read")
        return Listing(
            items=[
                ActionAnswer(
                    name=name,
                    meaning=each.meaning,
                    scope=each.scope,
                    places=list(each.places),
                    grantable=name in GRANTABLE,
                )
                for name, each in ACTIONS.items()
            ]
        )

    @api.get("/roles/{role}", openapi_extra=does("self:read"))
    def get_role(actor: Annotated[Actor, actor_of], role: str) -> RoleAnswer:
        """One role."""
        require(actor, "self:read")
        with context.db.read() as tx:
            return role_answer(custom_roles.find(tx, role))


def _add_changes(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.post("/roles", status_code=201, openapi_extra=does("role:write"))
    def create_role(actor: Annotated[Actor, actor_of], body: NewRole) -> RoleAnswer:
        """A role of the company's own. Seeing the project is part of every role."""
        with context.db.begin() as tx:
            made = custom_roles.create(
                tx,
                context.log,
                actor,
                name=body.name,
                description=body.description,
                actions=frozenset(body.actions),
            )
        return role_answer(made)

    @api.patch("/roles/{role}", openapi_extra=does("role:write"))
    def change_role(actor: Annotated[Actor, actor_of], role: str, body: RoleChange) -> RoleAnswer:
        """Change a role of the company's own; everybody who has it has it so at once."""
        actions = frozenset(body.actions) if body.actions is not None else None
        with context.db.begin() as tx:
            changed = custom_roles.change(tx, context.log, actor, role, description=body.description, actions=actions)
        return role_answer(changed)

    @api.delete("/roles/{role}", status_code=204, openapi_extra=does("role:write"))
    def delete_role(actor: Annotated[Actor, actor_of], role: str) -> None:
        """Delete a role that nobody has."""
        with context.db.begin() as tx:
            custom_roles.delete(tx, context.log, actor, role)
