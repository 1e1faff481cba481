"""Every route says which actions it decides upon, and an answer that was not decided upon is not given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.testclient import TestClient

from highroad.access.model import SCOPES, Actor
from highroad.access.permissions import allowed, require
from highroad.access.policy.actions import ACTIONS
from highroad.app.composition import routers
from highroad.web import problems
from highroad.web.api import OPEN, api_router, does
from highroad.web.declared import declared, known
from tests.world import Api

WITHOUT_A_CALLER = {"static"}
"""Routes that are the same for everybody: the portal's own files."""


def routes(api: Api) -> Iterator[APIRoute]:
    """Of the API and of the portal."""
    return _within(routers(api.platform))


def _within(found: Iterable[APIRouter]) -> Iterator[APIRoute]:
    for router in found:
        for route in router.routes:
            if isinstance(route, APIRoute):
                if route.name not in WITHOUT_A_CALLER:
                    yield route
            else:
                yield from _within([route.original_router])  # type: ignore[attr-defined]  # a router in a router


def test_every_route_declares_actions_that_there_are_or_that_it_is_open(sqlite_api: Api) -> None:
    silent, unknown = [], []
    for route in routes(sqlite_api):
        extra = route.openapi_extra or {}
        name = f"{','.join(route.methods or ())} {route.path} ({route.endpoint.__module__})"
        if not declared(extra) and extra.get("security") != []:
            silent.append(name)
        unknown += [name for action in declared(extra) if action not in ACTIONS]
    assert silent == [], "add openapi_extra=does(...) with the actions that the route decides upon"
    assert unknown == []


def test_what_changes_something_declares_more_than_reading(sqlite_api: Api) -> None:
    only_reading = {
        f"{','.join(route.methods or ())} {route.path}"
        for route in routes(sqlite_api)
        if not (route.methods or set()) & {"GET"} and (names := declared(route.openapi_extra))
        if all(name.endswith(":read") for name in names)
    }
    assert only_reading == {
        "POST /api/v1/access/evaluation",
        "POST /api/v1/policies/check",
        "POST /api/v1/projects/{project}/services/{service}/environments/{environment}/plan",
        "POST /api/v1/secrets/{id}/expose",
        "POST /api/v1/secrets/{id}/reveal",
        "POST /tokens/leaked",
    }, "they are questions, or reveal something; leaked tokens are ended for whoever holds them"


def test_the_description_of_the_api_tells_the_actions(sqlite_api: Api) -> None:
    described = sqlite_api.nobody.get("/openapi.json").json()
    assert described["paths"]["/api/v1/roles"]["post"]["x-highroad-actions"] == ["role:write"]


# At run time


def toy() -> TestClient:
    """Three routes: one asks what it declares, one forgets to, one asks for something else."""
    api: APIRouter = api_router("toy")

    def somebody(request: Request) -> Actor:
        return known(request, Actor("usr_1", "a@b.c", "user", "api", "owner", frozenset(SCOPES)))

    actor_of: Any = Depends(somebody)

    @api.get("/asks", openapi_extra=does("user:read"))
    def asks(actor: Actor = actor_of) -> None:
        require(actor, "user:read")

    @api.get("/forgets", openapi_extra=does("user:read"))
    def forgets(actor: Actor = actor_of) -> str:
        return f"a secret of {actor.name}"

    @api.get("/asks-otherwise", openapi_extra=does("user:read"))
    def asks_otherwise(actor: Actor = actor_of) -> str:
        return f"a secret: {allowed(actor, 'team:read')}"

    @api.get("/nobody", openapi_extra=does("user:read"))
    def nobody() -> str:
        return "a secret"

    @api.get("/open", openapi_extra=OPEN)
    def open_to_all() -> str:
        return "hello"

    app = FastAPI()
    app.include_router(api)
    problems.install(app)
    return TestClient(app, base_url="http://localhost/api/v1", raise_server_exceptions=False)


@pytest.mark.parametrize("path", ["/asks", "/open"])
def test_an_answer_that_was_decided_upon_is_given(path: str) -> None:
    assert toy().get(path).status_code == 200


@pytest.mark.parametrize("path", ["/forgets", "/asks-otherwise", "/nobody"])
def test_one_that_was_not_is_kept(path: str) -> None:
    answer = toy().get(path)
    assert answer.status_code == 500
    assert "secret" not in answer.text
