"""Policies that a company writes: checked, versioned, reversible, and never a way to free oneself of one."""

from __future__ import annotations

import pytest

from highroad.access import company_policies
from highroad.access.company_policies import BadNote, BindsYou, NoSuchPolicy, NoSuchVersion
from highroad.access.grants import CompanyPolicy
from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed, allowed
from highroad.access.policy.checking import LONGEST, BadPolicy
from highroad.db.engine import Database
from highroad.errors import Invalid
from highroad.events.log import EventLog
from tests.access.staff import Staff, sqlite_alone, staff_of

__all__ = ["sqlite_alone"]

NO_DEPLOYS = 'forbid(principal, action == Action::"deployment:write", resource);'
EVERYTHING = "forbid(principal, action, resource);"


@pytest.fixture
def staff(db: Database) -> Staff:
    return staff_of(db)


def apply(staff: Staff, log: EventLog, actor: Actor, text: str, name: str = "calm", note: str = "") -> CompanyPolicy:
    with staff.db.begin() as tx:
        return company_policies.apply(tx, log, actor, name=name, text=text, note=note)


def test_an_applied_policy_decides_from_now_on(staff: Staff, log: EventLog, admin: Actor) -> None:
    user = staff.user("dev")
    staff.give(user, "manager")
    assert allowed(staff.actor(user), "deployment:write", staff.at("staging"))
    apply(staff, log, admin, NO_DEPLOYS, note="We are moving")
    assert not allowed(staff.actor(user), "deployment:write", staff.at("staging"))
    event = staff.last_event()
    assert event.type.endswith("policy.applied.0.1.0")
    assert event.data["customData"]["after"] == {"text": NO_DEPLOYS}  # type: ignore[index]


def test_the_same_text_again_is_no_new_version(staff: Staff, log: EventLog, admin: Actor) -> None:
    assert apply(staff, log, admin, NO_DEPLOYS).version == 1
    assert apply(staff, log, admin, NO_DEPLOYS).version == 1
    assert apply(staff, log, admin, EVERYTHING).version == 2


def test_a_policy_is_put_back_switched_off_and_deleted(staff: Staff, log: EventLog, admin: Actor) -> None:
    apply(staff, log, admin, NO_DEPLOYS)
    apply(staff, log, admin, EVERYTHING)
    with staff.db.begin() as tx:
        reverted = company_policies.revert(tx, log, admin, name="calm", version=1)
        assert (reverted.in_force, reverted.text) == (1, NO_DEPLOYS)
        off = company_policies.disable(tx, log, admin, name="calm")
        assert off.in_force == 0
        assert company_policies.revert(tx, log, admin, name="calm", version=2).text == EVERYTHING
        assert [each.version for each in company_policies.history(tx, admin, "calm")] == [2, 1]
        company_policies.delete(tx, log, admin, name="calm")
        with pytest.raises(NoSuchPolicy):
            company_policies.find(tx, admin, "calm")


def test_a_version_that_was_never_saved_is_not_there(staff: Staff, log: EventLog, admin: Actor) -> None:
    apply(staff, log, admin, NO_DEPLOYS)
    with staff.db.begin() as tx, pytest.raises(NoSuchVersion):
        company_policies.revert(tx, log, admin, name="calm", version=7)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("// nothing\n", 1),
        ("permit(principal, action, resource)", 1),
        (f"{NO_DEPLOYS}\n\nforbid(principal, actio, resource);", 3),
        (f'{NO_DEPLOYS}\nforbid(principal, action == Action::"deploy", resource);', 2),
        ('forbid(principal, action, resource) when { resource.colour == "red" };', 1),
        ("\npermit(principal == ?principal, action, resource);", 2),
        (f"// {'x' * LONGEST}\n{NO_DEPLOYS}", 1),
        ('forbid(principal, action == Action::"deployment:write", resource) when { context.risk > 3 };', 1),
    ],
)
def test_a_text_that_is_wrong_is_refused_with_the_line(
    staff: Staff, log: EventLog, admin: Actor, text: str, line: int
) -> None:
    with pytest.raises(BadPolicy) as refused:
        apply(staff, log, admin, text)
    assert refused.value.errors[0].detail.startswith(f"line {line}:")
    with staff.db.read() as tx:
        assert company_policies.visible(tx, admin) == []


@pytest.mark.parametrize("name", ["schema", "check", "Calm", "a/b"])
def test_a_name_that_addresses_have_for_something_else_is_refused(
    staff: Staff, log: EventLog, admin: Actor, name: str
) -> None:
    with pytest.raises(Invalid):
        apply(staff, log, admin, NO_DEPLOYS, name)


def test_a_note_is_a_sentence(staff: Staff, log: EventLog, admin: Actor) -> None:
    with pytest.raises(BadNote):
        apply(staff, log, admin, NO_DEPLOYS, note="x" * 501)


def test_members_neither_read_nor_write_policies(staff: Staff, log: EventLog, member: Actor) -> None:
    with pytest.raises(NotAllowed):
        apply(staff, log, member, "permit(principal, action, resource);")
    with staff.db.read() as tx, pytest.raises(NotAllowed):
        company_policies.visible(tx, member)


def test_an_owner_mends_a_policy_that_forbids_everything(staff: Staff, log: EventLog, admin: Actor) -> None:
    apply(staff, log, admin, EVERYTHING)
    owner = staff.actor(staff.user("own", "owner"))
    assert not allowed(owner, "project:create")
    with staff.db.begin() as tx:
        company_policies.disable(tx, log, owner, name="calm")
    assert allowed(staff.actor(staff.user("own2", "owner")), "project:create")


def test_an_administrator_frees_nobody_but_others(staff: Staff, log: EventLog, admin: Actor) -> None:
    eve, lou = staff.user("eve2", "admin"), staff.user("lou", "admin")
    aimed = f'forbid(principal == User::"{eve.email}", action == Action::"secret:read", resource);'
    apply(staff, log, admin, f"{aimed}\n{NO_DEPLOYS}")
    with pytest.raises(BindsYou, match="only an owner"):
        apply(staff, log, staff.actor(eve), NO_DEPLOYS)
    with staff.db.begin() as tx, pytest.raises(BindsYou):
        company_policies.disable(tx, log, staff.actor(eve), name="calm")
    with staff.db.begin() as tx, pytest.raises(BindsYou):
        company_policies.delete(tx, log, staff.actor(eve), name="calm")
    apply(staff, log, staff.actor(eve), f"// said better\n{aimed}")
    apply(staff, log, staff.actor(lou), NO_DEPLOYS)


@pytest.mark.parametrize(
    ("head", "bound"),
    [
        ('principal in Team::"guild"', True),
        ('principal in OrganizationRole::"admin"', True),
        ('principal is User in Team::"guild"', True),
        ("principal is User", False),
        ("principal", False),
        ('principal in Team::"others"', False),
        ("principal is ServiceAccount", False),
    ],
)
def test_who_is_bound_is_read_from_the_head(staff: Staff, log: EventLog, admin: Actor, head: str, bound: bool) -> None:
    eve = staff.user("eve2", "admin")
    staff.team("guild", eve)
    apply(staff, log, admin, f'forbid({head}, action == Action::"secret:read", resource);')
    with staff.db.begin() as tx:
        if bound:
            with pytest.raises(BindsYou):
                company_policies.disable(tx, log, staff.actor(eve), name="calm")
        else:
            company_policies.disable(tx, log, staff.actor(eve), name="calm")


def test_a_condition_about_who_binds_whomever_it_might_mean(staff: Staff, log: EventLog, admin: Actor) -> None:
    text = 'forbid(principal, action == Action::"secret:read", resource) unless { principal in Team::"others" };'
    apply(staff, log, admin, text)
    eve = staff.actor(staff.user("eve2", "admin"))
    with staff.db.begin() as tx, pytest.raises(BindsYou):
        company_policies.disable(tx, log, eve, name="calm")


def test_a_candidate_takes_the_place_of_the_policy_of_its_name(staff: Staff, log: EventLog, admin: Actor) -> None:
    apply(staff, log, admin, NO_DEPLOYS)
    apply(staff, log, admin, EVERYTHING, "other")
    with staff.db.read() as tx:
        found = {each.name: each.text for each in company_policies.with_candidate(tx, "calm", EVERYTHING)}
        assert found == {"calm": EVERYTHING, "other": EVERYTHING}
        assert [each.name for each in company_policies.with_candidate(tx, "calm", None)] == ["other"]
