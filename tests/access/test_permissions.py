"""The one rule that decides who may do what."""

from __future__ import annotations

import pytest

from highroad.access.model import SCOPES, SYSTEM, Actor
from highroad.access.permissions import ACTIONS, ADMIN_ONLY, NotAllowed, allowed, require


def actor(*scopes: str, admin: bool = False) -> Actor:
    return Actor("usr_1", "ben@example.com", "user", "api", admin, frozenset(scopes))


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_action_needs_a_scope_that_exists_and_says_what_it_means(action: str) -> None:
    scope, meaning = ACTIONS[action]
    assert scope in {"", *SCOPES}
    assert meaning.endswith(".")


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"self:read"}))
def test_without_the_scope_an_action_is_refused_with_the_way_to_get_it(action: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        require(actor(admin=True), action)
    scope, _ = ACTIONS[action]
    assert scope in refused.value.next_step
    assert refused.value.extra == {"action": action}


@pytest.mark.parametrize("action", sorted(ADMIN_ONLY))
def test_what_is_for_administrators_is_refused_to_others_whatever_their_scopes(action: str) -> None:
    assert not allowed(actor(*SCOPES), action)
    assert allowed(actor(*SCOPES, admin=True), action)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_an_administrator_with_all_scopes_and_highroad_itself_may_do_everything(action: str) -> None:
    assert allowed(actor(*SCOPES, admin=True), action)
    assert allowed(SYSTEM, action)


def test_everybody_may_see_who_they_are() -> None:
    require(actor(), "self:read")


def test_a_token_that_reads_changes_nothing() -> None:
    changing = [action for action in ACTIONS if action.endswith(":write")]
    assert not any(allowed(actor("read", admin=True), action) for action in changing)


def test_an_action_that_does_not_exist_is_a_mistake_and_not_a_refusal() -> None:
    with pytest.raises(KeyError):
        require(actor(*SCOPES, admin=True), "everything:write")
