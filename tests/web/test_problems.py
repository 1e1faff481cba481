"""Errors of the API as problem details, whatever is wrong with a request."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from highroad.access.actions import SlowDown
from highroad.web import problems
from tests.world import Api


def problem(answer: Any) -> dict[str, Any]:
    """The answer's problem document, which has all that every problem has."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == answer.status_code
    assert {"type", "title", "status", "detail", "instance", "code", "next_step"} <= document.keys()
    assert document["type"] == f"https://highroad.dev/problems/{document['code']}"
    assert all(isinstance(document[key], str) and document[key] for key in ("title", "detail", "next_step"))
    return document


def test_an_address_that_does_not_exist_is_a_problem(sqlite_api: Api) -> None:
    assert problem(sqlite_api.nobody.get("/nothing/here"))["instance"] == "/api/v1/nothing/here"


def test_a_method_that_an_address_does_not_take_names_those_it_takes(sqlite_api: Api) -> None:
    answer = sqlite_api.member.put("/me")
    assert problem(answer)["status"] == 405
    assert answer.headers["allow"] == "GET"


def test_who_is_not_signed_in_is_told_how(sqlite_api: Api) -> None:
    answer = sqlite_api.nobody.get("/me")
    assert "highroad login" in problem(answer)["next_step"]
    assert answer.headers["www-authenticate"] == 'Bearer realm="Highroad"'


def test_unknown_fields_are_refused_by_name(sqlite_api: Api) -> None:
    answer = sqlite_api.member.post("/projects", json={"name": "shop", "nmae": "shop"})
    assert problem(answer)["status"] == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/nmae"]


def test_a_wrong_field_is_named_by_its_pointer_and_its_value_is_not_repeated(sqlite_api: Api) -> None:
    answer = sqlite_api.member.post("/me/password", json={"new": ["my secret"]})
    assert [each["pointer"] for each in problem(answer)["errors"]] == ["/new"]
    assert "my secret" not in answer.text


def test_a_wrong_parameter_is_named(sqlite_api: Api) -> None:
    answer = sqlite_api.member.get("/projects", params={"page_size": "many"})
    assert [each["pointer"] for each in problem(answer)["errors"]] == ["/page_size"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b"\xff\xfe", b"[" * 100_000, b'{"name": 1e999999}', b'{"name": ' + b"9" * 5000 + b"}"],
    ids=["nothing", "cut off", "no JSON", "no UTF-8", "nested", "infinite", "endless number"],
)
def test_a_body_that_is_no_json_is_a_problem_of_the_request(sqlite_api: Api, body: bytes) -> None:
    answer = sqlite_api.member.post("/projects", content=body, headers={"Content-Type": "application/json"})
    assert problem(answer)["status"] in (400, 422)


@pytest.mark.parametrize("body", [[], "text", None, 1, {"name": None}, {"name": {}}, {}])
def test_json_of_another_shape_is_a_problem_of_the_request(sqlite_api: Api, body: object) -> None:
    assert problem(sqlite_api.member.post("/projects", json=body))["status"] == 422


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_text_that_no_database_holds_is_a_problem_of_the_request(api: Api, name: str) -> None:
    content = json.dumps({"email": f"{name}@example.com"}).encode()
    answer = api.admin.post("/invitations", content=content, headers={"Content-Type": "application/json"})
    assert problem(answer)["status"] == 422


def test_a_nul_deep_inside_is_found_too(api: Api) -> None:
    api.member.post("/projects", json={"name": "shop"})
    answer = api.member.patch("/projects/shop/variables", json={"set": {"A": "x\0"}})
    assert problem(answer)["status"] == 422


def test_a_page_token_that_nobody_made_is_a_problem(api: Api) -> None:
    answer = api.member.get("/projects", params={"page_token": "W10"})
    assert problem(answer)["code"] == "bad-page-token"


# What nobody foresaw


@pytest.fixture
def broken() -> Iterator[TestClient]:
    """An app whose addresses raise."""
    app = FastAPI()
    problems.install(app)

    @app.get("/api/v1/bug")
    def bug() -> None:
        raise ZeroDivisionError("the password is 1234")

    @app.get("/api/v1/slow")
    def slow() -> None:
        raise SlowDown("Too fast.", next_step="Wait.", extra={"retry_after": 7})

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_a_bug_is_a_500_that_tells_nothing_but_where_to_look(
    broken: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        document = problem(broken.get("/api/v1/bug"))
    identifier = document["detail"].partition("(")[2].partition(")")[0]
    assert "1234" not in json.dumps(document)
    assert identifier.startswith("err_")
    assert identifier in caplog.text
    assert "1234" in caplog.text


def test_who_must_wait_is_told_how_long_in_the_header_too(broken: TestClient) -> None:
    answer = broken.get("/api/v1/slow")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
