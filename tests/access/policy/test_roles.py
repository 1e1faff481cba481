"""Every built-in role times every action times every kind of place, written down by hand beside the data."""

from __future__ import annotations

import itertools

import pytest

from highroad.access.permissions import allowed
from highroad.access.places import ORGANIZATION, Place, PlaceKind
from highroad.access.policy.actions import ACTIONS
from highroad.access.policy.roles import BUILT_IN, GRANTABLE, ORGANIZATION_MEANING, ORGANIZATION_ROLES
from highroad.access.policy.standing import MODES
from tests.access.policy.people_of_tests import SHOP, at, everywhere, held, somebody

ROLES = ("none", "viewer", "deployer", "manager")
NEEDED: dict[str, tuple[str | None, str | None, str | None]] = {
    # The least role that an action takes: in an environment; in a project, held in one mode; held in all modes.
    "access:read": (None, "viewer", "viewer"),
    "access:write": (None, None, "manager"),
    "project:read": ("viewer", "viewer", "viewer"),
    "project:write": (None, None, "manager"),
    "environment:write": ("manager", None, "manager"),
    "service:write": ("manager", None, "manager"),
    "variable:read": ("viewer", None, "viewer"),
    "variable:write": ("deployer", None, "deployer"),
    "secret:read": ("manager", None, "manager"),
    "secret:write": ("deployer", None, "deployer"),
    "repository:read": (None, "viewer", "viewer"),
    "repository:write": (None, "deployer", "deployer"),
    "run:write": (None, "deployer", "deployer"),
    "deployment:write": ("deployer", None, None),
    "deployment:approve": ("deployer", None, None),
    "gate:pass": ("manager", None, None),
    "gate:write": ("manager", None, "manager"),
    "lock:write": ("deployer", None, None),
    "command:write": ("deployer", None, None),
    "log:read": ("viewer", None, None),
    "event:read": (None, "viewer", "viewer"),
}
FOR_MEMBERS = {"self:read", "self:write", "user:read", "team:read", "project:create"}
NOT_FOR_AUDITORS = {"secret:read"}


def enough(role: str, needed: str | None) -> bool:
    return needed is not None and ROLES.index(role) >= ROLES.index(needed)


def places_of(kind: PlaceKind) -> list[Place]:
    return {
        "organization": [ORGANIZATION],
        "project": [SHOP],
        "service": [SHOP.of_service("web")],
        "environment": [at("production"), at("production", service="web")],
    }[kind]


def test_the_table_is_about_all_that_a_role_can_consist_of() -> None:
    assert set(NEEDED) == GRANTABLE
    assert tuple(role.name for role in BUILT_IN) == ROLES


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_what_a_role_gives_where(action: str, role: str) -> None:
    here, one, every = NEEDED.get(action, (None, None, None))
    in_production, in_all = somebody(held(role, "production")), somebody(*everywhere(role))
    for kind in ACTIONS[action].places:
        for place in places_of(kind):
            if kind == "organization":
                assert allowed(in_all, action, place) == (action in FOR_MEMBERS)
            elif kind == "environment":
                assert allowed(in_production, action, place) == enough(role, here)
                assert not allowed(
                    somebody(*(held(role, mode) for mode in MODES if mode != "production")), action, place
                )
            else:
                assert allowed(in_production, action, place) == enough(role, one)
                assert allowed(in_all, action, place) == enough(role, every)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_what_a_role_in_the_organization_gives(action: str) -> None:
    for kind in ACTIONS[action].places:
        for place in places_of(kind):
            assert allowed(somebody(role="owner"), action, place)
            assert allowed(somebody(role="admin"), action, place)
            reads = action.endswith(":read") and action not in NOT_FOR_AUDITORS
            assert allowed(somebody(role="auditor"), action, place) == (reads or action == "self:write")
            assert allowed(somebody(role="member"), action, place) == (action in FOR_MEMBERS)


def test_each_role_has_the_actions_of_the_one_below_it() -> None:
    for lesser, greater in itertools.pairwise(BUILT_IN):
        assert lesser.actions < greater.actions
        assert greater.description.endswith(".")


def test_every_role_of_the_organization_says_what_it_means() -> None:
    assert tuple(ORGANIZATION_MEANING) == ORGANIZATION_ROLES
