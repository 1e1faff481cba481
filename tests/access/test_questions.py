"""Can I, who can, and who could help: the same decisions as those on requests, asked without doing anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from highroad.access import grants, questions, store
from highroad.access.granting import grant
from highroad.access.model import SYSTEM, Actor
from highroad.access.permissions import NotAllowed, allowed, require
from highroad.access.places import ORGANIZATION
from highroad.access.questions import NoSuchAction, NoSuchSubject, NotThere
from highroad.access.token_actions import issue_token
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.kit.clock import now
from tests.access.staff import Staff, holder, sqlite_alone, staff_of
from tests.world import ADMIN, MEMBER

__all__ = ["sqlite_alone"]


@pytest.fixture
def staff(db: Database) -> Staff:
    return staff_of(db)


def names(staff: Staff, action: str, place: object) -> set[str]:
    with staff.db.read() as tx:
        return {each.user.email for each in questions.able(tx, action, place)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "action"), [("deploy", "deployment:write"), ("logs", "log:read"), ("gate:pass", "gate:pass")]
)
def test_people_say_a_verb_or_an_action(staff: Staff, asked: str, action: str) -> None:
    assert questions.action_named(asked, staff.at("production")) == action


def test_a_verb_that_does_not_exist_names_those_that_do(staff: Staff) -> None:
    with pytest.raises(NoSuchAction) as refused:
        questions.action_named("fly", staff.shop)
    assert "deploy, rollback" in refused.value.next_step


def test_a_place_of_the_wrong_kind_says_which_it_takes(staff: Staff) -> None:
    with pytest.raises(NotThere, match="not done in a project") as refused:
        questions.action_named("deploy", staff.shop)
    assert "PROJECT/ENVIRONMENT" in refused.value.next_step
    with pytest.raises(NotThere):
        questions.action_named("push", staff.at("production"))


def test_an_answer_says_what_decided(staff: Staff) -> None:
    user = staff.user("dev")
    staff.give(user, "deployer", "staging")
    yes = questions.can(staff.actor(user), "deployment:write", staff.at("staging"))
    assert (yes.allowed, yes.reason, yes.policy) == (True, "Allowed by the role deployer.", "role:deployer")
    no = questions.can(staff.actor(user), "deployment:write", staff.at("production"))
    assert (no.allowed, no.policy) == (False, "")
    assert "You have no role there" in no.reason


def test_who_can_finds_people_teams_service_accounts_and_administrators(staff: Staff) -> None:
    dev, lead, outsider = staff.user("dev"), staff.user("lead"), staff.user("out")
    staff.give(dev, "viewer")
    parent = staff.team("payments")
    staff.give(parent, "deployer")
    staff.team("payments-leads", lead, parent=parent)
    found = names(staff, "deployment:write", staff.at("production"))
    assert found == {lead.email, ADMIN, MEMBER}, "the member of the template is manager of everything"
    assert outsider.email not in names(staff, "project:read", staff.shop)


def test_who_can_agrees_with_each_decision(staff: Staff) -> None:
    people = [staff.user(f"p{number}") for number in range(6)]
    staff.team("t1", people[0], people[1])
    for number, role in enumerate(("viewer", "deployer", "manager", "none", "viewer")):
        staff.give(people[number], role, "staging" if number % 2 else None)
    for action, place in (("deployment:write", staff.at("staging")), ("project:read", staff.shop)):
        expected = {user.email for user in people if allowed(staff.actor(user), action, place)}
        assert names(staff, action, place) - {ADMIN, MEMBER} == expected


def test_expired_grants_and_deactivated_people_cannot(staff: Staff, log: EventLog) -> None:
    dev, gone = staff.user("dev"), staff.user("gone")
    ends = now() + timedelta(seconds=0.01)
    with staff.db.begin() as tx:
        grant(tx, log, SYSTEM, holder=holder(dev), place=staff.shop, mode=None, role="deployer", expires_at=ends)
    staff.give(gone, "deployer")
    with staff.db.begin() as tx:
        store.update_user(tx, gone.id, active=False)
    while now() <= ends:
        pass
    assert not {dev.email, gone.email} & names(staff, "deployment:write", staff.at("production"))


def test_tokens_that_can_be_used_for_it_are_named(staff: Staff, log: EventLog, admin: Actor) -> None:
    dev = staff.user("dev")
    staff.give(dev, "deployer")
    with staff.db.begin() as tx:
        for name, scopes in (("laptop", ("read", "write")), ("reader", ("read",))):
            issue_token(tx, log, dev, name=name, scopes=scopes, days=1, origin="cli")
        found = questions.who_can(tx, admin, "deployment:write", staff.at("production"))
    assert [each.tokens for each in found if each.user.id == dev.id] == [("laptop",)]


def test_strangers_do_not_learn_who_can(staff: Staff) -> None:
    stranger = staff.actor(staff.user("out"))
    with staff.db.read() as tx, pytest.raises(NotAllowed):
        questions.who_can(tx, stranger, "deployment:write", staff.at("production"))


def test_one_asks_about_oneself_and_about_others_where_one_sees_access(staff: Staff, admin: Actor) -> None:
    dev = staff.user("dev")
    staff.give(dev, "deployer", "staging")
    stranger = staff.actor(staff.user("out"))
    with staff.db.read() as tx:
        assert questions.account(tx, stranger, stranger.name, staff.shop) is stranger
        found = questions.account(tx, admin, dev.email, staff.at("staging"))
        assert allowed(found, "deployment:write", staff.at("staging"))
        with pytest.raises(NotAllowed):
            questions.account(tx, stranger, dev.email, staff.shop)
        with pytest.raises(NoSuchSubject):
            questions.account(tx, admin, "nobody@example.com", staff.shop)


# Who could help


def refusal(staff: Staff, actor: Actor, action: str, place: object) -> NotAllowed:
    with pytest.raises(NotAllowed) as refused:
        require(actor, action, place)  # type: ignore[arg-type]
    with staff.db.read() as tx:
        questions.explain(tx, actor, refused.value, refused.value.place)
    return refused.value


def test_a_refusal_names_managers_before_administrators(staff: Staff) -> None:
    dev, mia = staff.user("dev"), staff.user("mia")
    staff.give(dev, "viewer")
    staff.give(mia, "manager")
    error = refusal(staff, staff.actor(dev), "deployment:write", staff.at("production"))
    assert error.next_step == f"Ask somebody who can grant it: {MEMBER}, {mia.email}, {ADMIN}."
    assert error.extra["ask"] == [MEMBER, mia.email, ADMIN]


def test_five_names_are_enough(staff: Staff) -> None:
    for number in range(7):
        staff.give(staff.user(f"m{number}"), "manager")
    dev = staff.user("dev")
    staff.give(dev, "viewer")
    error = refusal(staff, staff.actor(dev), "project:write", staff.shop)
    assert len(error.extra["ask"]) == 5  # type: ignore[arg-type]


def test_whoever_may_not_see_the_place_learns_nobodys_name(staff: Staff) -> None:
    error = refusal(staff, staff.actor(staff.user("out")), "project:write", staff.shop)
    assert "@" not in error.next_step
    assert "ask" not in error.extra


def test_for_a_policy_those_are_named_who_could_change_it(staff: Staff) -> None:
    with staff.db.begin() as tx:
        id = grants.add_policy(tx, "calm")
        text = 'forbid(principal, action == Action::"deployment:write", resource);'
        grants.put_in_force(tx, id, grants.add_policy_version(tx, id, text=text, note="", author="x"))
    mia = staff.user("mia")
    staff.give(mia, "manager")
    error = refusal(staff, staff.actor(mia), "deployment:write", staff.at("staging"))
    assert "The policy calm (version 1) forbids" in error.detail
    assert error.next_step == f"See it: highroad policies show calm. Ask somebody who may change it: {ADMIN}."


def test_for_a_token_without_the_scope_the_way_is_another_token(staff: Staff) -> None:
    mia = staff.user("mia")
    staff.give(mia, "manager")
    reader = replace(staff.actor(mia), scopes=frozenset({"read"}))
    assert "highroad tokens create --scope write" in refusal(staff, reader, "project:write", staff.shop).next_step


def test_in_the_organization_administrators_are_named(staff: Staff) -> None:
    error = refusal(staff, staff.actor(staff.user("dev")), "audit:read", ORGANIZATION)
    assert error.next_step == f"Ask somebody who can grant it: {ADMIN}."
