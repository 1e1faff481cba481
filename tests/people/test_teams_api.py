"""Teams over HTTP."""

from __future__ import annotations

import pytest

from highroad.access import teams
from tests.world import MEMBER, Api


@pytest.fixture
def nested(api: Api) -> Api:
    """company > shop > payments."""
    api.admin.post("/teams", json={"name": "company", "title": "The company"})
    api.admin.post("/teams", json={"name": "shop", "parent": "company"})
    api.admin.post("/teams", json={"name": "payments", "parent": "shop"})
    return api


def test_a_team_is_created_below_another_and_found_by_name_and_id(nested: Api) -> None:
    found = nested.member.get("/teams/shop").json()
    assert (found["parent"], found["children"], found["title"]) == ("company", ["payments"], "shop")
    assert nested.member.get(f"/teams/{found['id']}").json()["name"] == "shop"
    assert [each["name"] for each in nested.member.get("/teams").json()["items"]] == ["company", "payments", "shop"]


def test_a_team_goes_neither_below_itself_nor_in_a_circle(nested: Api) -> None:
    for parent in ("payments", "company", "shop"):
        answer = nested.admin.patch("/teams/company", json={"parent": parent})
        assert (answer.status_code, answer.json()["code"]) == (422, "teams-in-a-circle")


def test_deleting_a_team_moves_the_ones_below_it_up_and_ends_its_grants(nested: Api) -> None:
    answer = nested.admin.delete("/teams/shop")
    assert answer.json() == {"name": "shop", "moved_up": ["payments"]}
    assert nested.admin.get("/teams/payments").json()["parent"] == "company"
    assert nested.admin.get("/teams/shop").status_code == 404


def test_members_come_and_go_by_hand(nested: Api) -> None:
    joined = nested.admin.put(f"/teams/payments/members/{MEMBER}").json()
    assert [(each["email"], each["sources"]) for each in joined["members"]] == [(MEMBER, ["manual"])]
    assert nested.admin.delete(f"/teams/payments/members/{MEMBER}").json()["members"] == []
    assert nested.admin.delete(f"/teams/payments/members/{MEMBER}").json()["code"] == "not-a-member"


def test_a_membership_from_elsewhere_does_not_end_by_hand(nested: Api) -> None:
    with nested.db.begin() as tx:
        team = teams.team_by_name(tx, "payments")
        assert team is not None
        teams.add_member(tx, team.id, nested.people.member.id, "oidc:company")
    answer = nested.admin.delete(f"/teams/payments/members/{MEMBER}")
    assert (answer.status_code, answer.json()["code"]) == (409, "not-by-hand")
    assert "oidc:company" in answer.json()["detail"]


def test_who_is_deactivated_joins_no_team(nested: Api) -> None:
    nested.admin.patch(f"/users/{MEMBER}", json={"active": False})
    answer = nested.admin.put(f"/teams/payments/members/{MEMBER}")
    assert (answer.status_code, answer.json()["code"]) == (409, "deactivated")


def test_a_member_reads_teams_and_changes_none(nested: Api) -> None:
    changes = [
        nested.member.post("/teams", json={"name": "mine"}),
        nested.member.patch("/teams/shop", json={"title": "Mine"}),
        nested.member.delete("/teams/shop"),
        nested.member.put(f"/teams/shop/members/{MEMBER}"),
        nested.member.delete(f"/teams/shop/members/{MEMBER}"),
    ]
    assert {each.status_code for each in changes} == {403}


def test_a_project_is_given_to_a_team_and_taken_back(nested: Api) -> None:
    nested.admin.post("/projects", json={"name": "store"})
    assert nested.admin.patch("/projects/store", json={"team": "payments"}).json()["team"] == "payments"
    assert nested.admin.get("/projects").json()["items"][0]["team"] == "payments"
    assert nested.admin.patch("/projects/store", json={}).json()["team"] == "payments"
    assert nested.admin.patch("/projects/store", json={"team": "nobody"}).status_code == 404
    nested.admin.delete("/teams/payments")
    assert nested.admin.get("/projects/store").json()["team"] is None
