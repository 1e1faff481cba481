"""Every route of the API and every page as somebody who is not signed in, a stranger without any role, and a viewer:
whatever belongs to others is not there for a stranger, and a viewer changes nothing of it.

The routes are read from the application, so one that somebody adds is walked from its first commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from highroad.access import actions, grants, store
from highroad.access.model import User
from highroad.access.policy.actions import ACTIONS
from highroad.access.token_actions import issue_token
from highroad.app.composition import openapi_document
from highroad.kit.ids import new_id
from highroad.projects import store as projects
from highroad.web.declared import declared
from tests.web.test_contract import example
from tests.web.test_declared import routes
from tests.world import Api

PRESENT = {"project": "shop", "service": "web", "environment": "production", "name": "SETTING", "role": "viewer"}
OF_EVERYBODY = {"self:read", "self:write", "user:read", "team:read", "project:create"}
"""What a member may do without a role anywhere."""
LISTS = {"GET /api/v1/projects", "GET /api/v1/events", "GET /", "GET /events"}
"""Of what one may see: nothing, for a stranger."""
HIDDEN = {403, 404}
REFUSED = {400, 403, 404, 409, 422}


@dataclass(frozen=True, slots=True)
class Walker:
    """Somebody with a token and a session."""

    api: TestClient
    pages: TestClient
    csrf: str

    def call(self, route: APIRoute, method: str) -> int:
        path = route.path
        for name in route.param_convertors:
            path = path.replace(f"{{{name}}}", PRESENT.get(name, "missing")).replace(
                f"{{{name}:path}}", PRESENT.get(name, "missing")
            )
        if path.startswith(("/api/", "/scim/")):
            return self.api.request(method, path, json=body_of(route.path, method)).status_code
        data = {"csrf": self.csrf} if method == "POST" else None
        return self.pages.request(method, path, data=data).status_code


@cache
def described() -> dict[str, Any]:
    return openapi_document()


def body_of(path: str, method: str) -> object:
    """The smallest that the operation takes, so that it is not for its form that a request is refused."""
    operation = described()["paths"].get(path, {}).get(method.lower(), {})
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return example(content["schema"], described()) if content else None


def walker(api: Api, user: User | None) -> Walker:
    def client() -> TestClient:
        return TestClient(
            api.app, base_url="http://localhost:8080", raise_server_exceptions=False, follow_redirects=False
        )

    by_token, by_session, csrf = client(), client(), ""
    if user is not None:
        log = api.platform.context.log
        with api.db.begin() as tx:
            _, secret = issue_token(tx, log, user, name="walk", scopes=("read", "write", "git"), days=1, origin="api")
            session = actions.start_session(tx, log, user, address="test")
            found = actions.actor_of_session(tx, session.secret, address="test")
        assert found is not None
        by_token.headers["Authorization"] = f"Bearer {secret}"
        by_session.cookies.set("highroad_session", session.secret)
        csrf = found[1].csrf
    return Walker(by_token, by_session, csrf)


@pytest.fixture
def shop(sqlite_api: Api) -> Api:
    """An API with something to find."""
    sqlite_api.admin.post("/projects", json={"name": "shop"})
    sqlite_api.admin.post("/projects/shop/environments", json={"name": "production", "mode": "production"})
    sqlite_api.admin.post("/projects/shop/services", json={"name": "web"})
    sqlite_api.admin.patch("/projects/shop/variables", json={"set": {"SETTING": "x"}, "deploy": False})
    return sqlite_api


def someone(api: Api, name: str, role: str | None = None) -> User:
    with api.db.begin() as tx:
        user = store.add_user(tx, id=new_id("usr"), email=f"{name}@example.com", name=name)
        project = projects.project(tx, "shop")
        assert project is not None
        if role is not None:
            grants.set_grant(
                tx, holder_kind="user", holder_id=user.id, project=project.id, mode=None, role=role, by="x"
            )
    return user


def closed(api: Api) -> Iterator[tuple[str, APIRoute, str]]:
    """Every route that decides upon something, with its name and method."""
    for route in routes(api):
        if declared(route.openapi_extra):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield f"{method} {route.path}", route, method


def test_whoever_is_not_signed_in_is_sent_to_sign_in(shop: Api) -> None:
    nobody = walker(shop, None)
    answers = {name: nobody.call(route, method) for name, route, method in closed(shop)}
    open_to_all = {name: status for name, status in answers.items() if status not in (303, 401)}
    assert open_to_all == {}
    assert len(answers) > 200


def test_a_stranger_finds_nothing_of_others(shop: Api) -> None:
    stranger = walker(shop, someone(shop, "eve2"))
    found = {
        name: status
        for name, route, method in closed(shop)
        if not OF_EVERYBODY & set(declared(route.openapi_extra)) and name not in LISTS
        if (status := stranger.call(route, method)) not in HIDDEN | {422}
        or (status == 422 and "{project}" in route.path)
    }
    empty = {name for name, status in found.items() if status == 200 and "{" not in name}
    assert {name: status for name, status in found.items() if name not in empty} == {}
    for name in LISTS | empty:
        method, path = name.split()
        answer = (stranger.api if path.startswith("/api/") else stranger.pages).request(method, path)
        assert "shop" not in answer.text, name


def test_a_stranger_does_not_tell_what_is_there_from_what_is_not(shop: Api) -> None:
    stranger = walker(shop, someone(shop, "eve2"))
    for path in (
        "/api/v1/projects/{}",
        "/api/v1/projects/{}/environments/production",
        "/api/v1/projects/{}/services/web",
    ):
        there, absent = (stranger.api.get(path.format(name)).json() for name in ("shop", "shed"))
        for answer in (there, absent):
            del answer["request_id"], answer["instance"]
        assert {key: str(value).replace("shed", "shop") for key, value in absent.items()} == {
            key: str(value) for key, value in there.items()
        }


def test_a_viewer_reads_the_project_and_changes_nothing(shop: Api) -> None:
    viewer = walker(shop, someone(shop, "vic", "viewer"))
    changed, unread = {}, {}
    for name, route, method in closed(shop):
        wanted = set(declared(route.openapi_extra))
        if OF_EVERYBODY & wanted or "{project}" not in route.path:
            continue
        status = viewer.call(route, method)
        reads = all(action.endswith(":read") for action in wanted)
        if method == "GET" and reads and status != 200:
            unread[name] = status
        if not reads and status not in REFUSED:
            changed[name] = status
    assert changed == {}
    assert {name: status for name, status in unread.items() if status != 404 or "{host}" in name} == {}
    assert shop.admin.get("/projects/shop/variables").json()["items"][0]["value"] == "x"


def test_every_action_is_decided_upon_by_some_route(shop: Api) -> None:
    """Else it could be granted and would mean nothing. Git decides upon fetching and pushing."""
    asked = {action for _, route, _ in closed(shop) for action in declared(route.openapi_extra)}
    assert set(ACTIONS) - asked == {"repository:read", "repository:write"}
