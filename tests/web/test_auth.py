"""Who makes a request: tokens, portal sessions with their CSRF token, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from highroad.access import actions, store
from highroad.access.secrets import digest
from highroad.events import store as events
from highroad.web.auth import COOKIE, bearer, client_address, origin_of
from tests.world import Api


def request(**headers: str) -> Request:
    raw = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw, "client": None})


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [("10.0.0.1", "10.0.0.1"), ("6.6.6.6, 10.0.0.1", "10.0.0.1"), ("", "local"), ("x" * 100, "x" * 64)],
)
def test_the_address_is_what_our_router_says_and_not_what_a_client_made_up(forwarded: str, address: str) -> None:
    assert client_address(request(x_forwarded_for=forwarded)) == address


@pytest.mark.parametrize(
    ("agent", "origin"), [("highroad/0.1.0", "cli"), ("curl/8", "api"), ("", "api"), ("nothighroad/1", "api")]
)
def test_the_command_line_is_told_apart_from_other_callers(agent: str, origin: str) -> None:
    assert origin_of(request(user_agent=agent)) == origin


@pytest.mark.parametrize(
    ("header", "secret"),
    [("Bearer x", "x"), ("bearer  x ", "x"), ("Bearer", None), ("Bearer  ", None), ("Basic x", None), ("", None)],
)
def test_a_bearer_token_is_read_whatever_its_case(header: str, secret: str | None) -> None:
    assert bearer(request(authorization=header)) == secret


@dataclass(frozen=True, slots=True)
class Session:
    client: TestClient
    csrf: str


@pytest.fixture
def session(api: Api) -> Session:
    with api.db.begin() as tx:
        made = actions.start_session(tx, api.platform.context.log, api.people.member, address="")
        found = store.session(tx, digest(made.secret))
    assert found is not None
    client = api.caller(None)
    client.cookies.set(COOKIE, made.secret)
    return Session(client, found[0].csrf)


def test_a_session_reads_without_and_changes_only_with_its_csrf_token(session: Session) -> None:
    assert session.client.get("/projects").status_code == 200
    for token in (b"", b"wrong", "é".encode()):
        refused = session.client.post("/projects", json={"name": "shop"}, headers={b"X-CSRF-Token": token})
        assert (refused.status_code, refused.json()["code"]) == (403, "bad-csrf-token")
    changed = session.client.post("/projects", json={"name": "shop"}, headers={"X-CSRF-Token": session.csrf})
    assert changed.status_code == 201


def test_a_token_needs_no_csrf_token_even_beside_a_cookie(api: Api, session: Session) -> None:
    headers = {"Authorization": f"Bearer {api.people.member_token}"}
    assert session.client.post("/projects", json={"name": "shop"}, headers=headers).status_code == 201


def test_a_bad_token_is_not_rescued_by_a_good_cookie(session: Session) -> None:
    assert session.client.get("/projects", headers={"Authorization": "Bearer hr_x"}).status_code == 401


def test_a_cookie_of_no_session_is_401(api: Api) -> None:
    stranger = api.caller(None)
    stranger.cookies.set(COOKIE, "made-up")
    assert stranger.get("/projects").status_code == 401


def test_an_event_says_who_caused_it_and_by_what_way(api: Api, session: Session) -> None:
    api.member.post("/projects", json={"name": "one"}, headers={"User-Agent": "highroad/0.1.0"})
    session.client.post("/projects", json={"name": "two"}, headers={"X-CSRF-Token": session.csrf})
    with api.db.read() as tx:
        last = events.latest(tx, limit=2)
    assert [(each.actor, each.origin) for each in last] == [("ben@example.com", "cli"), ("ben@example.com", "portal")]
