"""Decisions: what policies say, what is remembered of it, and that threads and people do not get into each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from highroad.access.permissions import allowed, decision, filter_allowed
from highroad.access.places import Place
from highroad.access.policy.engine import Asking, Company, Policies, compile_policies, compile_token
from highroad.access.policy.roles import BUILT_IN, Role
from highroad.access.policy.standing import MODES
from tests.access.policy.people_of_tests import BLOG, SHOP, at, everywhere, held, somebody, under

FRIDAY = 'forbid(principal, action == Action::"deployment:write", resource) when { context.weekday == "fri" };'


def test_a_company_forbids_what_a_role_permits_and_is_named_for_it() -> None:
    policies = under(
        'forbid(principal, action == Action::"deployment:write", resource) when { resource.mode == "production" };'
    )
    actor = somebody(*everywhere("manager"), policies=policies)
    found = decision(actor, "deployment:write", at("production"))
    assert (found.allowed, found.forbidden, found.policies) == (False, True, ("company:p1@1#1",))
    assert allowed(actor, "deployment:write", at("staging"))


def test_a_company_permits_beyond_roles() -> None:
    policies = under(
        'permit(principal == User::"ben@example.com", action == Action::"log:read", '
        'resource == Environment::"shop/production");'
    )
    actor = somebody(policies=policies)
    assert decision(actor, "log:read", at("production")).policies == ("company:p1@1#1",)
    assert not allowed(actor, "log:read", at("staging"))
    assert not allowed(somebody(policies=policies, name="eve@example.com"), "log:read", at("production"))


def test_a_policy_about_one_project_is_not_remembered_for_another() -> None:
    actor = somebody(
        *everywhere("manager"),
        *(held("manager", project=BLOG) for _ in "x"),
        policies=under('forbid(principal, action, resource is Environment in Project::"shop");'),
    )
    assert not allowed(actor, "log:read", at("production"))
    assert allowed(actor, "log:read", at("production", BLOG))


def test_teams_count_upward_and_by_the_owner_of_the_project() -> None:
    policies = under(
        "permit(principal, action, resource is Project) when { resource has team && principal in resource.team };"
    )
    assert allowed(somebody(policies=policies, teams=["payments"]), "project:write", SHOP)
    assert not allowed(somebody(policies=policies, teams=["payments"]), "project:write", BLOG)
    assert not allowed(somebody(policies=policies), "project:write", SHOP)


def test_a_custom_role_gives_what_it_consists_of() -> None:
    captain = Role("captain", "Deploys.", frozenset({"project:read", "deployment:write"}))
    actor = somebody(held("captain", "production"), policies=under(roles=[captain]))
    assert allowed(actor, "deployment:write", at("production"))
    assert not allowed(actor, "log:read", at("production"))
    assert allowed(actor, "project:read", SHOP)
    assert not allowed(somebody(held("captain", "production")), "project:read", SHOP), "it is not defined there"


def test_circumstances_decide_and_what_is_unknown_is_not_there() -> None:
    actor = somebody(
        *everywhere("manager"),
        policies=under(
            'forbid(principal, action == Action::"deployment:write", resource) '
            "unless { context has risk && context.risk < 50 };"
        ),
    )
    place = at("production")
    assert allowed(actor, "deployment:write", place, risk=10)
    assert not allowed(actor, "deployment:write", place, risk=60)
    assert not allowed(actor, "deployment:write", place, risk=None)


def test_a_forbid_that_cannot_be_evaluated_forbids() -> None:
    text = "forbid(principal, action, resource) when { context has risk && context.risk * 9223372036854775807 > 1 };"
    actor = somebody(*everywhere("manager"), policies=under(text))
    found = decision(actor, "deployment:write", at("production"), risk=2)
    assert (found.allowed, found.policies) == (False, ("company:p1@1#1",))
    assert found.errors


def test_what_the_clock_says_is_asked_anew() -> None:
    policies, who = under(FRIDAY), Asking("User", "a", "a", "member", (), frozenset({"manager"}), frozenset())
    asked = ("deployment:write", at("production"), {"origin": "api"})
    assert not policies.fresh(who, *asked, datetime(2026, 11, 27, 23, 59, tzinfo=UTC)).allowed
    assert policies.fresh(who, *asked, datetime(2026, 11, 28, 0, 0, tzinfo=UTC)).allowed


def test_a_policy_token_may_do_what_its_policy_permits_and_the_company_does_not_forbid() -> None:
    text = 'permit(principal, action in [Action::"deployment:write", Action::"log:read"], resource in Project::"shop");'
    policies = compile_token(
        text, "ci", [Company("no-logs", 1, 'forbid(principal, action == Action::"log:read", resource);')]
    )
    who = Asking("PolicyToken", "ci", "ci", "", (), frozenset(), frozenset())
    assert policies.decide(who, "deployment:write", at("staging"), {"origin": "api"}).allowed
    assert policies.decide(who, "log:read", at("staging"), {"origin": "api"}).policies == ("company:no-logs@1#1",)
    assert not policies.decide(who, "deployment:write", at("staging", BLOG), {"origin": "api"}).allowed
    assert not policies.decide(who, "project:read", SHOP, {"origin": "api"}).allowed


def test_what_a_company_permits_is_not_for_policy_tokens() -> None:
    policies = compile_token("", "ci", [Company("all", 1, "permit(principal, action, resource);")])
    who = Asking("PolicyToken", "ci", "ci", "", (), frozenset(), frozenset())
    assert not policies.decide(who, "project:read", SHOP, {"origin": "api"}).allowed


def test_threads_share_policies() -> None:
    policies = under(
        FRIDAY, 'forbid(principal, action, resource) when { resource has mode && resource.mode == "sandbox" };'
    )
    actors = [somebody(*everywhere(role), policies=policies) for role in ("viewer", "deployer", "manager")]
    asked = [(actor, action, at(mode)) for actor in actors for action in ("log:read", "lock:write") for mode in MODES]
    expected = [allowed(*each) for each in asked]
    fresh = under(
        FRIDAY, 'forbid(principal, action, resource) when { resource has mode && resource.mode == "sandbox" };'
    )
    again = [
        (somebody(*actor.standing.grants, policies=fresh), action, place)
        for actor, action, place in asked
        if actor.standing
    ]
    with ThreadPoolExecutor(8) as threads:
        for answers in [threads.map(lambda each: allowed(*each), again) for _ in range(20)]:
            assert list(answers) == expected


def test_a_list_is_filtered_as_each_of_its_items_would_be() -> None:
    policies = under('forbid(principal, action, resource) when { resource has service && resource.service == "s7" };')
    actor = somebody(held("viewer", "production"), policies=policies)
    places = [at(mode, project, service=f"s{n}") for n in range(20) for mode in MODES for project in (SHOP, BLOG)]
    found = filter_allowed(actor, "log:read", places, lambda place: place)
    assert found == [place for place in places if allowed(actor, "log:read", place)]
    assert len(found) == 19


# Remembered decisions are fresh ones, whatever the policies and whoever asks

_HEADS = [
    "principal, action, resource",
    'principal == User::"u1", action, resource',
    'principal in Team::"t1", action, resource',
    'principal in Role::"deployer", action, resource',
    "principal is ServiceAccount, action, resource",
    'principal is User in Team::"t2", action, resource',
    'principal, action in [Action::"deployment:write", Action::"project:read"], resource',
    'principal, action == Action::"log:read", resource is Environment',
    'principal, action, resource == Project::"p1"',
    'principal, action, resource in Project::"p1"',
    'principal, action, resource is Environment in Project::"p2"',
    'principal, action, resource is Service in Organization::"organization"',
    'principal, action, resource == Environment::"p1/e1"',
]
_CONDITIONS = [
    "true",
    'resource has mode && resource.mode == "production"',
    'resource has service && resource.service like "s*1"',
    'resource has name && resource.name == "e2"',
    "resource has team && principal in resource.team",
    'resource has project && resource.project == "p2"',
    'resource in Project::"p2"',
    'resource == Environment::"p1/e1"',
    'resource in [Environment::"p1/e2", Service::"p2/s1", Project::"p3"]',
    'resource is Environment in Project::"p1"',
    'resource in principal || [resource].contains(Project::"p1")',
    'principal == User::"u2"',
    'principal in OrganizationRole::"admin"',
    'principal has email && principal.email like "*2"',
    'principal in Somewhere::"manager"',
    '{".": resource}["."] == Environment::"p1/e1"',
    'context.origin == "git"',
    "context has risk && context.risk > 50",
    'context has branch && context.branch == "main"',
    "context has break_glass && context.break_glass",
    'context.weekday == "fri" || context.hour < 12',
    'context.now > datetime("2026-11-01")',
    '[context.origin, "x"].contains("api")',
    "context has approvals && context.approvals + 1 > 1",
]


@st.composite
def _texts(draw: st.DrawFn) -> str:
    text = f"{draw(st.sampled_from(['permit', 'forbid']))}({draw(st.sampled_from(_HEADS))})"
    for _ in range(draw(st.integers(0, 2))):
        tests = " && ".join(
            f"({each})" for each in draw(st.lists(st.sampled_from(_CONDITIONS), min_size=1, max_size=2))
        )
        text += f" {draw(st.sampled_from(['when', 'unless']))} {{ {tests} }}"
    return f"{text};"


_WHO = {
    "kind": ["User", "ServiceAccount"],
    "id": ["u1", "u2"],
    "organization_role": ["member", "owner", "admin"],
    "teams": [("t1",), ("t1", "t2"), ()],
    "roles": [frozenset({"viewer"}), frozenset({"viewer", "deployer"}), frozenset()],
    "somewhere": [frozenset({"manager"}), frozenset({"viewer"}), frozenset()],
}
_WHERE = {
    "project_name": ["p1", "p2", None],
    "team": ["t1", "t2", None],
    "environment": ["e1", "e2", None],
    "mode": ["production", "staging"],
    "service": ["s1", "s2", None],
}
_WHEN = {
    "origin": ["git", "api"],
    "branch": ["main", "x", None],
    "risk": [0, 51, None],
    "approvals": [0, 2, None],
    "break_glass": [True, False, None],
    "at": [
        datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 11, 1, 0, 0, 0, tzinfo=UTC),
        datetime(2026, 11, 1, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 11, 27, 11, 59, tzinfo=UTC),
        datetime(2026, 11, 27, 12, 0, tzinfo=UTC),
    ],
}
_ALL: dict[str, list[object]] = {
    **{name: list(values) for part in (_WHO, _WHERE, _WHEN) for name, values in part.items()},  # type: ignore[call-overload]
    "action": ["deployment:write", "log:read", "project:read"],
}


def _decide(policies: Policies, asked: dict[str, object], *, remembering: bool) -> object:
    """The decision on a request that is described by a value for each name of `_ALL`."""
    who = Asking(name=str(asked["id"]), **{name: asked[name] for name in _WHO})  # type: ignore[arg-type]
    place = Place()
    if asked["project_name"] is not None:
        mode = asked["mode"] if asked["environment"] else None
        where = {**{name: asked[name] for name in _WHERE}, "mode": mode}
        place = Place(f"id_{asked['project_name']}", **where)  # type: ignore[arg-type]
    at = asked["at"]
    assert isinstance(at, datetime)
    circumstances = {name: asked[name] for name in _WHEN if name != "at" and asked[name] is not None}
    action = str(asked["action"])
    if remembering:
        found = policies.decide(who, action, place, circumstances, at)
    else:
        found = policies.fresh(who, action, place, circumstances, at, whole=True)
    return found.allowed, found.policies


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(_texts(), min_size=1, max_size=3),
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in _ALL.items()}),
)
def test_a_remembered_decision_is_the_one_that_cedar_would_make(texts: list[str], first: dict[str, object]) -> None:
    _compare(texts, first)


@pytest.mark.parametrize("head", _HEADS)
def test_so_it_is_for_each_condition_alone(head: str) -> None:
    first = {name: values[0] for name, values in _ALL.items()} | {"organization_role": "owner"}
    for condition in _CONDITIONS:
        _compare([f"forbid({head}) when {{ {condition} }};"], first)


def _compare(texts: list[str], first: dict[str, object]) -> None:
    """For a request and for all that differ from it in one thing alone, whose memory is the nearest."""
    company = [Company(f"c{number}", 1, text) for number, text in enumerate(texts)]
    remembering, forgetful = (compile_policies(BUILT_IN, company) for _ in range(2))
    asked = [first, *({**first, name: value} for name, values in _ALL.items() for value in values)]
    for each in asked:
        assert _decide(remembering, each, remembering=True) == _decide(forgetful, each, remembering=False), each


@pytest.mark.parametrize("action", ["log:read", "project:read"])
def test_an_action_that_policies_do_not_name_in_a_list_is_still_looked_at(action: str) -> None:
    policies = under(
        f'forbid(principal, action in [Action::"{action}"], resource);', "forbid(principal, action in [], resource);"
    )
    actor = somebody(*everywhere("manager"), policies=policies)
    assert not allowed(actor, action, at("production"))
    assert allowed(actor, "deployment:write", at("production"))
