"""Signing in over HTTP."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from highroad.access import actions, secrets, store
from tests.world import MEMBER, Api, actor_of

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
