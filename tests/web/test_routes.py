"""Idempotency keys, entity tags and the size of requests, over HTTP."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from highroad.kit.clock import now, rfc3339
from highroad.projects.store import projects
from highroad.web import store
from highroad.web.routes import LARGEST_BODY
from tests.world import Api

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def count_projects(api: Api) -> int:
    with api.db.read() as tx:
        return int(tx.execute(select(func.count()).select_from(projects)).scalar_one())


# Idempotency-Key


def test_the_same_request_with_the_same_key_is_carried_out_once(api: Api) -> None:
    first, second = (api.member.post("/projects", json={"name": "shop"}, headers=KEY) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert (first.headers.get("idempotency-replayed"), second.headers["idempotency-replayed"]) == (None, "true")
    assert count_projects(api) == 1


def test_a_quoted_key_is_the_same_as_a_bare_one(sqlite_api: Api) -> None:
    quoted = {"Idempotency-Key": f'"{KEY["Idempotency-Key"]}"'}
    answers = [sqlite_api.member.post("/projects", json={"name": "shop"}, headers=each) for each in (KEY, quoted)]
    assert [answer.status_code for answer in answers] == [201, 201]


def test_another_request_with_the_key_is_refused(api: Api) -> None:
    api.member.post("/projects", json={"name": "shop"}, headers=KEY)
    answer = api.member.post("/projects", json={"name": "other"}, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert count_projects(api) == 1


def test_a_key_is_of_its_caller_and_its_address(sqlite_api: Api) -> None:
    assert sqlite_api.member.post("/projects", json={"name": "one"}, headers=KEY).status_code == 201
    assert sqlite_api.admin.post("/projects", json={"name": "two"}, headers=KEY).status_code == 201
    elsewhere = sqlite_api.member.post("/projects/one/services", json={"name": "one"}, headers=KEY)
    assert elsewhere.status_code == 201


def test_a_failed_request_can_be_sent_again_with_its_key(sqlite_api: Api) -> None:
    request = {"name": "web"}
    assert sqlite_api.member.post("/projects/shop/services", json=request, headers=KEY).status_code == 404
    sqlite_api.member.post("/projects", json={"name": "shop"})
    assert sqlite_api.member.post("/projects/shop/services", json=request, headers=KEY).status_code == 201


def test_two_requests_with_one_key_at_once_are_carried_out_once(api: Api) -> None:
    ready = threading.Barrier(4)
    statuses: list[int] = []

    def send() -> None:
        client = api.caller(api.people.member_token)
        ready.wait()
        statuses.append(client.post("/projects", json={"name": "shop"}, headers=KEY).status_code)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 201 in statuses
    assert set(statuses) <= {201, 409}
    assert count_projects(api) == 1


def leave_in_flight(api: Api, age: timedelta) -> None:
    """The first request with the key was never answered: its process died, `age` ago."""
    api.member.post("/projects", json={"name": "shop"}, headers=KEY)
    with api.db.begin() as tx:
        tx.execute(update(store.idempotency_keys).values(status=None, body=None, created_at=rfc3339(now() - age)))


def test_a_request_in_flight_is_409(api: Api) -> None:
    leave_in_flight(api, timedelta(seconds=1))
    answer = api.member.post("/projects", json={"name": "shop"}, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-key-in-flight")


def test_a_request_whose_process_died_can_be_sent_again_after_two_minutes(api: Api) -> None:
    leave_in_flight(api, timedelta(minutes=3))
    assert api.member.post("/projects", json={"name": "shop"}, headers=KEY).json()["code"] == "name-taken"


def test_keys_are_forgotten_after_a_day(api: Api) -> None:
    api.member.post("/projects", json={"name": "shop"}, headers=KEY)
    with api.db.begin() as tx:
        tx.execute(update(store.idempotency_keys).values(created_at=rfc3339(now() - timedelta(hours=25))))
    assert api.member.post("/projects", json={"name": "other"}, headers=KEY).status_code == 201


def test_an_answer_with_a_secret_is_never_stored(api: Api) -> None:
    request = {"name": "ci", "scopes": ["read"]}
    first = api.member.post("/tokens", json=request, headers=KEY)
    assert first.headers["cache-control"] == "no-store"
    with api.db.read() as tx:
        kept = tx.execute(select(store.idempotency_keys.c.status, store.idempotency_keys.c.body)).all()
    assert [tuple(row) for row in kept] == [(201, None)]
    again = api.member.post("/tokens", json=request, headers=KEY)
    assert (again.status_code, again.json()["code"]) == (409, "answer-not-kept")


def test_a_revoked_token_is_told_nothing_of_what_it_once_did(api: Api) -> None:
    token = api.caller_with("read", "write")
    assert token.post("/projects", json={"name": "shop"}, headers=KEY).status_code == 201
    token.delete(f"/tokens/{token.get('/me').json()['token']['id']}")
    assert token.post("/projects", json={"name": "shop"}, headers=KEY).status_code == 401


def test_a_request_may_be_sent_again_with_another_token_of_the_same_person(sqlite_api: Api) -> None:
    answers = [
        sqlite_api.caller_with(*scopes).post("/projects", json={"name": "shop"}, headers=KEY)
        for scopes in (("read", "write"), ("read", "write"), ("read",))
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 403]
    assert answers[1].headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("depth", [400, 100_000])
def test_nested_json_is_refused_and_breaks_nothing(sqlite_api: Api, depth: int) -> None:
    answer = sqlite_api.member.post("/projects", content=b'{"name": ' + b"[" * depth + b"]" * depth + b"}")
    assert answer.status_code in (400, 422)


# Entity tags


@pytest.fixture
def shop(sqlite_api: Api) -> Api:
    sqlite_api.member.post("/projects", json={"name": "shop"})
    sqlite_api.member.post("/projects/shop/environments", json={"name": "production", "branch": "main"})
    return sqlite_api


PATH = "/projects/shop/environments/production"


def test_what_has_not_changed_is_304_without_a_body(shop: Api) -> None:
    tag = shop.member.get(PATH).headers["etag"]
    again = shop.member.get(PATH, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_a_tag_changes_with_what_it_is_of(shop: Api) -> None:
    before = shop.member.get(PATH).headers["etag"]
    shop.member.patch(PATH, json={"mode": "staging"})
    after = shop.member.get(PATH, headers={"If-None-Match": before})
    assert after.status_code == 200
    assert after.headers["etag"] != before


def test_answers_are_for_their_caller_and_asked_for_again(shop: Api) -> None:
    assert shop.member.get(PATH).headers["cache-control"] == "private, no-cache"


def test_a_change_of_what_one_has_read_is_carried_out(shop: Api) -> None:
    tag = shop.member.get(PATH).headers["etag"]
    for wanted in (tag, "*"):
        assert shop.member.patch(PATH, json={"mode": "staging"}, headers={"If-Match": wanted}).status_code == 200


def test_a_change_of_what_somebody_else_has_changed_is_412_and_changes_nothing(shop: Api) -> None:
    tag = shop.member.get(PATH).headers["etag"]
    shop.admin.patch(PATH, json={"branch": "release/*"})
    refused = shop.member.patch(PATH, json={"branch": "trunk"}, headers={"If-Match": tag})
    assert (refused.status_code, refused.json()["code"]) == (412, "changed-meanwhile")
    assert shop.member.get(PATH).json()["branch"] == "release/*"


@pytest.mark.parametrize("tag", ['"something"', 'W/"something"', "", "garbage"])
def test_a_tag_that_was_never_given_is_412(shop: Api, tag: str) -> None:
    assert shop.member.patch(PATH, json={"mode": "staging"}, headers={"If-Match": tag}).status_code == 412


def test_a_condition_that_cannot_be_checked_is_not_passed_over(shop: Api) -> None:
    token = shop.member.post("/tokens", json={"name": "ci"}).json()["id"]
    refused = shop.member.delete(f"/tokens/{token}", headers={"If-Match": "*"})
    assert refused.status_code == 412


def test_a_conditional_change_of_what_is_missing_is_404_and_of_a_stranger_401(shop: Api) -> None:
    wanted = {"If-Match": '"x"'}
    missing = shop.member.patch("/projects/shop/environments/none", json={"mode": "staging"}, headers=wanted)
    assert missing.status_code == 404
    assert shop.nobody.patch(PATH, json={"mode": "staging"}, headers=wanted).status_code == 401


def test_of_many_changes_of_one_reading_one_is_carried_out(shop: Api) -> None:
    tag = shop.member.get(PATH).headers["etag"]
    ready = threading.Barrier(4)
    statuses: list[int] = []

    def change(number: int) -> None:
        client = shop.caller(shop.people.member_token)
        ready.wait()
        body = {"branch": f"branch-{number}"}
        statuses.append(client.patch(PATH, json=body, headers={"If-Match": tag}).status_code)

    threads = [threading.Thread(target=change, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 412, 412, 412]


# Size


def test_a_huge_body_is_413_before_it_is_read(sqlite_api: Api) -> None:
    answer = sqlite_api.member.post("/projects", content=b"x" * (LARGEST_BODY + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


def test_a_huge_body_that_does_not_tell_its_length_is_413_too(sqlite_api: Api) -> None:
    chunks = (b"x" * 65536 for _ in range(LARGEST_BODY // 65536 + 1))
    answer = sqlite_api.member.post("/projects", content=chunks)
    assert answer.status_code == 413
    assert "git push" in answer.json()["next_step"]
