"""Signing in, tokens and users over HTTP."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from highroad.access import actions, secrets, store
from tests.world import ADMIN, MEMBER, Api, actor_of

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(secrets, "_hasher", quick)
    monkeypatch.setattr(secrets, "_DUMMY", quick.hash("nobody's"))


@pytest.fixture
def with_password(api: Api) -> Api:
    with api.db.begin() as tx:
        store.update_user(tx, api.people.member.id, password=secrets.hash_password(PASSWORD))
    return api


def approve(api: Api, code: str, *, yes: bool = True) -> None:
    with api.db.begin() as tx:
        actions.decide_login(tx, actor_of(api.people.member), code, approve=yes)


# Coming in


def test_a_password_gives_a_token_that_works(with_password: Api) -> None:
    answer = with_password.nobody.post("/sign-in", json={"email": MEMBER, "password": PASSWORD, "name": "laptop"})
    assert answer.headers["cache-control"] == "no-store"
    me = with_password.caller(answer.json()["token"]).get("/me").json()
    assert (me["email"], me["token"]["name"], me["scopes"]) == (MEMBER, "laptop", ["git", "read", "write"])


def test_failures_slow_the_sign_in_down(with_password: Api) -> None:
    wrong = {"email": MEMBER, "password": "wrong"}
    statuses = [with_password.nobody.post("/sign-in", json=wrong).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    right = with_password.nobody.post("/sign-in", json={"email": MEMBER, "password": PASSWORD})
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) >= 1


def test_no_token_becomes_more_than_it_is_by_a_password(api: Api) -> None:
    for token in (api.admin, api.caller_with("read", "write")):
        refused = token.post("/me/password", json={"new": PASSWORD})
        assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")


def test_a_token_of_all_scopes_changes_the_password(with_password: Api) -> None:
    change = {"current": PASSWORD, "new": "another long one"}
    limited = with_password.caller_with("read", "write", user=with_password.people.member)
    assert limited.post("/me/password", json=change).status_code == 403
    assert with_password.member.post("/me/password", json=change).status_code == 204


def test_a_device_is_signed_in_when_somebody_approves_it(api: Api) -> None:
    asked = api.nobody.post("/logins", json={"name": "cli on laptop"}).json()
    path, secret = f"/logins/{asked['id']}/token", {"secret": asked["secret"]}
    waiting = api.nobody.post(path, json=secret)
    assert (waiting.status_code, waiting.json()) == (202, {"status": "pending"})
    approve(api, asked["user_code"])
    collected = api.nobody.post(path, json=secret)
    assert api.caller(collected.json()["token"]).get("/me").json()["email"] == MEMBER
    assert api.nobody.post(path, json=secret).status_code == 404


def test_a_refused_device_is_403_and_one_with_another_secret_404(api: Api) -> None:
    asked = api.nobody.post("/logins", json={}).json()
    path = f"/logins/{asked['id']}/token"
    assert api.nobody.post(path, json={"secret": "other"}).status_code == 404
    approve(api, asked["user_code"], yes=False)
    assert api.nobody.post(path, json={"secret": asked["secret"]}).status_code == 403


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "hr_x", "Bearer hr_x", "bearer nonsense"])
def test_what_is_no_token_is_401(sqlite_api: Api, header: str) -> None:
    answer = sqlite_api.nobody.get("/me", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["code"] in ("not-signed-in", "bad-token")


# Tokens


def test_a_token_is_made_used_and_revoked(api: Api) -> None:
    made = api.member.post("/tokens", json={"name": "ci", "scopes": ["read"], "expires_in_days": 7}).json()
    ci = api.caller(made["token"])
    assert ci.get("/projects").status_code == 200
    listed = {each["id"]: each for each in api.member.get("/tokens").json()["items"]}
    assert listed[made["id"]]["last_used_at"] is not None
    assert "token" not in listed[made["id"]]
    assert api.member.delete(f"/tokens/{made['id']}").status_code == 204
    assert ci.get("/projects").json()["detail"] == "The token 'ci' was revoked."


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "x", "scopes": ["fly"]}, {"name": "x", "expires_in_days": 0}])
def test_a_token_that_makes_no_sense_is_422(sqlite_api: Api, body: dict[str, object]) -> None:
    assert sqlite_api.member.post("/tokens", json=body).status_code == 422


def test_a_token_gives_away_no_more_than_it_has(sqlite_api: Api) -> None:
    reader = sqlite_api.caller_with("read", "write")
    assert reader.post("/tokens", json={"name": "more", "scopes": ["admin"]}).status_code == 403


# Users


def test_an_invited_user_comes_in_by_the_link_in_the_answer(api: Api) -> None:
    invited = api.admin.post("/users", json={"email": "eve@example.com"}).json()
    link, _, secret = invited["sign_in_link"].partition("#")
    assert link == "http://localhost:8080/sign-in/link"
    with api.db.begin() as tx:
        session = actions.use_link(tx, api.platform.context.log, secret, address="")
    assert session.user.email == "eve@example.com"


def test_an_email_address_that_is_taken_is_409(api: Api) -> None:
    answer = api.admin.post("/users", json={"email": MEMBER})
    assert (answer.status_code, answer.json()["code"]) == (409, "user-exists")


def test_a_deactivated_user_is_out_at_once(api: Api) -> None:
    assert api.admin.patch(f"/users/{api.people.member.id}", json={"active": False}).json()["active"] is False
    assert api.member.get("/me").json()["detail"] == f"{MEMBER} is deactivated."


def test_the_last_administrator_cannot_step_down(api: Api) -> None:
    answer = api.admin.patch(f"/users/{api.people.admin.id}", json={"admin": False})
    assert (answer.status_code, answer.json()["code"]) == (409, "last-administrator")


def test_users_are_listed_for_everybody_without_their_secrets(sqlite_api: Api) -> None:
    found = sqlite_api.member.get("/users").json()["items"]
    assert [each["email"] for each in found] == [ADMIN, MEMBER]
    assert not {"password", "has_password", "token"} & set(found[0])
