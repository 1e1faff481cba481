"""Grants, roles, policies and questions over HTTP: anonymous, stranger, missing, works."""

from __future__ import annotations

import pytest

from highroad.access import grants, store, teams
from highroad.kit.ids import new_id
from highroad.projects import store as projects
from tests.people.callers import Callers, callers
from tests.portal.conftest import built_site, site
from tests.portal.site import Site

__all__ = ["built_site", "site"]

FORBID = 'forbid(principal, action == Action::"deployment:write", resource);'
BEN = {"kind": "user", "holder": "ben@example.com"}


@pytest.fixture
def api(site: Site) -> Callers:
    """With a project that has an environment of mode production."""
    made = callers(site)
    site.service()
    return made


def give(api: Callers, role: str, mode: str | None = None) -> None:
    """To the member, without asking."""
    with api.db.begin() as tx:
        found, project = store.user_by_email(tx, "ben@example.com"), projects.project(tx, "shop")
        assert found is not None
        assert project is not None
        grants.set_grant(
            tx, holder_kind="user", holder_id=found[0].id, project=project.id, mode=mode, role=role, by="x"
        )


# Grants


def test_a_grant_is_made_listed_and_withdrawn(api: Callers) -> None:
    made = api.admin.post("/access/grants", json={**BEN, "project": "shop", "mode": "staging", "role": "deployer"})
    assert made.status_code == 201
    assert made.json() | {"id": "", "since": ""} == {
        "id": "",
        "kind": "user",
        "holder": "ben@example.com",
        "project": "shop",
        "mode": "staging",
        "role": "deployer",
        "since": "",
        "by": "ada@example.com",
        "expires_at": None,
    }
    assert api.admin.get("/access/grants?project=shop").json()["items"] == [made.json()]
    assert api.admin.delete(f"/access/grants/{made.json()['id']}").status_code == 204
    assert api.admin.get("/access/grants").json()["items"] == []


def test_a_preset_is_five_grants(api: Callers) -> None:
    with api.db.begin() as tx:
        teams.add_team(tx, name="juniors", title="Juniors", parent=None)
    body = {"kind": "team", "holder": "juniors", "project": "shop", "preset": "junior-developer"}
    made = api.admin.post("/access/presets", json=body).json()["items"]
    assert {each["mode"]: each["role"] for each in made}["production"] == "viewer"
    names = [each["name"] for each in api.member.get("/access/presets").json()["items"]]
    assert "junior-developer" in names


def test_a_service_account_holds_a_role_too(api: Callers) -> None:
    with api.db.begin() as tx:
        store.add_user(tx, id=new_id("usr"), email="ci", name="ci", kind="service")
    body = {"kind": "account", "holder": "ci", "project": "shop", "role": "deployer"}
    assert api.admin.post("/access/grants", json=body).json()["kind"] == "account"


def test_a_stranger_learns_of_no_project_and_a_manager_grants_in_his_own(api: Callers) -> None:
    body = {"kind": "user", "holder": "ada@example.com", "project": "shop", "role": "viewer"}
    assert api.nobody.post("/access/grants", json=body).status_code == 401
    assert api.member.post("/access/grants", json=body).status_code == 404
    give(api, "viewer")
    assert api.member.post("/access/grants", json=body).status_code == 403
    give(api, "manager")
    assert api.member.post("/access/grants", json=body).status_code == 201
    assert api.member.post("/access/grants", json={**body, "project": None}).status_code == 403
    assert api.member.post("/access/grants", json={**BEN, "project": "shop", "role": "viewer"}).status_code == 201


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"role": "king"}, 422),
        ({"mode": "prod"}, 422),
        ({"holder": "x@y.z"}, 404),
        ({"expires_at": "2001-01-01T00:00:00Z"}, 422),
    ],
)
def test_what_makes_no_sense_is_refused(api: Callers, change: dict[str, str], status: int) -> None:
    body = {**BEN, "project": "shop", "role": "viewer", **change}
    assert api.admin.post("/access/grants", json=body).status_code == status


# Roles


def test_a_role_is_defined_granted_and_then_not_deleted(api: Callers) -> None:
    made = api.admin.post("/roles", json={"name": "captain", "actions": ["deployment:write"]})
    assert made.json()["actions"] == ["deployment:write", "project:read"]
    api.admin.post("/access/grants", json={**BEN, "project": "shop", "role": "captain"})
    answer = api.admin.delete("/roles/captain")
    assert (answer.status_code, answer.json()["code"]) == (409, "role-in-use")
    changed = api.admin.patch("/roles/captain", json={"actions": ["log:read"]}).json()
    assert changed["actions"] == ["log:read", "project:read"]
    assert api.member.post("/roles", json={"name": "x", "actions": ["log:read"]}).status_code == 403


def test_actions_say_what_a_role_can_consist_of(api: Callers) -> None:
    found = {each["name"]: each for each in api.member.get("/actions").json()["items"]}
    assert found["deployment:write"]["grantable"]
    assert not found["user:write"]["grantable"]
    assert found["user:write"]["scope"] == "admin"


# Policies


def test_a_policy_is_checked_applied_put_back_switched_off_and_deleted(api: Callers) -> None:
    checked = api.admin.post("/policies/check", json={"text": "forbid(principal, actio, resource);"}).json()
    assert (checked["valid"], checked["problems"][0]["line"], checked["dry_run"]) == (False, 1, None)
    assert api.admin.put("/policies/calm", json={"text": FORBID, "note": "why"}).json()["in_force"] == 1
    api.admin.put("/policies/calm", json={"text": FORBID.replace("deployment", "lock")})
    assert api.admin.post("/policies/calm/revert", json={"version": 1}).json()["text"] == FORBID
    assert api.admin.post("/policies/calm/disable").json()["in_force"] is None
    versions = api.admin.get("/policies/calm/history").json()["items"]
    assert [(each["version"], each["note"]) for each in versions] == [(2, ""), (1, "why")]
    assert api.admin.delete("/policies/calm").status_code == 204
    assert api.admin.get("/policies/calm").status_code == 404


def test_a_dry_run_counts_what_it_would_have_refused(api: Callers) -> None:
    api.admin.post("/roles", json={"name": "captain", "actions": ["log:read"]})
    text = 'forbid(principal, action == Action::"role:write", resource);'
    run = api.admin.post("/policies/check", json={"text": text}).json()["dry_run"]
    assert (run["would_refuse"], run["refused"][0]["actor"], run["refused"][0]["place"]) == (
        1,
        "ada@example.com",
        "the organization",
    )


def test_a_wrong_text_is_refused_with_pointers(api: Callers) -> None:
    answer = api.admin.put(
        "/policies/calm", json={"text": f"{FORBID}\npermit(principal == ?principal, action, resource);"}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/text", "detail": "line 2: templates (?principal, ?resource) are not taken"}
    ]


def test_the_schema_is_published(api: Callers) -> None:
    assert 'action "deployment:write"' in api.admin.get("/policies/schema").json()["schema"]
    assert api.member.get("/policies/schema").status_code == 403


# Questions


def test_can_i_says_yes_with_the_reason_and_no_with_who_could_help(api: Callers) -> None:
    give(api, "viewer")
    query = "action=deploy&place=shop/production"
    no = api.member.get(f"/access/can-i?{query}").json()
    assert (no["allowed"], no["action"], no["ask"]) == (False, "deployment:write", ["ada@example.com"])
    give(api, "deployer", "production")
    yes = api.member.get(f"/access/can-i?{query}").json()
    assert (yes["allowed"], yes["reason"], yes["policy"]) == (True, "Allowed by the role deployer.", "role:deployer")


@pytest.mark.parametrize("place", ["shop", "shop/production", "shop/production/web", "shop//web", "nowhere"])
def test_a_stranger_learns_nothing_by_asking(api: Callers, place: str) -> None:
    answer = api.member.get(f"/access/can-i?action=see&place={place}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-project")
    assert api.member.get(f"/access/who-can?action=see&place={place}").status_code == 404


def test_who_can_names_accounts_with_their_reason_and_tokens(api: Callers) -> None:
    give(api, "deployer", "production")
    found = api.admin.get("/access/who-can?action=deploy&place=shop/production/web").json()
    assert found["place"] == "shop/production/web"
    assert {(each["name"], each["reason"], *each["tokens"]) for each in found["items"]} == {
        ("ada@example.com", "Allowed by being owner of the organization.", "of a test"),
        ("ben@example.com", "Allowed by the role deployer.", "of a test"),
    }


def test_an_evaluation_has_the_form_of_authzen(api: Callers) -> None:
    give(api, "deployer", "production")
    body = {
        "subject": {"type": "user", "id": "ben@example.com"},
        "action": {"name": "deploy"},
        "resource": {"type": "environment", "id": "shop/production"},
        "context": {"risk": 10, "weather": "fine"},
    }
    assert api.admin.post("/access/evaluation", json=body).json()["decision"] is True
    assert api.member.post("/access/evaluation", json=body).json()["decision"] is True
    about_ada = {**body, "subject": {"type": "user", "id": "ada@example.com"}}
    assert api.member.post("/access/evaluation", json=about_ada).json()["decision"] is True, "a viewer sees access"


def test_circumstances_of_an_evaluation_decide(api: Callers) -> None:
    text = FORBID.replace(";", " when { context has risk && context.risk > 50 };")
    api.admin.put("/policies/risky", json={"text": text})
    body = {
        "subject": {"id": "ada@example.com"},
        "action": {"name": "deploy"},
        "resource": {"id": "shop/production"},
    }
    decisions = [
        api.admin.post("/access/evaluation", json={**body, "context": {"risk": risk}}).json()["decision"]
        for risk in (10, 60, 2**70)
    ]
    assert decisions == [True, False, True], "a number that Cedar cannot hold is unknown"


# Refusals


def test_a_refusal_names_who_could_grant_it_and_is_recorded(api: Callers) -> None:
    give(api, "viewer")
    answer = api.member.post("/access/grants", json={**BEN, "project": "shop", "role": "manager"}).json()
    assert answer["ask"] == ["ada@example.com"]
    assert answer["next_step"] == "Ask somebody who can grant it: ada@example.com."
    events = api.admin.get("/events?type=dev.cdeventsx.highroad-access").json()["items"]
    assert [each["data"]["customData"]["actor"] for each in events] == ["ben@example.com"]
