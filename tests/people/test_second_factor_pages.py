"""The second factor in the portal, and what is tried against sessions and sign-in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from highroad.access import store as accounts
from highroad.access.model import SYSTEM
from highroad.access.second_factor import codes
from highroad.events.store import latest
from highroad.kit.clock import now
from tests.portal.site import PASSWORD, Browser, Page, Site

STEP = timedelta(seconds=codes.STEP_SECONDS)


def enable(browser: Browser) -> tuple[str, Page]:
    """The seed, and the page with the recovery codes."""
    page = browser.post("/account/second-factor", password=PASSWORD)
    seed = re.search(r'id="seed"[^>]*value="([A-Z2-7]+)"', page.html)
    assert seed is not None, page.text
    return seed[1], browser.post("/account/second-factor/confirm", code=codes.code_at(seed[1], now() - STEP))


def sign_in(browser: Browser, **more: str) -> Page:
    return browser.post("/sign-in", email="ada@example.com", password=PASSWORD, **more)


def waiting_in(page: Page) -> str:
    found = re.search(r'name="waiting" value="([^"]+)"', page.html)
    assert found is not None, page.text
    return found[1]


@pytest.fixture
def requiring(site: Site) -> Iterator[None]:
    """An installation that wants a second factor of its owners and administrators."""
    before = site.context.settings
    object.__setattr__(site.context, "settings", replace(before, second_factor="admins"))
    yield
    object.__setattr__(site.context, "settings", before)


def test_it_is_set_up_with_a_picture_and_recovery_codes_shown_once(ada: Browser) -> None:
    seed, page = enable(ada)
    assert len(re.findall(r"\b\w{5}-\w{5}-\w{5}\b", page.html)) == codes.RECOVERY_CODES
    later = ada.get("/account/second-factor")
    assert "It is on" in later.text
    assert "10 recovery codes left" in later.text
    assert seed not in later.html


def test_the_picture_is_drawn_without_style_or_script(ada: Browser) -> None:
    page = ada.post("/account/second-factor", password=PASSWORD)
    picture = page.html[page.html.index("<svg") : page.html.index("</svg>")]
    assert "style=" not in picture
    assert "<script" not in picture


def test_a_wrong_code_leaves_it_off_and_shows_the_picture_again(ada: Browser) -> None:
    ada.post("/account/second-factor", password=PASSWORD)
    page = ada.post("/account/second-factor/confirm", code="000000")
    assert page.status == 422
    assert "<svg" in page.html


def test_after_the_password_comes_the_code(site: Site, ada: Browser, anyone: Browser) -> None:
    seed, _ = enable(ada)
    page = sign_in(anyone, next="/events")
    assert (page.status, "set-cookie" in page.headers) == (200, False)
    assert anyone.get("/events").status == 303
    waiting = waiting_in(page)
    refused = anyone.post("/sign-in/code", waiting=waiting, code="000000", next="/events")
    assert refused.status == 401
    come = anyone.post("/sign-in/code", waiting=waiting, code=codes.code_at(seed, now()), next="/events")
    assert (come.status, come.location) == (303, "/events")
    assert anyone.get("/events").status == 200


def test_a_code_that_was_used_lets_nobody_else_in(site: Site, ada: Browser, anyone: Browser) -> None:
    seed, _ = enable(ada)
    code = codes.code_at(seed, now())
    anyone.post("/sign-in/code", waiting=waiting_in(sign_in(anyone)), code=code)
    thief = site.browser()
    assert thief.post("/sign-in/code", waiting=waiting_in(sign_in(thief)), code=code).status == 401


def test_a_one_time_link_asks_for_the_code_too(site: Site, ada: Browser, anyone: Browser) -> None:
    from highroad.access import actions

    seed, _ = enable(ada)
    assert ada.actor is not None
    with site.context.db.begin() as tx:
        secret = actions.make_link(tx, site.context.log, SYSTEM, ada.actor.id)
    page = anyone.post("/sign-in/link", secret=secret)
    assert "set-cookie" not in page.headers
    code = codes.code_at(seed, now())
    assert anyone.post("/sign-in/code", waiting=waiting_in(page), code=code).status == 303
    with site.context.db.read() as tx:
        assert latest(tx, limit=1)[0].data["customData"]["link_by"] == SYSTEM.name  # type: ignore[index]  # JSON


def test_without_a_password_before_there_is_no_code_to_send(anyone: Browser) -> None:
    page = anyone.post("/sign-in/code", waiting="made-up", code="123456")
    assert page.status == 401
    assert "Five minutes have passed" in page.text


def test_another_site_cannot_send_the_code(ada: Browser, anyone: Browser) -> None:
    answer = anyone.client.post("/sign-in/code", data={"waiting": "x", "code": "1"}, headers={"origin": "https://evil"})
    assert answer.status_code == 403


def test_an_installation_that_requires_it_shows_nothing_else_before(site: Site, ada: Browser, requiring: None) -> None:
    for path in ("/", "/account", "/events"):
        assert ada.get(path).location == "/account/second-factor", path
    assert ada.post("/account/tokens", name="x", scope=["read"]).location == "/account/second-factor"
    assert ada.client.get("/api/v1/me").status_code == 403
    enable(ada)
    assert ada.get("/").status == 200


def test_a_member_is_not_asked_where_only_administrators_are(site: Site, requiring: None) -> None:
    member = site.browser(site.user("ben@example.com", role="member"))
    assert member.get("/").status == 200


# What is tried against sessions


def test_a_planted_session_is_left_behind_at_sign_in(site: Site, ada: Browser) -> None:
    planted = ada.client.cookies["highroad_session"]
    victim = site.browser()
    victim.client.cookies.set("highroad_session", planted, domain="localhost.local")
    sign_in(victim)
    assert victim.client.cookies["highroad_session"] != planted
    assert ada.get("/account").status == 303, "the planted session has ended"


@pytest.mark.parametrize("what", ["password", "second factor"])
def test_a_session_gets_a_new_secret_when_it_becomes_more_worth(site: Site, ada: Browser, what: str) -> None:
    old = ada.client.cookies["highroad_session"]
    if what == "password":
        ada.post("/account/password", current=PASSWORD, new="another horse battery", again="another horse battery")
    else:
        enable(ada)
    assert ada.client.cookies["highroad_session"] != old
    assert ada.get("/account").status == 200
    thief = site.browser()
    thief.client.cookies.set("highroad_session", old, domain="localhost.local")
    assert thief.get("/account").status == 303


def test_a_secret_in_the_address_signs_nobody_in(site: Site, ada: Browser, anyone: Browser) -> None:
    secret = ada.client.cookies["highroad_session"]
    for name in ("highroad_session", "session", "token", "access_token", "waiting"):
        assert anyone.get(f"/account?{name}={secret}").status == 303
        assert anyone.client.get(f"/api/v1/me?{name}={secret}").status_code == 401


@pytest.mark.parametrize("next", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_after_the_code_nobody_is_sent_elsewhere(site: Site, ada: Browser, anyone: Browser, next: str) -> None:
    seed, _ = enable(ada)
    page = sign_in(anyone, next=next)
    come = anyone.post("/sign-in/code", waiting=waiting_in(page), code=codes.code_at(seed, now()), next=next)
    assert come.location == "/"


def test_sessions_are_shown_and_ended_one_by_one(site: Site, ada: Browser) -> None:
    assert ada.actor is not None
    with site.context.db.read() as tx:
        user = accounts.user(tx, ada.actor.id)
    assert user is not None
    other = site.browser(user)
    other.client.get("/account", headers={"user-agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"})
    page = ada.get("/account")
    (name,) = re.findall(r"/account/sessions/(ses_\w+)/end", page.html)
    assert ada.post(f"/account/sessions/{name}/end").location == "/account?done=session"
    assert (other.get("/account").status, ada.get("/account").status) == (303, 200)
