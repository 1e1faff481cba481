"""People and invitations over HTTP."""

from __future__ import annotations

import pytest

from highroad.access import store
from tests.world import ADMIN, MEMBER, Api


def invite(api: Api, **body: object) -> dict[str, object]:
    answer = api.admin.post("/invitations", json={"email": "eve@example.com", **body})
    assert answer.status_code == 201
    made: dict[str, object] = answer.json()
    return made


def test_an_invitation_has_a_link_and_is_listed_without_it(api: Api) -> None:
    made = invite(api, role="auditor", name="Eve")
    assert str(made["link"]).startswith("http://localhost:8080/invitation#")
    listed = api.member.get("/invitations").json()["items"]
    assert [(each["email"], each["role"], each["expired"]) for each in listed] == [
        ("eve@example.com", "auditor", False)
    ]
    assert "link" not in listed[0]
    assert [each["email"] for each in api.admin.get("/users").json()["items"]] == [ADMIN, MEMBER]


def test_who_is_invited_or_here_is_not_invited_again(sqlite_api: Api) -> None:
    invite(sqlite_api)
    again = sqlite_api.admin.post("/invitations", json={"email": "EVE@example.com"})
    assert (again.status_code, again.json()["code"]) == (409, "invited-already")
    here = sqlite_api.admin.post("/invitations", json={"email": MEMBER})
    assert (here.status_code, here.json()["code"]) == (409, "user-exists")


def test_an_invitation_is_renewed_and_withdrawn_by_address_too(sqlite_api: Api) -> None:
    first = invite(sqlite_api)
    second = sqlite_api.admin.post("/invitations/eve@example.com/resend").json()
    assert second["link"] != first["link"]
    assert sqlite_api.admin.delete(f"/invitations/{first['id']}").status_code == 204
    assert sqlite_api.admin.delete(f"/invitations/{first['id']}").status_code == 404


def test_a_member_invites_nobody(sqlite_api: Api) -> None:
    assert sqlite_api.member.post("/invitations", json={"email": "eve@example.com"}).status_code == 403


def test_a_deactivated_user_is_out_at_once(api: Api) -> None:
    assert api.admin.patch(f"/users/{MEMBER}", json={"active": False}).json()["active"] is False
    assert api.member.get("/me").json()["detail"] == f"{MEMBER} is deactivated."


def test_nobody_changes_their_own_role(api: Api) -> None:
    answer = api.admin.patch(f"/users/{api.people.admin.id}", json={"role": "admin"})
    assert (answer.status_code, answer.json()["code"]) == (403, "not-yours-to-change")


def test_the_last_owner_stays(api: Api) -> None:
    answer = api.admin.patch(f"/users/{api.people.admin.id}", json={"active": False})
    assert (answer.status_code, answer.json()["code"]) == (409, "last-owner")


def test_users_are_listed_for_everybody_without_their_secrets(sqlite_api: Api) -> None:
    found = sqlite_api.member.get("/users").json()["items"]
    assert [each["email"] for each in found] == [ADMIN, MEMBER]
    assert not {"password", "has_password", "token"} & set(found[0])


def test_a_person_is_shown_with_teams_roles_sessions_and_tokens(api: Api) -> None:
    api.admin.post("/teams", json={"name": "shop", "title": "Shop"})
    api.admin.post("/teams", json={"name": "payments", "parent": "shop"})
    api.admin.put(f"/teams/payments/members/{MEMBER}")
    found = api.admin.get(f"/users/{MEMBER}").json()
    assert [(each["team"], each["sources"]) for each in found["teams"]] == [("payments", ["manual"]), ("shop", [])]
    access = found["access"]
    assert [(each["role"], each["project"], each["through"]) for each in access["roles"]] == [("manager", None, None)]
    assert [each["name"] for each in access["tokens"]] == ["a member's"]
    assert access["sessions"] == 0


def test_what_somebody_may_do_is_hidden_from_those_who_may_not_see_it(sqlite_api: Api) -> None:
    found = sqlite_api.member.get(f"/users/{ADMIN}").json()
    assert found["access"] is None
    assert found["teams"] == []


@pytest.mark.parametrize("id", ["usr_none", "nobody@example.com", "ci"])
def test_what_is_no_person_is_404(sqlite_api: Api, id: str) -> None:
    sqlite_api.admin.post("/service-accounts", json={"name": "ci"})
    assert sqlite_api.admin.get(f"/users/{id}").status_code == 404
    assert sqlite_api.admin.patch(f"/users/{id}", json={"active": False}).status_code == 404


def test_who_made_accounts_for_programs_leaves_them_behind(sqlite_api: Api) -> None:
    sqlite_api.admin.post("/service-accounts", json={"name": "ci"})
    assert sqlite_api.admin.get(f"/users/{ADMIN}").json()["access"]["made"] == ["ci"]


def test_deactivation_is_kept_in_the_database_as_the_end_of_all_tokens(sqlite_api: Api) -> None:
    sqlite_api.admin.patch(f"/users/{MEMBER}", json={"active": False})
    with sqlite_api.db.read() as tx:
        assert all(each.revoked_at for each in store.list_tokens(tx, sqlite_api.people.member.id))
