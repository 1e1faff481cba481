"""Roles that a company defines: made of actions, changed at once for all who hold them, never a way to more."""

from __future__ import annotations

import pytest

from highroad.access import custom_roles, grants
from highroad.access.custom_roles import BadRole, NoSuchRole, NotYoursToDefine, RoleExists, RoleInUse
from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed, allowed
from highroad.access.policy.roles import Role
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.kit.names import NotALabel
from tests.access.staff import Staff, sqlite_alone, staff_of

__all__ = ["sqlite_alone"]


@pytest.fixture
def staff(db: Database) -> Staff:
    return staff_of(db)


def create(staff: Staff, log: EventLog, actor: Actor, name: str = "captain", *actions: str) -> Role:
    wanted = frozenset(actions or ("deployment:write",))
    with staff.db.begin() as tx:
        return custom_roles.create(tx, log, actor, name=name, description="Deploys.", actions=wanted)


def change(staff: Staff, log: EventLog, actor: Actor, *actions: str) -> Role:
    with staff.db.begin() as tx:
        return custom_roles.change(tx, log, actor, "captain", actions=frozenset(actions))


def test_a_role_gives_what_it_consists_of_and_seeing_the_project(staff: Staff, log: EventLog, admin: Actor) -> None:
    create(staff, log, admin)
    user = staff.user("cap")
    staff.give(user, "captain", "production")
    actor = staff.actor(user)
    assert allowed(actor, "deployment:write", staff.at("production"))
    assert allowed(actor, "project:read", staff.shop)
    assert not allowed(actor, "log:read", staff.at("production"))
    assert not allowed(actor, "deployment:write", staff.at("staging"))
    assert staff.last_event().type.endswith("role.created.0.1.0")


def test_a_change_holds_at_once_and_is_recorded_with_what_it_was(staff: Staff, log: EventLog, admin: Actor) -> None:
    create(staff, log, admin)
    user = staff.user("cap")
    staff.give(user, "captain")
    change(staff, log, admin, "log:read")
    assert allowed(staff.actor(user), "log:read", staff.at("staging"))
    assert not allowed(staff.actor(user), "deployment:write", staff.at("staging"))
    custom = staff.last_event().data["customData"]
    assert isinstance(custom, dict)
    assert custom["before"]["actions"] == ["deployment:write", "project:read"]
    assert custom["after"]["actions"] == ["log:read", "project:read"]


def test_a_role_that_somebody_holds_is_not_deleted(staff: Staff, log: EventLog, admin: Actor) -> None:
    create(staff, log, admin)
    staff.give(staff.user("cap"), "captain")
    with staff.db.begin() as tx, pytest.raises(RoleInUse, match="1 grant of captain"):
        custom_roles.delete(tx, log, admin, "captain")


def test_a_role_that_nobody_holds_is(staff: Staff, log: EventLog, admin: Actor) -> None:
    create(staff, log, admin)
    with staff.db.begin() as tx:
        custom_roles.delete(tx, log, admin, "captain")
        with pytest.raises(NoSuchRole):
            custom_roles.find(tx, "captain")


@pytest.mark.parametrize("name", ["viewer", "none", "captain"])
def test_a_name_that_is_taken_is_refused(staff: Staff, log: EventLog, admin: Actor, name: str) -> None:
    create(staff, log, admin)
    with pytest.raises(RoleExists):
        create(staff, log, admin, name)


@pytest.mark.parametrize("actions", [("user:write",), ("self:read",), ("deploy",), ("policy:write", "log:read")])
def test_a_role_consists_of_actions_of_projects(
    staff: Staff, log: EventLog, admin: Actor, actions: tuple[str, ...]
) -> None:
    with pytest.raises(BadRole):
        create(staff, log, admin, "captain", *actions)


def test_a_role_has_a_plain_name(staff: Staff, log: EventLog, admin: Actor) -> None:
    with pytest.raises(NotALabel):
        create(staff, log, admin, 'x"; permit')


def test_built_in_roles_stay_as_they_are(staff: Staff, log: EventLog, admin: Actor) -> None:
    with staff.db.begin() as tx, pytest.raises(BadRole, match="built in"):
        custom_roles.change(tx, log, admin, "viewer", actions=frozenset({"secret:read"}))
    with staff.db.begin() as tx, pytest.raises(BadRole, match="built in"):
        custom_roles.delete(tx, log, admin, "manager")


def test_members_define_no_roles(staff: Staff, log: EventLog, member: Actor) -> None:
    with pytest.raises(NotAllowed):
        create(staff, log, member)


def test_nobody_widens_a_role_that_they_hold(staff: Staff, log: EventLog, admin: Actor) -> None:
    create(staff, log, admin)
    other = staff.user("adm", "admin")
    staff.give(other, "captain")
    with pytest.raises(NotYoursToDefine):
        change(staff, log, staff.actor(other), "deployment:write", "secret:read")
    change(staff, log, staff.actor(other), "project:read")


def test_nobody_defines_what_they_do_not_have(staff: Staff, log: EventLog, admin: Actor) -> None:

    with staff.db.begin() as tx:
        id = grants.add_policy(tx, "no-secrets")
        text = 'forbid(principal in OrganizationRole::"admin", action == Action::"secret:read", resource);'
        grants.put_in_force(tx, id, grants.add_policy_version(tx, id, text=text, note="", author="x"))
    limited = staff.actor(staff.user("adm", "admin"))
    with pytest.raises(NotYoursToDefine, match="secret:read"):
        create(staff, log, limited, "captain", "secret:read")
