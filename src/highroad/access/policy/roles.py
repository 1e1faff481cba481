"""Roles: what somebody may do in the environments of one mode of a project, or in the organization. Pure values.

A role becomes Cedar statements (`statements`); who holds it where are grants. The built-in ones are data like the ones
that a company defines, so that a matrix can show all of them alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from highroad.access.policy.actions import ACTIONS

OrganizationRole = Literal["owner", "admin", "auditor", "member"]
ORGANIZATION_ROLES: tuple[str, ...] = get_args(OrganizationRole)

_SEE = ("project:read", "access:read", "variable:read", "repository:read", "log:read", "event:read")
_SHIP = (
    "repository:write",
    "run:write",
    "deployment:write",
    "deployment:approve",
    "command:write",
    "variable:write",
    "secret:write",
    "lock:write",
)
_RUN = (
    "environment:write",
    "service:write",
    "secret:read",
    "gate:write",
    "gate:pass",
    "project:write",
    "access:write",
)


@dataclass(frozen=True, slots=True)
class Role:
    """`actions` hold in the environments that it is granted for, and in their project as `Action.somewhere` says."""

    name: str
    description: str
    actions: frozenset[str]
    built_in: bool = False


BUILT_IN: tuple[Role, ...] = (
    Role("none", "Nothing, not even that it exists.", frozenset(), built_in=True),
    Role("viewer", "Sees everything but the values of secrets.", frozenset(_SEE), built_in=True),
    Role(
        "deployer",
        "Pushes, deploys, configures, and approves what others ask for.",
        frozenset(_SEE + _SHIP),
        built_in=True,
    ),
    Role(
        "manager",
        "Everything: also environments, services, gates, secret values and who has access.",
        frozenset(_SEE + _SHIP + _RUN),
        built_in=True,
    ),
)
RANK: dict[str, int] = {role.name: rank for rank, role in enumerate(BUILT_IN)}

ORGANIZATION_MEANING: dict[str, str] = {
    "owner": "Everything, also who else is an owner. No policy keeps an owner from changing policies.",
    "admin": "Everything but making and unmaking owners.",
    "auditor": "Reads everything, the audit log too, and changes nothing. Sees no secret values.",
    "member": "Creates projects, and in others has what grants give.",
}
_ANYBODY = ("self:read", "self:write")
_MEMBER = ("user:read", "team:read", "project:create")
GRANTABLE: frozenset[str] = frozenset(
    name for name, action in ACTIONS.items() if action.places != ("organization",) and "organization" in action.places
)
"""What a role can consist of: the actions of projects and environments."""


def organization_statements() -> dict[str, dict[str, Any]]:
    """The statements of the organization's roles by policy id, in Cedar's JSON form."""
    reading = [name for name in ACTIONS if name.endswith(":read") and name != "secret:read"]
    return {
        "everybody": _permit({"op": "All"}, _ANYBODY),
        "organization:owner": _permit(_in("OrganizationRole", "owner"), tuple(ACTIONS)),
        "organization:admin": _permit(_in("OrganizationRole", "admin"), tuple(ACTIONS)),
        "organization:auditor": _permit(_in("OrganizationRole", "auditor"), tuple(reading)),
        "organization:member": _permit(_in("OrganizationRole", "member"), _MEMBER),
    }


def statements(role: Role) -> dict[str, dict[str, Any]]:
    """The role's statements by policy id. `Role::"x"` is held at the place itself: in a project, in all its modes;
    `Somewhere::"x"` in at least one of them."""
    if not role.actions:
        return {}
    somewhere = sorted(name for name in role.actions if ACTIONS[name].somewhere)
    made = {f"role:{role.name}": _permit(_in("Role", role.name), tuple(sorted(role.actions)))}
    if somewhere:
        made[f"role:{role.name}:somewhere"] = _permit(_in("Somewhere", role.name), tuple(somewhere))
    return made


def _in(kind: str, id: str) -> dict[str, Any]:
    return {"op": "in", "entity": {"type": kind, "id": id}}


def _permit(principal: dict[str, Any], actions: tuple[str, ...]) -> dict[str, Any]:
    return {
        "effect": "permit",
        "principal": principal,
        "action": {"op": "in", "entities": [{"type": "Action", "id": name} for name in actions]},
        "resource": {"op": "All"},
        "conditions": [],
    }
