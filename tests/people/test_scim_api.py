"""SCIM over HTTP: users and groups as a directory brings them, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from highroad.access import grants, store, teams
from tests.world import ADMIN, MEMBER, SOURCE, Api

PROVISION = 'permit (principal, action == Action::"directory:write", resource);'


def directory(api: Api) -> TestClient:
    made = api.admin.post("/policy-tokens", json={"name": "directory", "policy": PROVISION}).json()
    headers = {"Authorization": f"Bearer {made['secret']}"}
    return TestClient(api.app, base_url=f"{SOURCE}/scim/v2", headers=headers, raise_server_exceptions=False)


@pytest.fixture
def scim(api: Api) -> TestClient:
    return directory(api)


def eve(scim: TestClient, **more: object) -> dict[str, Any]:
    body = {"userName": "eve@example.com", "displayName": "Eve", "externalId": "E1", **more}
    answer = scim.post("/Users", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def patch(scim: TestClient, place: str, /, **operation: object) -> Any:
    return scim.patch(place, json={"Operations": [operation]})


def id_of(scim: TestClient, email: str) -> str:
    found = scim.get("/Users", params={"filter": f'userName eq "{email}"'}).json()
    return str(found["Resources"][0]["id"])


# Who may


def test_only_who_may_provision_is_let_in(api: Api) -> None:
    for caller, status in ((api.nobody, 401), (api.member, 403), (api.caller_with("read", "write", "git"), 403)):
        headers = dict(caller.headers)
        answer = TestClient(api.app, base_url=f"{SOURCE}/scim/v2", headers=headers).get("/Users")
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/scim+json"
        assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert answer.json()["status"] == str(status)


def test_the_token_of_a_directory_does_nothing_else(api: Api, scim: TestClient) -> None:
    token = scim.headers["Authorization"].removeprefix("Bearer ")
    caller = api.caller(token)
    assert caller.get("/users").status_code == 403
    assert caller.patch(f"/users/{api.people.member.id}", json={"role": "admin"}).status_code == 403
    assert caller.get("/projects").json()["items"] == []


# Users


def test_a_user_is_created_found_and_may_sign_in(api: Api, scim: TestClient) -> None:
    made = eve(scim)
    assert made["meta"]["location"] == f"{SOURCE}/scim/v2/Users/{made['id']}"
    found = scim.get("/Users", params={"filter": 'externalId eq "E1"'}).json()
    assert (found["totalResults"], found["Resources"][0]["id"]) == (1, made["id"])
    user = api.admin.get("/users/eve@example.com").json()
    assert (user["name"], user["role"], user["active"]) == ("Eve", "member", True)


def test_a_name_or_an_address_that_is_taken_is_409_uniqueness(scim: TestClient) -> None:
    eve(scim)
    bodies: tuple[dict[str, Any], ...] = (
        {"userName": "EVE@example.com"},
        {"userName": "other", "emails": [{"value": MEMBER}]},
    )
    for body in bodies:
        answer = scim.post("/Users", json=body)
        assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")


@pytest.mark.parametrize("value", [False, "False"])
def test_deactivating_somebody_ends_their_tokens_at_once(api: Api, scim: TestClient, value: object) -> None:
    id = id_of(scim, MEMBER)
    assert patch(scim, f"/Users/{id}", op="Replace", path="active", value=value).json()["active"] is False
    assert api.member.get("/me").status_code == 401


def test_the_last_owner_is_neither_deactivated_nor_deleted(api: Api, scim: TestClient) -> None:
    id = id_of(scim, ADMIN)
    answers = [patch(scim, f"/Users/{id}", op="replace", value={"active": False}), scim.delete(f"/Users/{id}")]
    assert {each.status_code for each in answers} == {409}
    assert api.admin.get("/me").status_code == 200


def test_a_directory_locks_an_owner_out_and_raises_nobody(api: Api, scim: TestClient) -> None:
    with api.db.begin() as tx:
        second = store.add_user(tx, id="usr_second", email="second@example.com", name="Second", role="owner")
    path = f"/Users/{second.id}"
    stolen = patch(scim, path, op="replace", path="emails", value=[{"value": "eve@example.com"}])
    assert stolen.status_code == 403, "whoever has the address could sign in as the owner"
    assert patch(scim, path, op="replace", path="active", value=False).status_code == 200
    assert patch(scim, path, op="replace", path="active", value=True).status_code == 403


def test_who_is_deleted_is_gone_and_comes_back_without_what_they_had(api: Api, scim: TestClient) -> None:
    id = id_of(scim, MEMBER)
    assert scim.delete(f"/Users/{id}").status_code == 204
    assert scim.get(f"/Users/{id}").status_code == 404
    assert scim.delete(f"/Users/{id}").status_code == 404
    assert api.member.get("/me").status_code == 401
    back = scim.post("/Users", json={"userName": MEMBER}).json()
    assert (back["id"], back["active"]) == (id, True)
    with api.db.read() as tx:
        assert grants.list_grants(tx, holder_id=id) == []


def test_a_change_of_what_changed_meanwhile_is_refused(scim: TestClient) -> None:
    made = eve(scim)
    path, old = f"/Users/{made['id']}", made["meta"]["version"]
    assert scim.get(path, headers={"If-None-Match": old}).status_code == 304
    body = {"Operations": [{"op": "replace", "path": "displayName", "value": "Eva"}]}
    first = scim.patch(path, json=body, headers={"If-Match": old})
    assert first.headers["etag"] == first.json()["meta"]["version"] != old
    assert scim.patch(path, json=body, headers={"If-Match": old}).status_code == 412


def test_pages_are_counted_from_one(scim: TestClient) -> None:
    for number in range(5):
        eve(scim, userName=f"user{number}@example.com", externalId=f"E{number}")
    page = scim.get("/Users", params={"startIndex": 3, "count": 2}).json()
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (7, 3, 2)
    assert scim.get("/Users", params={"startIndex": 0, "count": -1}).json()["Resources"] == []
    assert scim.get("/Users", params={"startIndex": "x"}).status_code == 400


def test_a_filter_reaches_no_database(scim: TestClient) -> None:
    for text in ("userName eq \"x' OR '1'='1\"", 'userName eq "%"', 'userName co "\' UNION SELECT"'):
        assert scim.get("/Users", params={"filter": text}).json()["totalResults"] == 0
    refused = scim.get("/Users", params={"filter": 'userName eq "x"; DROP TABLE users'})
    assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidFilter")
    secret = scim.get("/Users", params={"filter": 'password sw "$argon2"'}).json()
    assert secret["totalResults"] == 0


def test_only_the_attributes_that_are_wanted_are_told(scim: TestClient) -> None:
    id = eve(scim)["id"]
    assert set(scim.get(f"/Users/{id}", params={"attributes": "userName"}).json()) == {"schemas", "id", "userName"}
    assert "emails" not in scim.get(f"/Users/{id}", params={"excludedAttributes": "emails"}).json()


@pytest.mark.parametrize("body", ["", "[]", "{", "null", '{"userName": 7}', '{"userName": "x"}', '{"userName": ""}'])
def test_what_is_no_user_is_400(scim: TestClient, body: str) -> None:
    answer = scim.post("/Users", content=body)
    assert answer.status_code == 400
    assert answer.json()["scimType"] in ("invalidSyntax", "invalidValue")


def test_whom_a_directory_creates_is_a_member_whatever_they_were_invited_to(api: Api, scim: TestClient) -> None:
    api.admin.post("/invitations", json={"email": "eve@example.com", "role": "owner"})
    eve(scim)
    assert api.admin.get("/users/eve@example.com").json()["role"] == "member"
    assert api.admin.get("/invitations").json()["items"] == []


# Groups


def test_a_group_becomes_a_team_whose_members_come_from_the_directory(api: Api, scim: TestClient) -> None:
    made = eve(scim)
    body = {"displayName": "Payments & Billing", "externalId": "G1", "members": [{"value": made["id"]}]}
    group = scim.post("/Groups", json=body).json()
    team = api.admin.get("/teams/payments-billing").json()
    assert (team["title"], team["external_id"]) == ("Payments & Billing", "G1")
    assert [(each["email"], each["sources"]) for each in team["members"]] == [("eve@example.com", ["scim"])]
    assert scim.get(f"/Users/{made['id']}").json()["groups"][0]["value"] == group["id"]


def test_groups_are_nested_through_their_members(api: Api, scim: TestClient) -> None:
    child = scim.post("/Groups", json={"displayName": "Payments"}).json()
    parent = scim.post("/Groups", json={"displayName": "Shop", "members": [{"value": child["id"]}]}).json()
    assert api.admin.get("/teams/payments").json()["parent"] == "shop"
    circle = patch(scim, f"/Groups/{child['id']}", op="add", path="members", value=[{"value": parent["id"]}])
    assert circle.status_code == 400
    removed = patch(scim, f"/Groups/{parent['id']}", op="remove", path=f'members[value eq "{child["id"]}"]')
    assert "members" not in removed.json()
    assert api.admin.get("/teams/payments").json()["parent"] is None


def test_a_directory_takes_out_only_whom_it_put_in(api: Api, scim: TestClient) -> None:
    group = scim.post("/Groups", json={"displayName": "Shop"}).json()
    api.admin.put(f"/teams/shop/members/{MEMBER}")
    id = id_of(scim, MEMBER)
    patch(scim, f"/Groups/{group['id']}", op="add", path="members", value=[{"value": id}])
    patch(scim, f"/Groups/{group['id']}", op="replace", path="members", value=[])
    with api.db.read() as tx:
        assert [each.sources for each in teams.members(tx, group["id"])] == [("manual",)]


def test_members_are_people_who_are_here(api: Api, scim: TestClient) -> None:
    account = api.admin.post("/service-accounts", json={"name": "bot"}).json()
    for id in ("usr_none", account["id"]):
        answer = scim.post("/Groups", json={"displayName": f"Of {id}", "members": [{"value": id}]})
        assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")
    assert api.admin.get("/teams").json()["items"] == [], "what is refused changes nothing"


def test_a_group_of_a_title_that_is_there_is_409(api: Api, scim: TestClient) -> None:
    api.admin.post("/teams", json={"name": "shop", "title": "The Shop"})
    answer = scim.post("/Groups", json={"displayName": "the shop"})
    assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")


def test_a_deleted_group_is_a_deleted_team(api: Api, scim: TestClient) -> None:
    group = scim.post("/Groups", json={"displayName": "Shop"}).json()
    assert scim.delete(f"/Groups/{group['id']}").status_code == 204
    assert api.admin.get("/teams/shop").status_code == 404


# The rest


def test_what_there_is_not_is_said_in_scims_own_words(scim: TestClient) -> None:
    assert scim.post("/Bulk", json={}).status_code == 501
    assert scim.get("/Me").status_code == 501
    assert scim.get("/Nothing").json()["status"] == "404"
    assert scim.put("/Users", json={}).status_code == 405
    config = scim.get("/ServiceProviderConfig").json()
    assert (config["bulk"]["supported"], config["patch"]["supported"], config["etag"]["supported"]) == (
        False,
        True,
        True,
    )
