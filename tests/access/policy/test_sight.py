"""What policies look at is never taken for less than it is: a decision would be remembered for a place it is not of."""

from __future__ import annotations

import json

import pytest
from cedarpy import policies_to_json_str

from highroad.access.policy.schema import CIRCUMSTANCES
from highroad.access.policy.sight import ALL_OF_A_PLACE, Sees, what_they_see

ALL = CIRCUMSTANCES | {"origin"}


def sees(text: str) -> Sees:
    return what_they_see(json.loads(policies_to_json_str(text))["staticPolicies"].values(), ALL)


def forbid(when: str) -> Sees:
    return sees(f"forbid(principal, action, resource) when {{ {when} }};")


def test_a_policy_about_an_action_looks_at_nothing_more() -> None:
    assert sees('forbid(principal, action == Action::"gate:pass", resource is Environment);') == Sees()


@pytest.mark.parametrize(
    "head",
    [
        'principal == User::"a", action, resource',
        'principal in Team::"a", action, resource',
        "principal is ServiceAccount, action, resource",
        'principal is User in Team::"a", action, resource',
    ],
)
def test_a_head_that_names_who_looks_at_who(head: str) -> None:
    assert sees(f"forbid({head});").principal


@pytest.mark.parametrize(
    ("resource", "place"),
    [
        ('resource == Project::"a"', {"project_name"}),
        ('resource in Project::"a"', {"project_name"}),
        ('resource is Environment in Project::"a"', {"project_name"}),
        ('resource == Environment::"a/b"', {"project_name", "environment"}),
        ('resource is Service in Organization::"organization"', {"project_name"}),
        ('resource in Team::"a"', ALL_OF_A_PLACE),
    ],
)
def test_a_head_that_names_a_place_looks_at_what_the_place_is_known_by(resource: str, place: set[str]) -> None:
    assert sees(f"forbid(principal, action, {resource});").place == place


@pytest.mark.parametrize(
    ("when", "place"),
    [
        ('resource has mode && resource.mode == "production"', {"mode"}),
        ('resource["mode"] == "production"', {"mode"}),
        ("principal in resource.team", {"team"}),
        ('resource.project == "shop"', {"project_name"}),
        ('resource has service && resource.service like "w*"', {"service"}),
        ('resource.name == "shop"', ALL_OF_A_PLACE),
        ('resource in Project::"shop"', {"project_name"}),
        ('resource in [Project::"shop", Service::"shop/web"]', {"project_name", "service"}),
        ('resource is Environment in Project::"shop"', {"project_name"}),
        ("resource is Environment", set()),
        ("resource == resource.team", ALL_OF_A_PLACE),
        ("resource in [resource.team]", ALL_OF_A_PLACE),
        ('Project::"shop" == resource', ALL_OF_A_PLACE),
        ('{"mode": resource}["mode"] == Environment::"a"', ALL_OF_A_PLACE),
        ('{".": resource}["."] == Environment::"a"', ALL_OF_A_PLACE),
        ('{"Value": resource}["Value"] == Environment::"a"', ALL_OF_A_PLACE),
        ('[resource].contains(Environment::"a")', ALL_OF_A_PLACE),
        ('(if true then resource else resource).mode == "a"', ALL_OF_A_PLACE),
        ('"resource" == "mode"', set()),
    ],
)
def test_a_condition_looks_at_what_it_asks_of_the_place(when: str, place: set[str]) -> None:
    assert forbid(when).place == place


@pytest.mark.parametrize(
    ("when", "known"),
    [
        ("context has risk && context.risk > 3", {"risk"}),
        ('context.origin == "git"', {"origin"}),
        ('{"a": context}.a.origin == "git"', ALL),
        ("context.hour > 3", set()),
    ],
)
def test_a_condition_looks_at_the_circumstances_that_it_names(when: str, known: set[str]) -> None:
    assert forbid(when).circumstances == known


def test_the_clock_counts_as_finely_as_it_is_read() -> None:
    assert forbid('context.weekday == "fri"').minute
    assert not forbid('context.weekday == "fri"').second
    assert forbid('context.now > datetime("2026-01-01")').second
    assert forbid("[context].contains(context)").second


def test_unless_counts_as_when() -> None:
    assert sees('permit(principal, action, resource) unless { principal in Team::"a" };').principal
