"""Secrets over HTTP: written by those who may, read by fewer, and never in an answer, an event or a row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from highroad.access import grants, store
from highroad.db import keys
from highroad.events import store as events
from highroad.kit.ids import new_id
from highroad.projects import variable_store
from highroad.workload.codec import dump
from highroad.workload.model import Process, Workload
from tests.world import Api

VALUE = "correct-horse-battery-staple"
SHOP = "/projects/shop/secrets"
HERE = {"environment": "production", "service": "web"}


@pytest.fixture
def shop(api: Api) -> Api:
    api.admin.post("/projects", json={"name": "shop"})
    api.admin.post("/projects/shop/environments", json={"name": "production", "mode": "production"})
    api.admin.post("/projects/shop/environments", json={"name": "test", "mode": "staging"})
    api.admin.post("/projects/shop/services", json={"name": "web"})
    api.admin.post("/projects", json={"name": "other"})
    return api


def with_role(api: Api, role: str, *, project: str = "shop", mode: str | None = None) -> TestClient:
    """A member who has this role there, and nothing else."""
    with api.db.begin() as tx:
        user = store.add_user(tx, id=new_id("usr"), email=f"{new_id('x')}@example.com", name="Eve")
        found = tx.execute(text("SELECT id FROM projects WHERE name = :name"), {"name": project}).scalar_one()
        grants.set_grant(tx, holder_kind="user", holder_id=user.id, project=found, mode=mode, role=role, by="ada")
    return api.caller_with("read", "write", user=user)


def put(client: TestClient, name: str, params: dict[str, str] | None = None, **body: object) -> Any:
    answer = client.put(f"{SHOP}/{name}", json=body, params=params or {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def listed(client: TestClient, **where: str) -> dict[str, Any]:
    return {each["name"]: each for each in client.get(SHOP, params=where).json()["items"]}


def reveal(client: TestClient, id: str, **body: object) -> Any:
    return client.post(f"/secrets/{id}/reveal", json=body)


# Who sees what


def test_a_plan_asks_no_store_and_names_what_depends_on_it(shop: Api) -> None:
    asked = shop.platform.settings.data / "asked"
    command = shop.platform.settings.vault_commands / "read-secret"
    command.write_text(f"#!/bin/sh\ntouch {asked}\necho '{{}}'\n")
    command.chmod(0o700)
    store = {"name": "main", "kind": "command", "command": "read-secret", "every_project": True}
    assert shop.admin.post("/vaults", json=store).status_code == 201
    put(shop.admin, "TOKEN", external={"source": "main", "path": "a"})
    body = {"workload": dump(Workload(processes=(Process(name="web", command="serve", http=True),)))}
    viewer = with_role(shop, "viewer")
    made = viewer.post("/projects/shop/services/web/environments/production/plan", json=body)
    assert made.status_code == 200, made.text
    assert ("TOKEN", "read from its store when it is deployed") in {
        (each["subject"], each["detail"]) for each in made.json()["changes"]
    }
    assert not asked.exists()


def test_whoever_may_not_read_a_secret_cannot_tell_a_right_guess_from_a_wrong_one(shop: Api) -> None:
    deployer = with_role(shop, "deployer")
    put(shop.admin, "TOKEN", value=VALUE)
    versions = [put(deployer, "TOKEN", value=each)["version"] for each in ("wrong", VALUE, VALUE)]
    assert versions == [2, 3, 4]
    assert put(shop.admin, "TOKEN", value=VALUE)["version"] == 4, "who may read it learns nothing"


def test_a_secret_is_listed_with_who_and_when_and_without_its_value(shop: Api) -> None:
    put(shop.admin, "TOKEN", value=VALUE)
    answer = shop.admin.get(SHOP)
    assert VALUE not in answer.text
    (found,) = answer.json()["items"]
    assert (found["kind"], found["scope"], found["version"], found["changed_by"]) == (
        "secret",
        "project",
        1,
        "ada@example.com",
    )
    assert found["changed_at"]


def test_the_right_to_write_is_not_the_right_to_read(shop: Api) -> None:
    deployer = with_role(shop, "deployer")
    made = put(deployer, "TOKEN", value=VALUE)
    refused = reveal(deployer, made["id"])
    assert refused.status_code == 403
    assert "secret:read" in refused.json()["detail"]
    shown = reveal(with_role(shop, "manager"), made["id"])
    assert shown.json() == {"name": "TOKEN", "value": VALUE, "version": 1}
    assert shown.headers["cache-control"] == "no-store"


def test_a_viewer_sees_names_and_changes_nothing(shop: Api) -> None:
    made = put(shop.admin, "TOKEN", value=VALUE)
    viewer = with_role(shop, "viewer")
    assert list(listed(viewer)) == ["TOKEN"]
    answers = [
        viewer.put(f"{SHOP}/TOKEN", json={"value": "x"}),
        viewer.put(f"{SHOP}/OTHER", json={"alias": "TOKEN"}),
        viewer.delete(f"/secrets/{made['id']}"),
        viewer.post(f"/secrets/{made['id']}/restore", json={"version": 1}),
        viewer.post(f"/secrets/{made['id']}/expose", json={}),
        viewer.post(SHOP, json={"text": "A=b", "dry_run": True}),
        reveal(viewer, made["id"]),
    ]
    assert {each.status_code for each in answers} == {403}


def test_a_token_that_only_reads_reveals_nothing(shop: Api) -> None:
    made = put(shop.admin, "TOKEN", value=VALUE)
    assert reveal(shop.caller_with("read"), made["id"]).status_code == 403


def test_somebody_elses_secret_is_as_good_as_not_there(shop: Api) -> None:
    made = put(shop.admin, "TOKEN", value=VALUE)
    stranger = with_role(shop, "manager", project="other")
    for answer in (
        reveal(stranger, made["id"]),
        stranger.get(f"/secrets/{made['id']}/versions"),
        stranger.delete(f"/secrets/{made['id']}"),
        stranger.get(SHOP),
    ):
        assert answer.status_code == 404


def test_a_role_in_staging_reveals_nothing_of_production(shop: Api) -> None:
    made = put(shop.admin, "TOKEN", {"environment": "production"}, value=VALUE)
    there = put(shop.admin, "TOKEN", {"environment": "test"}, value="harmless")
    tester = with_role(shop, "manager", mode="staging")
    assert reveal(tester, made["id"]).status_code in (403, 404)
    assert reveal(tester, there["id"]).json()["value"] == "harmless"


def test_who_revealed_what_is_an_event_without_the_value(shop: Api) -> None:
    made = put(shop.admin, "TOKEN", {"environment": "production"}, value=VALUE)
    reveal(shop.admin, made["id"])
    with shop.db.read() as tx:
        last = events.latest(tx, limit=1)[0]
    assert last.type.endswith("secret.read.0.1.0")
    assert (last.actor, last.project, last.environment) == ("ada@example.com", "shop", "production")
    assert "TOKEN" in json.dumps(last.data)


def test_no_value_is_in_any_event_or_row_or_list(shop: Api) -> None:
    put(shop.admin, "TOKEN", value=VALUE)
    put(shop.admin, "TOKEN", value=f"{VALUE}-2")
    shop.admin.post(SHOP, json={"text": f"OTHER={VALUE}-3"})
    shop.admin.patch("/projects/shop/variables", json={"set": {"TOKEN": f"{VALUE}-4", "PLAIN": f"{VALUE}-5"}})
    answers = [shop.admin.get(path).text for path in (SHOP, "/events", "/projects/shop/variables")]
    assert VALUE not in answers[0] + answers[1]
    assert answers[2].count(VALUE) == 1, "the plain variable's"
    with shop.db.read() as tx:
        for table in ("variables", "variable_versions", "events"):
            assert VALUE not in str(tx.execute(text(f"SELECT * FROM {table}")).all())


# Kinds


def test_a_secret_set_as_a_variable_stays_one_and_takes_the_right_for_it(shop: Api) -> None:
    put(shop.admin, "TOKEN", value="first")
    shop.admin.patch("/projects/shop/variables", json={"set": {"TOKEN": VALUE}})
    found = listed(shop.admin)["TOKEN"]
    assert (found["kind"], found["version"]) == ("secret", 2)
    assert reveal(shop.admin, found["id"]).json()["value"] == VALUE


def test_a_plain_variable_becomes_a_secret_and_only_a_reader_makes_it_plain_again(shop: Api) -> None:
    shop.admin.patch("/projects/shop/variables", json={"set": {"A": "visible"}})
    made = put(shop.admin, "A", value=VALUE)
    assert made["version"] == 2
    deployer, manager = with_role(shop, "deployer"), with_role(shop, "manager")
    assert deployer.post(f"/secrets/{made['id']}/expose", json={}).status_code == 403
    assert manager.post(f"/secrets/{made['id']}/expose", json={}).status_code == 200
    values = {each["name"]: each["value"] for each in shop.admin.get("/projects/shop/variables").json()["items"]}
    assert values == {"A": VALUE}


def test_an_earlier_plain_value_that_is_restored_stays_a_secret(shop: Api) -> None:
    shop.admin.patch("/projects/shop/variables", json={"set": {"A": "was visible"}})
    made = put(shop.admin, "A", value=VALUE)
    answer = shop.admin.post(f"/secrets/{made['id']}/restore", json={"version": 1})
    assert (answer.json()["kind"], answer.json()["version"]) == ("secret", 3)
    assert reveal(shop.admin, made["id"]).json()["value"] == "was visible"


def test_scopes_override_each_other(shop: Api) -> None:
    put(shop.admin, "TOKEN", value="wide")
    put(shop.admin, "TOKEN", {"environment": "production"}, value="narrower")
    put(shop.admin, "TOKEN", HERE, value="narrowest")
    found = listed(shop.admin, **HERE)["TOKEN"]
    assert (found["scope"], found["overrides"]) == ("service-environment", "environment")
    assert reveal(shop.admin, found["id"]).json()["value"] == "narrowest"
    assert listed(shop.admin, environment="test")["TOKEN"]["scope"] == "project"


@pytest.mark.parametrize(
    "body", [{}, {"value": "x", "alias": "Y"}, {"value": None}, {"value": "x", "unknown": 1}, {"value": 5}]
)
def test_a_body_that_is_not_one_thing_is_refused(shop: Api, body: dict[str, object]) -> None:
    assert shop.admin.put(f"{SHOP}/A", json=body).status_code == 422


@pytest.mark.parametrize("name", ["PATH", "HIGHROAD_X", "1A", "A-B", "x" * 129])
def test_a_name_that_no_variable_can_have_is_refused(shop: Api, name: str) -> None:
    assert shop.admin.put(f"{SHOP}/{name}", json={"value": "x"}).status_code == 422


def test_a_value_that_is_too_long_is_refused_without_being_repeated(shop: Api) -> None:
    answer = shop.admin.put(f"{SHOP}/A", json={"value": VALUE * 2000})
    assert answer.status_code == 422
    assert VALUE not in answer.text


# References


def test_a_circle_and_an_unknown_name_are_refused_when_they_are_set(shop: Api) -> None:
    answers = [
        shop.admin.patch("/projects/shop/variables", json={"set": values})
        for values in ({"A": "${{MISSING}}"}, {"A": "${{B}}", "B": "x"}, {"B": "${{A}}"})
    ]
    assert [each.status_code for each in answers] == [422, 200, 422]
    answer = answers[2]
    assert answer.status_code == 422
    assert "A -> B -> A" in answer.json()["detail"]


def test_a_circle_over_scopes_is_found_where_it_closes(shop: Api) -> None:
    shop.admin.patch("/projects/shop/variables", json={"set": {"A": "x"}})
    put(shop.admin, "B", {"environment": "production"}, alias="A")
    refused = shop.admin.patch("/projects/shop/variables", json={"set": {"A": "${{B}}"}})
    assert refused.status_code == 422
    assert "A -> B -> A" in refused.json()["detail"]


def test_what_others_refer_to_is_not_unset(shop: Api) -> None:
    made = put(shop.admin, "PASSWORD", value=VALUE)
    shop.admin.patch("/projects/shop/variables", json={"set": {"URL": "x:${{secret.PASSWORD}}"}})
    answer = shop.admin.delete(f"/secrets/{made['id']}")
    assert answer.status_code == 422
    assert "URL refers to PASSWORD" in answer.json()["detail"]
    assert "PASSWORD" in listed(shop.admin)


def test_the_value_of_a_reference_is_not_shown_to_those_who_see_variables(shop: Api) -> None:
    put(shop.admin, "PASSWORD", value=VALUE)
    shop.admin.patch("/projects/shop/variables", json={"set": {"URL": "x:${{secret.PASSWORD}}"}})
    assert VALUE not in shop.admin.get("/projects/shop/variables").text


# Versions


def test_every_change_is_a_version_and_the_same_value_is_none(shop: Api) -> None:
    made = put(shop.admin, "TOKEN", value="1")
    put(shop.admin, "TOKEN", value="1")
    put(shop.admin, "TOKEN", value="2")
    answer = shop.admin.get(f"/secrets/{made['id']}/versions").json()["items"]
    assert [(each["number"], each["current"]) for each in answer] == [(2, True), (1, False)]
    assert reveal(shop.admin, made["id"], version=1).json()["value"] == "1"
    assert reveal(shop.admin, made["id"], version=9).status_code == 404


def test_old_versions_beyond_the_last_twenty_go(shop: Api) -> None:
    for number in range(25):
        made = put(shop.admin, "TOKEN", value=str(number), deploy=False)
    kept = shop.admin.get(f"/secrets/{made['id']}/versions").json()["items"]
    assert len(kept) == variable_store.KEEP_VERSIONS + 1
    assert reveal(shop.admin, made["id"], version=6).json()["value"] == "5"


def test_a_removed_secret_leaves_nothing(shop: Api) -> None:
    put(shop.admin, "TOKEN", value="1")
    made = put(shop.admin, "TOKEN", value="2")
    assert shop.admin.delete(f"/secrets/{made['id']}").status_code == 200
    assert listed(shop.admin) == {}
    with shop.db.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM variable_versions")).scalar() == 0


# Import


def test_an_import_is_previewed_and_then_done(shop: Api) -> None:
    put(shop.admin, "SAME", value="same")
    put(shop.admin, "OLD", value="old")
    body = {"text": "SAME=same\nOLD=new\nexport NEW='x y'\n# note\n", "dry_run": True}
    effects = {each["name"]: each["effect"] for each in shop.admin.post(SHOP, json=body).json()["items"]}
    assert effects == {"SAME": "unchanged", "OLD": "changed", "NEW": "added"}
    assert set(listed(shop.admin)) == {"SAME", "OLD"}
    shop.admin.post(SHOP, json={**body, "dry_run": False})
    assert {name: each["version"] for name, each in listed(shop.admin).items()} == {"SAME": 1, "OLD": 2, "NEW": 1}


def test_a_preview_tells_no_guess_from_the_secret(shop: Api) -> None:
    put(shop.admin, "TOKEN", value=VALUE)
    deployer = with_role(shop, "deployer")
    for guess in (VALUE, "wrong"):
        answer = deployer.post(SHOP, json={"text": f"TOKEN={guess}", "dry_run": True}).json()
        assert [each["effect"] for each in answer["items"]] == ["replaced"]


@pytest.mark.parametrize("lines", ["", "# nothing", "no equals sign", "A='unclosed", f"{VALUE}"])
def test_a_file_that_is_none_is_refused_without_being_repeated(shop: Api, lines: str) -> None:
    answer = shop.admin.post(SHOP, json={"text": lines})
    assert answer.status_code == 422
    assert VALUE not in answer.text


def test_one_wrong_line_imports_nothing(shop: Api) -> None:
    assert shop.admin.post(SHOP, json={"text": "A=1\nPATH=/evil"}).status_code == 422
    assert listed(shop.admin) == {}


# Attacks on the database


def test_a_row_that_was_moved_or_relabelled_does_not_open(shop: Api) -> None:
    made = put(shop.admin, "TOKEN", value=VALUE)
    for change in ("kind = 'plain'", "name = 'PUBLIC'", "file = '/tmp/x'"):
        with shop.db.begin() as tx:
            row = tx.execute(text("SELECT * FROM variables")).mappings().one()
            tx.execute(text(f"UPDATE variables SET {change} WHERE id = :id"), {"id": made["id"]})
        answer = shop.admin.get("/projects/shop/variables")
        assert answer.status_code == 409
        assert VALUE not in answer.text
        with shop.db.begin() as tx:
            restored = {"kind": row["kind"], "name": row["name"], "file": row["file"], "id": made["id"]}
            tx.execute(text("UPDATE variables SET kind=:kind, name=:name, file=:file WHERE id=:id"), restored)
    assert reveal(shop.admin, made["id"]).json()["value"] == VALUE


def test_secrets_open_after_the_key_was_rotated(shop: Api) -> None:
    first = put(shop.admin, "TOKEN", value="1")
    put(shop.admin, "TOKEN", value=VALUE)
    answer = shop.admin.post("/sealing/rotate", json={})
    assert answer.status_code == 200
    keys.carry_on(shop.db)
    status = shop.admin.get("/sealing").json()
    assert status["rotating"] is False
    assert [bool(each["retired_at"]) for each in status["keys"]] == [False, True]
    assert status["keys"][1]["sealed"] == 0
    assert [reveal(shop.admin, first["id"], version=number).json()["value"] for number in (1, 2)] == ["1", VALUE]


def test_only_administrators_rotate(shop: Api) -> None:
    assert shop.member.post("/sealing/rotate", json={}).status_code == 403


def test_the_events_name_what_changed_and_how(shop: Api) -> None:
    put(shop.admin, "TOKEN", value="1")
    put(shop.admin, "TOKEN", value="2")
    with shop.db.read() as tx:
        found = [each for each in events.latest(tx, limit=5) if each.type.endswith("secrets.changed.0.1.0")]
    assert "secret, version 2" in json.dumps(found[-1].data)
