"""Gates and waiting deployments over HTTP: from a rule to an approval, as people with roles see it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from highroad.access import grants
from highroad.access import store as accounts
from highroad.access.model import SYSTEM
from highroad.builds.model import Artifact
from highroad.gates import store as gates
from highroad.kit.ids import new_id
from highroad.pipelines import store as pipelines
from highroad.projects import actions as projects
from highroad.projects import store as stored
from highroad.workload.model import Process, Workload
from tests.world import Api

HERE = "/projects/shop/environments/production"
WEB = Workload(processes=(Process(name="web", command="serve", http=True),))


@pytest.fixture
def shop(api: Api) -> Api:
    """Production of `shop` with a release of `web`; the member deploys there."""
    context = api.platform.context
    with context.db.begin() as tx:
        project = projects.create_project(tx, context.log, SYSTEM, name="shop")
        service = projects.create_service(tx, context.log, SYSTEM, project, name="web")
        projects.create_environment(
            tx, context.log, SYSTEM, project, name="production", mode="production", branch="main"
        )
        words = {"commit": "c" * 40, "branch": "main", "message": "Change", "author": "Zoe <zoe@example.com>"}
        run = pipelines.add_run(tx, service.id, actor="zoe@example.com", **words)
        pipelines.add_release(tx, run, Artifact("sha256:1", "/artifact"), WEB)
        member = api.people.member.id
        grants.set_grant(
            tx, holder_kind="user", holder_id=member, project=project.id, mode=None, role="deployer", by="test"
        )
    return api


def made(answer: Any, status: int = 201) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ask(shop: Api) -> dict[str, Any]:
    return made(shop.member.post("/projects/shop/services/web/environments/production/deployments", json={}), 202)


def test_a_deployment_waits_is_seen_and_approved(shop: Api) -> None:
    rule = {"project": "shop", "environment": "production", "rule": "1 of owner or 1 of admin"}
    made(shop.admin.post("/approval-rules", json=rule))
    asked = ask(shop)
    assert asked["state"] == "waiting"
    assert asked["plan"]["summary"].startswith("Deploy release 1")
    [waiting] = made(shop.admin.get("/approvals"), 200)["items"]
    assert (waiting["deployment"], waiting["for_you"]) == (asked["id"], True)
    assert made(shop.member.get("/approvals"), 200)["items"][0]["for_you"] is False
    detail = made(shop.admin.get(f"/deployments/{asked['id']}/approval"), 200)
    assert detail["scans"].startswith("No scanners")
    assert detail["risk"]["reasons"]
    own = shop.member.post(f"/deployments/{asked['id']}/approve", json={"plan": detail["plan_version"]})
    assert (own.status_code, own.json()["code"]) == (403, "self-approval")
    stale = shop.admin.post(f"/deployments/{asked['id']}/approve", json={"plan": "9-x"})
    assert (stale.status_code, stale.json()["code"]) == (409, "plan-changed")
    body = {"plan": detail["plan_version"], "comment": "fine"}
    assert made(shop.admin.post(f"/deployments/{asked['id']}/approve", json=body), 200)["state"] == "running"


def test_a_freeze_holds_and_the_glass_is_broken(shop: Api) -> None:
    freeze = made(shop.admin.post("/freezes", json={"name": "always", "times": ["daily"], "mode": "production"}))
    assert (freeze["closed"], freeze["words"]) == (True, "closed for good")
    asked = ask(shop)
    assert asked["reason"] == "Production is frozen for good: always"
    path = f"/deployments/{asked['id']}/break-glass"
    assert shop.member.post(path, json={"reason": "now"}).status_code == 403
    passed = made(shop.admin.post(path, json={"reason": "customers cannot pay"}), 200)
    assert passed["broken_glass"] == "ada@example.com: customers cannot pay"
    assert passed["state"] == "running"


def test_a_refusal_needs_words(shop: Api) -> None:
    made(shop.admin.post("/approval-rules", json={"project": "shop", "rule": "1 of owner or 1 of admin"}))
    asked = ask(shop)
    empty = shop.admin.post(f"/deployments/{asked['id']}/refuse", json={"comment": " "})
    assert (empty.status_code, empty.json()["code"]) == (422, "reason-missing")
    ended = made(shop.admin.post(f"/deployments/{asked['id']}/refuse", json={"comment": "no"}), 200)
    assert ended["state"] == "refused"


def test_what_guards_an_environment_is_listed_from_every_place(shop: Api) -> None:
    for where in ({"project": "shop", "environment": "production"}, {"project": "shop"}, {"mode": "production"}, {}):
        made(shop.admin.post("/approval-rules", json={**where, "rule": "1 of owner"}))
    made(shop.admin.post("/approval-rules", json={"mode": "staging", "rule": "1 of owner"}))
    found = made(shop.member.get(f"{HERE}/gates"), 200)["items"]
    assert [each["where"] for each in found] == [
        "shop/production",
        "all environments of shop",
        "all production environments",
        "all environments",
    ]


def test_a_lock_is_set_seen_and_taken_away(shop: Api) -> None:
    made(shop.member.post(f"{HERE}/lock", json={"why": "migration"}))
    again = shop.admin.post(f"{HERE}/lock", json={"why": "me too"})
    assert (again.status_code, again.json()["code"]) == (409, "already-locked")
    assert made(shop.admin.get("/locks"), 200)["items"][0]["reason"] == "migration"
    assert shop.member.delete(f"{HERE}/lock").status_code == 204
    assert shop.member.delete(f"{HERE}/lock").status_code == 404


def test_exceptions_are_added_and_gates_removed(shop: Api) -> None:
    gate = made(shop.admin.post("/windows", json={"name": "office", "times": ["mon-fri 09:00-17:00"]}))
    changed = made(shop.admin.post(f"/gates/{gate['id']}/exceptions", json={"times": ["2026-12-24"]}), 200)
    assert changed["exceptions"] == ["2026-12-24"]
    assert shop.admin.delete(f"/gates/{gate['id']}").status_code == 204
    assert made(shop.admin.get("/windows"), 200)["items"] == []


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/approval-rules", {"rule": "some of those"}, "bad-approval-rule"),
        ("/approval-rules", {"rule": "1 of owner", "mode": "moon"}, "bad-gate"),
        ("/approval-rules", {"rule": "1 of owner", "environment": "production"}, "bad-gate"),
        ("/approval-rules", {"rule": "1 of owner", "project": "nope"}, "no-such-project"),
        ("/approval-rules", {"rule": "1 of owner", "passes": ["coffee"]}, "bad-gate"),
        ("/freezes", {"name": "x"}, "bad-calendar"),
        ("/freezes", {"name": " ", "times": ["daily"]}, "bad-gate"),
        ("/windows", {"name": "x", "times": ["daily"], "zone": "Mars/Phobos"}, "bad-calendar"),
        (f"{HERE}/lock", {"why": " "}, "bad-gate"),
        (f"{HERE}/lock", {"why": "x", "until": "2020-01-01T00:00:00Z"}, "bad-gate"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_code_and_a_next_step(
    shop: Api, path: str, body: dict[str, Any], code: str
) -> None:
    answer = shop.admin.post(path, json=body)
    assert answer.json()["code"] == code
    assert answer.json()["next_step"]
    with shop.db.read() as tx:
        assert gates.list_gates(tx, "approvals", "freeze", "window", "lock") == []


def test_a_deployer_changes_no_gates_and_a_stranger_sees_none(shop: Api) -> None:
    made(shop.admin.post("/approval-rules", json={"project": "shop", "rule": "1 of owner"}))
    with shop.db.begin() as tx:
        words = {"email": "eve@example.com", "name": "Eve", "role": "member", "password": None}
        eve = accounts.add_user(tx, id=new_id("usr"), **words)  # type: ignore[arg-type]  # by name
        gate = gates.list_gates(tx, "approvals")[0]
    stranger = shop.caller_with("read", "write", user=eve)
    for body in ({"rule": "1 of owner", "project": "shop"}, {"rule": "1 of owner"}):
        assert shop.member.post("/approval-rules", json=body).status_code == 403
    assert shop.member.delete(f"/gates/{gate.id}").status_code == 403
    assert stranger.get(f"{HERE}/gates").status_code == 404
    assert stranger.get(f"/gates/{gate.id}").status_code == 404
    assert stranger.delete(f"/gates/{gate.id}").status_code == 404
    assert stranger.get("/approval-rules").json()["items"] == []
    assert stranger.get("/approvals").json()["items"] == []


def test_what_waits_is_hidden_from_who_may_not_see_it(shop: Api) -> None:
    made(shop.admin.post("/approval-rules", json={"rule": "1 of owner"}))
    asked = ask(shop)
    with shop.db.begin() as tx:
        words = {"email": "eve@example.com", "name": "Eve", "role": "member", "password": None}
        eve = accounts.add_user(tx, id=new_id("usr"), **words)  # type: ignore[arg-type]  # by name
    stranger = shop.caller_with("read", "write", user=eve)
    assert stranger.get(f"/deployments/{asked['id']}/approval").status_code == 404
    for word, body in (("approve", {"plan": "x"}), ("refuse", {"comment": "x"}), ("break-glass", {"reason": "x"})):
        assert stranger.post(f"/deployments/{asked['id']}/{word}", json=body).status_code == 404


def person(shop: Api, name: str, mode: str | None, role: str) -> TestClient:
    """Somebody with a role in the environments of a mode, or in all."""
    with shop.db.begin() as tx:
        user = accounts.add_user(tx, id=new_id("usr"), email=f"{name}@example.com", name=name)
        project = stored.project(tx, "shop")
        assert project is not None
        grants.set_grant(tx, holder_kind="user", holder_id=user.id, project=project.id, mode=mode, role=role, by="test")
    return shop.caller_with("read", "write", user=user)


def test_somebody_elses_lock_is_ended_with_a_right_and_a_reason(shop: Api) -> None:
    made(shop.admin.post(f"{HERE}/lock", json={"why": "migration"}))
    deployer, manager = person(shop, "dan", None, "deployer"), person(shop, "max", None, "manager")
    assert deployer.delete(f"{HERE}/lock", params={"why": "impatient"}).status_code == 403
    assert manager.delete(f"{HERE}/lock").json()["code"] == "bad-gate"
    assert manager.delete(f"{HERE}/lock", params={"why": "Ada is away"}).status_code == 204
    made(deployer.post(f"{HERE}/lock", json={"why": "mine"}))
    assert deployer.delete(f"{HERE}/lock").status_code == 204


def test_gates_of_what_one_may_not_see_are_not_listed(shop: Api) -> None:
    for where in ({"environment": "production"}, {"mode": "production"}):
        made(shop.admin.post("/approval-rules", json={"project": "shop", **where, "rule": "1 of owner"}))
    everywhere = made(shop.admin.post("/approval-rules", json={"project": "shop", "rule": "1 of owner"}))
    stager = person(shop, "sue", "staging", "viewer")
    assert [each["id"] for each in made(stager.get("/approval-rules"), 200)["items"]] == [everywhere["id"]]
    assert len(made(shop.member.get("/approval-rules"), 200)["items"]) == 3
