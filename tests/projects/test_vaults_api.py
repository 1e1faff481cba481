"""External stores over HTTP: connected and changed by administrators, shown without their credentials."""

from __future__ import annotations

import pytest

from tests.world import Api

HV = {"name": "main", "address": "https://vault.example.com/", "token": "hvs.secret", "prefix": "apps/{project}/"}


def test_a_store_is_connected_listed_changed_and_disconnected_without_its_token(api: Api) -> None:
    made = api.admin.post("/vaults", json=HV)
    assert made.status_code == 201
    assert made.json()["sign_in"] == "token"
    changed = api.admin.patch("/vaults/main", json={"role_id": "r", "secret_id": "hvs.other", "mount": "kv"})
    assert (changed.json()["sign_in"], changed.json()["mount"]) == ("approle", "kv")
    seen = made.text + changed.text + api.admin.get("/vaults").text + api.admin.get("/events").text
    assert "hvs." not in seen
    assert api.admin.delete("/vaults/main").status_code == 204
    assert api.admin.get("/vaults").json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"address": "vault"},
        {"token": None},
        {"role_id": "r"},
        {"token": "a", "role_id": "r", "secret_id": "s"},
        {"token": "a\r\nX-Evil: 1"},
        {"mount": "../sys"},
        {"prefix": "apps"},
        {"prefix": "../{project}/"},
        {"name": "Not A Label"},
        {"kind": "command", "command": "/bin/sh"},
        {"kind": "command", "command": ["/bin/sh", "-c", "id"]},
        {"kind": "command", "command": "not-there"},
        {"kind": "command"},
    ],
)
def test_a_store_that_could_not_work_or_leads_elsewhere_is_refused(sqlite_api: Api, body: dict[str, object]) -> None:
    answer = sqlite_api.admin.post("/vaults", json={**HV, **body})
    assert answer.status_code == 422, answer.text
    assert "hvs.secret" not in answer.text
    assert sqlite_api.admin.get("/vaults").json()["items"] == []


def test_two_stores_of_one_name_are_a_conflict(api: Api) -> None:
    assert [api.admin.post("/vaults", json=HV).status_code for _ in range(2)] == [201, 409]


def test_members_connect_nothing(sqlite_api: Api) -> None:
    sqlite_api.admin.post("/vaults", json=HV)
    answers = [
        sqlite_api.member.post("/vaults", json={**HV, "name": "other"}),
        sqlite_api.member.patch("/vaults/main", json={"mount": "x"}),
        sqlite_api.member.delete("/vaults/main"),
        sqlite_api.member.post("/vaults/main/try", json={"path": "a"}),
        sqlite_api.member.post("/vaults/main/allow", json={"project": "shop"}),
    ]
    assert {each.status_code for each in answers} == {403}


def test_trying_a_store_shows_the_names_of_keys_alone(sqlite_api: Api) -> None:
    command = sqlite_api.platform.settings.vault_commands / "read-secret"
    command.write_text('#!/bin/sh\necho \'{"password": "hunter2"}\'\n')
    command.chmod(0o700)
    sqlite_api.admin.post("/vaults", json={"name": "main", "kind": "command", "command": "read-secret"})
    answer = sqlite_api.admin.post("/vaults/main/try", json={"path": "shop/db"})
    assert answer.json() == {"keys": ["password"]}
    assert sqlite_api.admin.post("/vaults/none/try", json={"path": "a"}).status_code == 404


def test_an_external_secret_has_to_be_below_the_prefix(sqlite_api: Api) -> None:
    sqlite_api.admin.post("/projects", json={"name": "shop"})
    sqlite_api.admin.post("/vaults", json={**HV, "projects": ["shop"]})
    put = "/projects/shop/secrets/PASSWORD"
    refused = sqlite_api.admin.put(put, json={"external": {"source": "main", "path": "apps/other/db"}})
    assert refused.status_code == 422
    made = sqlite_api.admin.put(put, json={"external": {"source": "main", "path": "apps/shop/db", "key": "password"}})
    assert made.json()["external"] == {"source": "main", "path": "apps/shop/db", "key": "password", "version": None}
    assert sqlite_api.admin.post(f"/secrets/{made.json()['id']}/reveal", json={}).status_code == 409
    assert sqlite_api.admin.delete("/vaults/main").status_code == 409


def test_a_member_reads_a_store_only_in_projects_that_an_administrator_named(sqlite_api: Api) -> None:
    sqlite_api.admin.post("/vaults", json=HV)
    sqlite_api.member.post("/projects", json={"name": "mine"})
    sqlite_api.admin.post("/projects", json={"name": "mine"})  # whoever may
    external = {"external": {"source": "main", "path": "apps/mine/db"}}
    refused = sqlite_api.member.put("/projects/mine/secrets/PASSWORD", json=external)
    assert (refused.status_code, refused.json()["code"]) == (403, "vault-not-allowed-here")
    assert "vaults allow main mine" in refused.json()["next_step"]
    allowed = sqlite_api.admin.post("/vaults/main/allow", json={"project": "mine"})
    assert allowed.json()["projects"] == ["mine"]
    assert sqlite_api.member.put("/projects/mine/secrets/PASSWORD", json=external).status_code == 200
    assert sqlite_api.admin.post("/vaults/main/deny", json={"project": "mine"}).json()["projects"] == []
