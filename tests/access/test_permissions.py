"""The one rule that decides who may do what: scopes first, then roles and policies; and how it says no."""

from __future__ import annotations

import pytest

from highroad.access.model import SCOPES, SYSTEM, Actor
from highroad.access.permissions import (
    NEVER_TAKEN_FROM_OWNERS,
    NotAllowed,
    allowed,
    decision,
    filter_allowed,
    policy_name,
    require,
    require_scope,
    why,
)
from highroad.access.places import ORGANIZATION
from highroad.access.policy.actions import ACTIONS
from tests.access.policy.people_of_tests import SHOP, at, everywhere, held, somebody, under

ADMIN_ONLY = sorted(name for name, action in ACTIONS.items() if action.scope == "admin")
EVERYTHING_FORBIDDEN = under("forbid(principal, action, resource);")


def refusal(actor: Actor, action: str, *place: object) -> NotAllowed:
    with pytest.raises(NotAllowed) as refused:
        require(actor, action, *place)  # type: ignore[arg-type]
    return refused.value


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_action_needs_a_scope_that_exists_and_says_what_it_means(action: str) -> None:
    assert ACTIONS[action].scope in {"", *SCOPES}
    assert ACTIONS[action].meaning.endswith(".")


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"self:read"}))
def test_without_the_scope_an_action_is_refused_with_the_way_to_get_it(action: str) -> None:
    error = refusal(somebody(role="owner", scopes=()), action)
    assert ACTIONS[action].scope in error.next_step
    assert (error.action, error.extra) == (action, {"action": action})


@pytest.mark.parametrize("action", ADMIN_ONLY)
def test_what_is_for_administrators_is_refused_to_others_whatever_their_scopes_and_policies(action: str) -> None:
    generous = under("permit(principal, action, resource);")
    member = somebody(policies=generous, scopes=set(SCOPES) - {"admin"})
    assert not allowed(member, action)
    assert "Only owners and administrators" in refusal(member, action).detail
    assert allowed(somebody(role="admin"), action)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_highroad_itself_may_do_everything_and_is_not_kept_a_record_of(action: str) -> None:
    require(SYSTEM, action)
    assert SYSTEM.decisions.last is None
    assert SYSTEM.decisions.asked == set()


def test_everybody_may_see_who_they_are() -> None:
    require(somebody(scopes=()), "self:read")


def test_a_token_that_reads_changes_nothing() -> None:
    reader = somebody(role="owner", scopes=["read"])
    assert not any(allowed(reader, action) for action in ACTIONS if action.endswith(":write"))


def test_an_action_that_does_not_exist_is_a_mistake_and_not_a_refusal() -> None:
    with pytest.raises(ValueError, match="no action everything:write"):
        require(somebody(role="owner"), "everything:write")


@pytest.mark.parametrize(
    ("action", "circumstances"),
    [("deployment:write", {}), ("user:read", {"weather": "fine"}), ("self:read", {"risk": 3, "mode": "x"})],
)
def test_a_question_that_makes_no_sense_is_a_mistake(action: str, circumstances: dict[str, object]) -> None:
    place = SHOP if action == "deployment:write" else ORGANIZATION
    with pytest.raises(ValueError, match="cannot be asked"):
        decision(somebody(role="owner"), action, place, **circumstances)


# What is remembered of a decision


def test_what_allowed_it_is_known_afterwards() -> None:
    actor = somebody(held("deployer", "production"))
    require(actor, "deployment:write", at("production"))
    assert actor.decisions.last is not None
    assert (actor.decisions.last.policy, actor.decisions.last.allowed) == ("role:deployer", True)


def test_a_refusal_is_known_afterwards_too() -> None:
    actor = somebody(*everywhere("manager"), policies=EVERYTHING_FORBIDDEN)
    refusal(actor, "deployment:write", at("production"))
    assert actor.decisions.last is not None
    assert (actor.decisions.last.policy, actor.decisions.last.allowed) == ("company:p1@1#1", False)


def test_all_that_was_asked_is_known() -> None:
    actor = somebody(held("viewer"))
    allowed(actor, "project:read", SHOP)
    filter_allowed(actor, "log:read", [at("staging")], lambda place: place)
    assert actor.decisions.asked == {"project:read", "log:read"}


# How it says no


def test_a_refusal_for_want_of_a_role_says_which_one_it_takes() -> None:
    error = refusal(somebody(held("viewer")), "deployment:write", at("production"))
    assert "in shop/production" in error.detail
    assert "You are viewer there; it takes deployer or manager." in error.detail
    assert error.place == at("production")


def test_a_refusal_without_any_role_says_so() -> None:
    assert "You have no role there" in refusal(somebody(), "log:read", at("production")).detail
    assert "You have no role in all environments" in refusal(somebody(), "project:write", SHOP).detail


def test_a_refusal_by_a_policy_names_it() -> None:
    actor = somebody(*everywhere("manager"), policies=EVERYTHING_FORBIDDEN)
    error = refusal(actor, "lock:write", at("production"))
    assert error.detail.startswith("The policy p1 (version 1) forbids lock:write in shop/production")


def test_a_refusal_in_the_organization_names_the_role_there() -> None:
    assert "Your role in the organization, member" in refusal(somebody(), "audit:read").detail


def test_why_says_what_allowed_it() -> None:
    manager = somebody(held("manager"), held("captain"))
    assert why(manager, "log:read", at("preview")) == (True, "Allowed by the role manager.", "role:manager")
    assert why(somebody(role="owner"), "user:write")[1:] == (
        "Allowed by being owner of the organization.",
        "organization:owner",
    )
    assert why(somebody(scopes=()), "user:read")[0] is False


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("company:no-fridays@3#1", "the policy no-fridays (version 3)"),
        ("token:ci@1#2", "the token's policy"),
        ("role:deployer:somewhere", "the role deployer"),
        ("organization:auditor", "being auditor of the organization"),
        ("everybody", "the rule everybody"),
    ],
)
def test_policies_are_named_as_people_say_them(id: str, name: str) -> None:
    assert policy_name(id) == name


# Scopes alone


def test_a_scope_that_rules_it_out_anywhere_is_said_before_anything_is_looked_for() -> None:
    with pytest.raises(NotAllowed):
        require_scope(somebody(scopes=["git"]), "project:read")
    require_scope(somebody(), "project:read")


# Nobody is locked out


def test_no_policy_keeps_an_owner_from_mending_policies() -> None:
    owner = somebody(role="owner", policies=EVERYTHING_FORBIDDEN)
    for action in ACTIONS:
        assert allowed(owner, action) == (action in NEVER_TAKEN_FROM_OWNERS)


def test_but_it_keeps_everybody_else() -> None:
    for other in (somebody(role="admin", policies=EVERYTHING_FORBIDDEN), somebody(policies=EVERYTHING_FORBIDDEN)):
        assert not any(allowed(other, action) for action in ACTIONS)
