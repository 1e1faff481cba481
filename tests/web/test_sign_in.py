"""The ways into the portal and out of it."""

from __future__ import annotations

import pytest

from highroad.access import actions, store
from highroad.access.model import SYSTEM
from highroad.access.permissions import NotAllowed
from tests.portal.site import PASSWORD, Browser, Site


def _link(site: Site, *, password: bool = True) -> str:
    user = site.user(password=password)
    with site.context.db.begin() as tx:
        return actions.make_link(tx, site.context.log, SYSTEM, user.id)


def _device(site: Site) -> tuple[str, str, str]:
    with site.context.db.begin() as tx:
        login, secret = actions.ask_login(tx, device="cli on <b>laptop</b>", address="")
    return login.id, login.user_code, secret


def test_a_password_opens_a_session_in_a_cookie_that_scripts_cannot_read(site: Site, anyone: Browser) -> None:
    site.user()
    page = anyone.post("/sign-in", email="Ada@Example.com", password=PASSWORD, next="/events")
    assert (page.status, page.location) == (303, "/events")
    cookie = page.headers["set-cookie"]
    assert "HttpOnly; Max-Age=1209600; Path=/; SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert anyone.get("/events").status == 200


def test_the_cookie_is_secure_behind_https(site: Site, anyone: Browser) -> None:
    site.user()
    fields = {"email": "ada@example.com", "password": PASSWORD}
    response = anyone.client.post("/sign-in", data=fields, headers={"x-forwarded-proto": "https"})
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("__Host-highroad_session=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


def test_over_https_no_other_cookie_is_a_session(site: Site, ada: Browser) -> None:
    secret = ada.client.cookies["highroad_session"]
    https = {"x-forwarded-proto": "https"}
    assert ada.client.get("/", headers=https).status_code == 303
    whole = {**https, "cookie": f"__Host-highroad_session={secret}"}
    assert site.browser().client.get("/", headers=whole).status_code == 200


def test_two_sessions_at_once_are_refused(site: Site, ada: Browser) -> None:
    secret = ada.client.cookies["highroad_session"]
    planted = {"cookie": f"highroad_session={secret}; theme=dark; highroad_session=planted"}
    answer = site.browser().client.get("/", headers=planted)
    assert (answer.status_code, "two sessions" in answer.text) == (400, True)
    form = {"email": "ada@example.com", "password": PASSWORD}
    assert site.browser().client.post("/sign-in", data=form, headers=planted).status_code == 400


@pytest.mark.parametrize("email", ["ada@example.com", "nobody@example.com"])
def test_a_wrong_password_and_an_unknown_user_look_the_same(site: Site, anyone: Browser, email: str) -> None:
    site.user()
    page = anyone.post("/sign-in", email=email, password="wrong", next="//evil.example")
    assert page.status == 401
    assert "No active user has this email address and password" in page.text
    assert "wrong<" not in page.html
    assert "evil" not in page.html
    assert "set-cookie" not in page.headers


def test_too_many_attempts_are_told_to_wait(site: Site, anyone: Browser) -> None:
    with site.context.db.begin() as tx:
        for _ in range(5):
            store.note_failure(tx, "pair:ada@example.com testclient")
    page = anyone.post("/sign-in", email="ada@example.com", password="wrong")
    assert page.status == 429
    assert "Wait" in page.text


def test_a_sign_in_from_another_site_is_refused(site: Site, anyone: Browser) -> None:
    site.user()
    fields = {"email": "ada@example.com", "password": PASSWORD}
    response = anyone.client.post("/sign-in", data=fields, headers={"origin": "http://evil.shop.localhost:8080"})
    assert response.status_code == 403
    assert "set-cookie" not in response.headers


def test_a_new_sign_in_ends_the_session_that_the_browser_had(site: Site, ada: Browser) -> None:
    before = ada.client.cookies["highroad_session"]
    ada.client.cookies.clear()
    ada.client.cookies.set("highroad_session", before)
    page = ada.post("/sign-in", email="ada@example.com", password=PASSWORD)
    assert before not in page.headers["set-cookie"]
    again = site.browser()
    again.client.cookies.set("highroad_session", before)
    assert again.get("/").status == 303


def test_who_is_signed_in_is_led_past_the_sign_in(ada: Browser) -> None:
    assert ada.get("/sign-in?next=/events").location == "/events"


def test_a_link_works_once_also_pasted_whole(site: Site, anyone: Browser) -> None:
    secret = _link(site)
    page = anyone.post("/sign-in/link", secret=f"http://localhost:8080/sign-in/link#{secret}")
    assert (page.status, page.location) == (303, "/")
    assert anyone.get("/").status == 200
    again = site.browser().post("/sign-in/link", secret=secret)
    assert again.status == 401
    assert "was used before or has expired" in again.text


def test_a_link_leads_who_has_no_password_to_setting_one(site: Site, anyone: Browser) -> None:
    page = anyone.post("/sign-in/link", secret=_link(site, password=False))
    assert page.location == "/account?welcome=1"
    shown = anyone.get(page.location)
    assert "Welcome to Highroad" in shown.text
    assert "Present password" not in shown.text


def test_a_device_is_approved_after_its_code_and_name_were_shown(site: Site, ada: Browser) -> None:
    id, code, secret = _device(site)
    shown = ada.get(f"/login/{code.lower()}")
    assert code in shown.text
    assert "cli on &lt;b&gt;laptop&lt;/b&gt;" in shown.html
    assert "is signed in" in ada.post(f"/login/{code}", decision="approve").text
    with site.context.db.begin() as tx:
        collected = actions.collect_login(tx, site.context.log, id, secret)
    assert collected is not None
    assert collected[0].email == "ada@example.com"
    assert ada.get(f"/login/{code}").status == 404


@pytest.mark.parametrize("decision", ["refuse", "", "Approve"])
def test_anything_but_the_approval_refuses_a_device(site: Site, ada: Browser, decision: str) -> None:
    id, code, secret = _device(site)
    assert "was not signed in" in ada.post(f"/login/{code}", decision=decision).text
    with site.context.db.begin() as tx, pytest.raises(NotAllowed):
        actions.collect_login(tx, site.context.log, id, secret)


def test_an_unknown_code_says_what_to_do(ada: Browser) -> None:
    page = ada.get("/login/ABCD-EFGH")
    assert (page.status, "Run highroad login again" in page.text) == (404, True)


def test_signing_out_ends_the_session_on_the_server(site: Site, ada: Browser) -> None:
    secret = ada.client.cookies["highroad_session"]
    assert ada.post("/sign-out").location == "/sign-in"
    thief = site.browser()
    thief.client.cookies.set("highroad_session", secret)
    assert thief.get("/").status == 303
    assert ada.get("/sign-out").status == 405
