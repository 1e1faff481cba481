"""Teams as rows: nested, with memberships that say where they come from."""

from __future__ import annotations

import pytest

from highroad.access import store, teams
from highroad.db.engine import Database
from tests.access.staff import Staff, staff_of


@pytest.fixture
def staff(db: Database) -> Staff:
    return staff_of(db)


def test_whoever_is_in_a_team_is_in_those_above_it_and_in_none_below(staff: Staff) -> None:
    lead, dev = staff.user("lead"), staff.user("dev")
    company = staff.team("company")
    payments = staff.team("payments", lead, parent=company)
    staff.team("payments-devs", dev, parent=payments)
    with staff.db.read() as tx:
        assert [team.name for team in teams.teams_of(tx, dev.id)] == ["company", "payments", "payments-devs"]
        assert [team.name for team in teams.teams_of(tx, lead.id)] == ["company", "payments"]
        assert teams.people_in(tx, [company.id]) == sorted([lead.id, dev.id])
        assert [member.user for member in teams.members(tx, payments.id)] == [lead.id]


def test_a_circle_would_end(staff: Staff) -> None:
    dev = staff.user("dev")
    upper = staff.team("upper")
    lower = staff.team("lower", dev, parent=upper)
    with staff.db.begin() as tx:
        teams.update_team(tx, upper.id, parent_id=lower.id)
        assert {team.name for team in teams.teams_of(tx, dev.id)} == {"upper", "lower"}
        assert teams.downward(tx, [upper.id]) == {upper.id, lower.id}


def test_a_synchronisation_withdraws_only_what_it_gave(staff: Staff) -> None:
    dev = staff.user("dev")
    team = staff.team("payments", dev)
    with staff.db.begin() as tx:
        teams.add_member(tx, team.id, dev.id, "scim")
        assert teams.members(tx, team.id)[0].sources == ("manual", "scim")
        assert teams.remove_member(tx, team.id, dev.id, "scim")
        assert [member.user for member in teams.members(tx, team.id)] == [dev.id]
        assert teams.memberships(tx, dev.id, "scim") == set()
        assert not teams.remove_member(tx, team.id, dev.id, "scim")


def test_whoever_is_deactivated_is_shown_but_counts_no_more(staff: Staff) -> None:
    dev = staff.user("dev")
    team = staff.team("payments", dev)
    with staff.db.begin() as tx:
        store.update_user(tx, dev.id, active=False)
        assert teams.people_in(tx, [team.id]) == []
        assert [member.active for member in teams.members(tx, team.id)] == [False]


def test_a_team_is_found_by_name_or_id(staff: Staff) -> None:
    team = staff.team("payments")
    with staff.db.read() as tx:
        assert teams.find(tx, "payments") == teams.find(tx, team.id) == team
        assert teams.find(tx, "nobody") is None
