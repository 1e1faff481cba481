"""Who may give which role to whom: nobody more than they have, to themselves, or for longer than they have it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from highroad.access import granting, grants
from highroad.access.granting import BadGrant, NoSuchGrant, NoSuchHolder, NoSuchPreset, NotYoursToGrant
from highroad.access.model import Actor, User
from highroad.access.permissions import NotAllowed, allowed
from highroad.access.places import ORGANIZATION
from highroad.access.policy.roles import Role
from highroad.access.policy.standing import MODES, Grant
from highroad.access.teams import Team
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.kit.clock import now
from tests.access.staff import Staff, holder, sqlite_alone, staff_of

__all__ = ["sqlite_alone"]


@pytest.fixture
def staff(db: Database) -> Staff:
    return staff_of(db)


@pytest.fixture
def manager(staff: Staff) -> User:
    """A manager of the shop in all modes."""
    user = staff.user("mia")
    staff.give(user, "manager")
    return user


def grant(
    staff: Staff, log: EventLog, by: Actor, to: User | Team, role: str, mode: str | None = None, **more: object
) -> Grant:
    with staff.db.begin() as tx:
        place = more.pop("place", staff.shop)
        return granting.grant(tx, log, by, holder=holder(to), place=place, mode=mode, role=role, **more)  # type: ignore[arg-type]


def withdraw(staff: Staff, log: EventLog, by: Actor, id: str) -> None:
    with staff.db.begin() as tx:
        granting.withdraw(tx, log, by, id, staff.shop)


def test_a_manager_gives_a_role_in_the_project_and_it_holds_at_once(staff: Staff, log: EventLog, manager: User) -> None:
    ben = staff.user("ben2")
    grant(staff, log, staff.actor(manager), ben, "deployer", "staging")
    assert allowed(staff.actor(ben), "deployment:write", staff.at("staging"))
    assert not allowed(staff.actor(ben), "deployment:write", staff.at("production"))
    event = staff.last_event()
    assert event.type.endswith("access.granted.0.1.0")
    assert (event.project, event.action, event.policy) == ("shop", "access:write", "role:manager")
    assert event.data["customData"]["after"] == {"role": "deployer"}  # type: ignore[index]


def test_a_second_grant_takes_the_place_of_the_first(staff: Staff, log: EventLog, manager: User) -> None:
    ben = staff.user("ben2")
    first = grant(staff, log, staff.actor(manager), ben, "deployer", "staging")
    second = grant(staff, log, staff.actor(manager), ben, "viewer", "staging")
    assert second.id == first.id
    assert staff.last_event().data["customData"]["before"] == {"role": "deployer"}  # type: ignore[index]


def test_a_withdrawn_role_is_gone_at_once(staff: Staff, log: EventLog, manager: User) -> None:
    ben = staff.user("ben2")
    made = grant(staff, log, staff.actor(manager), ben, "deployer")
    withdraw(staff, log, staff.actor(manager), made.id)
    assert not allowed(staff.actor(ben), "project:read", staff.shop)
    with pytest.raises(NoSuchGrant):
        withdraw(staff, log, staff.actor(manager), made.id)


def test_a_manager_of_some_modes_only_gives_nothing(staff: Staff, log: EventLog) -> None:
    junior = staff.user("jun")
    for mode in MODES:
        staff.give(junior, "viewer" if mode == "production" else "manager", mode)
    with pytest.raises(NotAllowed, match="access:write in shop"):
        grant(staff, log, staff.actor(junior), staff.user("ben2"), "viewer", "preview")


def test_a_manager_of_one_project_gives_nothing_in_all_of_them(staff: Staff, log: EventLog, manager: User) -> None:
    with pytest.raises(NotAllowed):
        grant(staff, log, staff.actor(manager), staff.user("ben2"), "viewer", place=ORGANIZATION)
    admin = staff.user("adm", "admin")
    grant(staff, log, staff.actor(admin), staff.user("eve2"), "viewer", place=ORGANIZATION)


def test_nobody_gives_what_they_do_not_have(staff: Staff, log: EventLog) -> None:
    """A role that grants roles and does little else must not be a way to everything."""
    keeper = Role("keeper", "Grants roles.", frozenset({"project:read", "access:read", "access:write"}))
    with staff.db.begin() as tx:
        grants.save_role(tx, keeper)
    user = staff.user("kay")
    staff.give(user, "keeper")
    with pytest.raises(NotYoursToGrant, match="deployment:approve in development"):
        grant(staff, log, staff.actor(user), staff.user("ben2"), "deployer")
    grant(staff, log, staff.actor(user), staff.user("eve2"), "keeper")


def test_taking_back_a_narrow_grant_must_not_widen_either(staff: Staff, log: EventLog) -> None:
    with staff.db.begin() as tx:
        grants.save_role(tx, Role("keeper", "", frozenset({"project:read", "access:read", "access:write"})))
    keeper, friend = staff.user("kay"), staff.user("ben2")
    staff.give(keeper, "keeper")
    staff.give(friend, "manager")
    narrow = staff.give(friend, "viewer", "production")
    with pytest.raises(NotYoursToGrant):
        withdraw(staff, log, staff.actor(keeper), narrow)


def test_a_narrow_grant_that_ends_must_not_uncover_a_wider_one(staff: Staff, log: EventLog) -> None:
    with staff.db.begin() as tx:
        grants.save_role(tx, Role("keeper", "", frozenset({"project:read", "access:read", "access:write"})))
    kay = staff.user("kay")
    staff.give(kay, "manager")
    for mode in MODES:
        staff.give(kay, "keeper", mode)
    with pytest.raises(NotYoursToGrant):
        grant(staff, log, staff.actor(kay), kay, "keeper", "production", expires_at=now() + timedelta(minutes=1))


def test_nobody_widens_their_own_access(staff: Staff, log: EventLog, manager: User) -> None:
    staff.give(manager, "deployer", "production")
    admin = staff.user("adm", "admin")
    for user, role in ((admin, "viewer"), (staff.user("adm2", "admin"), "manager")):
        with pytest.raises(NotYoursToGrant, match="widens their own"):
            grant(staff, log, staff.actor(user), user, role)
    with pytest.raises(NotAllowed):
        grant(staff, log, staff.actor(manager), manager, "manager", "production")


def test_nobody_makes_their_own_access_last_longer(staff: Staff, log: EventLog) -> None:
    ends = now() + timedelta(days=1)
    mia, lou = staff.user("mia"), staff.user("lou")
    staff.give(lou, "manager")
    grant(staff, log, staff.actor(lou), mia, "manager", expires_at=ends)
    with pytest.raises(NotYoursToGrant, match="widens their own"):
        grant(staff, log, staff.actor(mia), mia, "manager", expires_at=ends + timedelta(days=1))


def test_an_owner_may_and_anybody_may_step_down(staff: Staff, log: EventLog, manager: User) -> None:
    owner = staff.user("own", "owner")
    grant(staff, log, staff.actor(owner), owner, "manager")
    grant(staff, log, staff.actor(manager), manager, "viewer", "production")
    assert not allowed(staff.actor(manager), "deployment:write", staff.at("production"))


def test_a_manager_gives_their_own_team_what_they_have(staff: Staff, log: EventLog, manager: User) -> None:
    team = staff.team("payments", manager)
    grant(staff, log, staff.actor(manager), team, "deployer")


def test_what_is_given_does_not_outlast_the_giver(staff: Staff, log: EventLog) -> None:
    ends = now() + timedelta(days=3)
    relief = staff.user("rel")
    with staff.db.begin() as tx:
        where = {"project": staff.shop.project, "mode": None}
        grants.set_grant(tx, holder_kind="user", holder_id=relief.id, role="manager", by="x", expires_at=ends, **where)
    team = staff.team("relief", relief)
    for to in (team, staff.user("ben2")):
        with pytest.raises(NotYoursToGrant, match="for as long"):
            grant(staff, log, staff.actor(relief), to, "deployer")
    given = grant(staff, log, staff.actor(relief), team, "deployer", expires_at=ends - timedelta(hours=1))
    with pytest.raises(NotYoursToGrant, match="for as long"):
        grant(staff, log, staff.actor(relief), team, "deployer", expires_at=ends + timedelta(hours=1))
    assert given.expires_at == ends - timedelta(hours=1)


def test_a_policy_for_certain_days_keeps_nobody_from_granting(staff: Staff, log: EventLog, manager: User) -> None:
    text = 'forbid(principal, action == Action::"deployment:write", resource) unless { context has tests_passed };'
    with staff.db.begin() as tx:
        id = grants.add_policy(tx, "tested")
        grants.put_in_force(tx, id, grants.add_policy_version(tx, id, text=text, note="", author="x"))
    assert not allowed(staff.actor(manager), "deployment:write", staff.at("production"))
    grant(staff, log, staff.actor(manager), staff.user("ben2"), "deployer")


def test_a_policy_about_who_keeps_them_from_granting_it(staff: Staff, log: EventLog, manager: User) -> None:
    text = f'forbid(principal == User::"{manager.email}", action == Action::"deployment:write", resource);'
    with staff.db.begin() as tx:
        id = grants.add_policy(tx, "mia")
        grants.put_in_force(tx, id, grants.add_policy_version(tx, id, text=text, note="", author="x"))
    with pytest.raises(NotYoursToGrant, match="deployment:write in production"):
        grant(staff, log, staff.actor(manager), staff.user("ben2"), "deployer", "production")


def test_a_preset_gives_a_role_in_every_mode(staff: Staff, log: EventLog, manager: User) -> None:
    team = staff.team("juniors", staff.user("jun"))
    with staff.db.begin() as tx:
        made = granting.grant_preset(
            tx, log, staff.actor(manager), holder=holder(team), place=staff.shop, preset="junior-developer"
        )
    assert {each.mode: each.role for each in made} == {
        "development": "manager",
        "preview": "manager",
        "sandbox": "manager",
        "staging": "deployer",
        "production": "viewer",
    }


def test_a_preset_that_does_not_exist_names_those_that_do(staff: Staff, log: EventLog, manager: User) -> None:
    with staff.db.begin() as tx, pytest.raises(NoSuchPreset) as refused:
        granting.grant_preset(tx, log, staff.actor(manager), holder=holder(manager), place=staff.shop, preset="king")
    assert "junior-developer" in refused.value.next_step


@pytest.mark.parametrize(("role", "mode", "days"), [("king", None, 1), ("viewer", "prod", 1), ("viewer", None, -1)])
def test_what_makes_no_sense_is_not_granted(
    staff: Staff, log: EventLog, manager: User, role: str, mode: str | None, days: int
) -> None:
    ends, ben = now() + timedelta(days=days), staff.user("ben2")
    with pytest.raises(BadGrant):
        grant(staff, log, staff.actor(manager), ben, role, mode, expires_at=ends)


def test_holders_are_found_as_people_name_them(staff: Staff) -> None:
    ben, team = staff.user("ben2"), staff.team("payments")
    with staff.db.read() as tx:
        assert granting.find_holder(tx, "user", "Ben2@Example.com").id == ben.id
        assert granting.find_holder(tx, "team", "payments").id == team.id
        for kind, name in (("user", "nobody@example.com"), ("team", "nobody"), ("account", ben.email)):
            with pytest.raises(NoSuchHolder):
                granting.find_holder(tx, kind, name)
        with pytest.raises(BadGrant):
            granting.find_holder(tx, "cat", "tom")


def test_grants_are_seen_by_whoever_may_see_access_there(staff: Staff, manager: User) -> None:
    stranger = staff.actor(staff.user("str"))
    with staff.db.read() as tx:
        found = granting.visible_grants(tx, staff.actor(manager), staff.shop)
        assert manager.id in {each.holder_id for each in found}
        for actor, place in ((staff.actor(manager), ORGANIZATION), (stranger, staff.shop)):
            with pytest.raises(NotAllowed):
                granting.visible_grants(tx, actor, place)
