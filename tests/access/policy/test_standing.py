"""Which roles somebody holds where: the most specific grant of each holder, and the union over holders."""

from __future__ import annotations

import pytest

from highroad.access.places import ORGANIZATION
from highroad.access.policy.engine import built_in
from highroad.access.policy.standing import MODES, Grant, Standing
from tests.access.policy.people_of_tests import BLOG, SHOP, at, everywhere, held


def roles(*grants: Grant, place: object = None) -> set[str]:
    return set(Standing(built_in(), (), grants).roles_at(place or at("production"))[0])  # type: ignore[arg-type]


def test_without_a_grant_nothing_is_held() -> None:
    assert roles() == set()


def test_a_built_in_role_has_the_lesser_ones() -> None:
    assert roles(held("deployer")) == {"viewer", "deployer"}


def test_a_grant_for_a_mode_counts_in_that_mode_alone() -> None:
    grant = held("manager", "preview")
    assert roles(grant, place=at("preview")) == {"viewer", "deployer", "manager"}
    assert roles(grant) == set()


def test_a_grant_for_a_project_counts_in_that_project_alone() -> None:
    assert roles(held("viewer"), place=at("production", BLOG)) == set()


def test_a_grant_for_all_projects_counts_in_each() -> None:
    assert roles(held("viewer", project=None), place=at("staging", BLOG)) == {"viewer"}


def test_a_grant_for_the_mode_wins_over_one_for_all_modes() -> None:
    assert roles(held("manager"), held("viewer", "production")) == {"viewer"}
    assert roles(held("viewer"), held("manager", "production")) == {"viewer", "deployer", "manager"}


def test_a_grant_for_the_project_wins_over_one_for_all_projects() -> None:
    assert roles(held("manager", project=None), held("viewer")) == {"viewer"}


def test_a_grant_for_the_project_wins_over_one_for_the_mode_in_all_projects() -> None:
    assert roles(held("manager", "production", project=None), held("viewer")) == {"viewer"}


def test_none_takes_back_what_a_wider_grant_of_the_same_holder_gives() -> None:
    grants = (held("manager"), held("none", "production"))
    assert roles(*grants) == set()
    assert roles(*grants, place=at("development")) == {"viewer", "deployer", "manager"}


def test_what_holders_have_adds_up() -> None:
    assert roles(held("viewer"), held("deployer", team="t1"), held("viewer", team="t2")) == {"viewer", "deployer"}


def test_none_of_one_holder_takes_nothing_from_another() -> None:
    assert roles(held("none", "production"), held("deployer", team="t1")) == {"viewer", "deployer"}


def test_a_custom_role_stands_beside_the_built_in_ones() -> None:
    assert roles(held("release-captain"), held("viewer", team="t1")) == {"release-captain", "viewer"}


def test_a_project_has_the_roles_that_are_held_in_all_its_modes() -> None:
    grants = (held("manager"), held("viewer", "production"))
    assert roles(*grants, place=SHOP) == {"viewer"}
    assert roles(*everywhere("manager"), place=SHOP) == {"viewer", "deployer", "manager"}


def test_one_mode_without_a_role_leaves_a_project_without_any() -> None:
    grants = [held("manager", mode) for mode in MODES[1:]]
    assert roles(*grants, place=SHOP) == set()


@pytest.mark.parametrize("place", [SHOP, at("production"), at("production", service="web"), SHOP.of_service("web")])
def test_what_is_held_in_any_mode_is_held_somewhere(place: object) -> None:
    standing = Standing(built_in(), (), (held("deployer", "preview"),))
    assert standing.roles_at(place)[1] == {"viewer", "deployer"}  # type: ignore[arg-type]


def test_the_organization_has_no_roles_by_grant() -> None:
    standing = Standing(built_in(), (), (held("manager", project=None),))
    assert standing.roles_at(ORGANIZATION) == (frozenset(), frozenset())
