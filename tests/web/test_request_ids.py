"""Every answer names its request, and the log names it beside what it did."""

from __future__ import annotations

import pytest

from highroad.events import store
from tests.world import Api


def test_an_answer_names_its_request(sqlite_api: Api) -> None:
    first, second = (sqlite_api.admin.get("/me").headers["x-request-id"] for _ in range(2))
    assert first.startswith("req_")
    assert first != second


def test_the_callers_own_id_is_taken(sqlite_api: Api) -> None:
    assert sqlite_api.admin.get("/me", headers={"X-Request-Id": "ci-job-4711"}).headers["x-request-id"] == "ci-job-4711"


@pytest.mark.parametrize("given", ["short", "x" * 65, "with space in it", "line\x0bbreak-here", "-leading-dash"])
def test_an_id_that_could_do_harm_is_replaced(sqlite_api: Api, given: str) -> None:
    assert sqlite_api.admin.get("/me", headers={"X-Request-Id": given}).headers["x-request-id"].startswith("req_")


def test_a_refusal_names_its_request_in_header_and_document(sqlite_api: Api) -> None:
    answer = sqlite_api.nobody.get("/me")
    assert answer.status_code == 401
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_the_log_names_the_request_with_the_one_who_made_it(api: Api) -> None:
    api.admin.post(
        "/projects", json={"name": "shop"}, headers={"X-Request-Id": "ci-job-4711", "X-Forwarded-For": "::1"}
    )
    with api.db.read() as tx:
        event = store.latest(tx, limit=1)[-1]
    assert (event.request, event.address, event.actor_kind) == ("ci-job-4711", "::1", "user")
    assert event.actor_id == api.people.admin.id
    assert event.token is not None
    assert event.token.startswith("tok_")
