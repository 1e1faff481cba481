"""Sessions and second factor over the API."""

from __future__ import annotations

from datetime import timedelta

import pytest

from highroad.access import actions as access
from highroad.access import secrets, store
from highroad.access.second_factor import codes
from highroad.kit.clock import now
from tests.world import MEMBER, Api

PASSWORD = "correct horse battery"
STEP = timedelta(seconds=codes.STEP_SECONDS)


@pytest.fixture
def with_password(api: Api) -> None:
    with api.db.begin() as tx:
        store.update_user(tx, api.people.member.id, password=secrets.hash_password(PASSWORD))


def sign_in(api: Api, **more: str) -> dict[str, object]:
    answer = api.nobody.post("/sign-in", json={"email": MEMBER, "password": PASSWORD, **more})
    return {"status": answer.status_code, **answer.json()}


def test_a_password_alone_gives_no_token_to_who_has_a_second_factor(api: Api, with_password: None) -> None:
    made = api.member.post("/me/second-factor", json={"password": PASSWORD}).json()
    assert made["address"].startswith("otpauth://totp/")
    confirmed = api.member.post("/me/second-factor/confirm", json={"code": codes.code_at(made["seed"], now() - STEP)})
    assert len(confirmed.json()["recovery_codes"]) == 10
    assert confirmed.headers["cache-control"] == "no-store"
    refused = sign_in(api)
    assert (refused["status"], refused["code"]) == (401, "second-factor-needed")
    assert sign_in(api, code="000000")["code"] == "wrong-code"
    code = codes.code_at(made["seed"], now())
    assert str(sign_in(api, code=code)["token"]).startswith("hr_")
    assert sign_in(api, code=code)["code"] == "wrong-code", "a code counts once"
    assert api.member.get("/me/second-factor").json() == {"enabled": True, "recovery_codes_left": 10, "required": False}


def test_a_wrong_password_is_told_nothing_of_the_second_factor(api: Api, with_password: None) -> None:
    answer = api.nobody.post("/sign-in", json={"email": MEMBER, "password": "wrong", "code": "123456"}).json()
    assert answer["code"] == "wrong-password"


def test_an_administrator_resets_it(api: Api, with_password: None) -> None:
    made = api.member.post("/me/second-factor", json={"password": PASSWORD}).json()
    api.member.post("/me/second-factor/confirm", json={"code": codes.code_at(made["seed"], now())})
    path = f"/users/{api.people.member.id}/second-factor"
    assert api.member.delete(path).status_code == 403
    assert api.admin.delete(path).status_code == 204
    assert sign_in(api)["status"] == 200


def test_sessions_are_listed_and_ended(api: Api) -> None:
    log = api.platform.context.log
    with api.db.begin() as tx:
        made = [access.start_session(tx, log, api.people.member, address="10.0.0.7") for _ in range(3)]
    found = api.member.get("/sessions").json()["items"]
    assert [each["address"] for each in found] == ["10.0.0.7"] * 3
    assert not any(secret.secret in str(found) for secret in made)
    assert api.member.delete(f"/sessions/{found[0]['id']}").status_code == 204
    assert api.admin.delete(f"/sessions/{found[1]['id']}").status_code == 404, "it is somebody else's"
    assert api.member.delete("/sessions").json() == {"ended": 2}
    assert api.member.get("/sessions").json()["items"] == []


def test_an_administrator_signs_somebody_out_everywhere(api: Api) -> None:
    with api.db.begin() as tx:
        access.start_session(tx, api.platform.context.log, api.people.member, address="")
    assert api.admin.delete(f"/users/{api.people.member.id}/sessions").json() == {"ended": 1}
