"""A whole sign-in with a provider that somebody else wrote: over HTTP, and by a person in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect

from highroad.access import store as users
from highroad.access import teams
from highroad.access.federation import actions
from highroad.access.federation.model import GroupRule
from highroad.access.model import SYSTEM
from tests.people.real_provider import running
from tests.portal.chromium import binary, chromium, served
from tests.portal.site import Browser, Site

GRACE = {
    "sub": "248289761001",
    "name": "Grace Hopper",
    "email": "grace@example.com",
    "email_verified": True,
    "groups": ["compilers"],
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with running(GRACE) as url:
        yield url


def set_up(site: Site, issuer: str) -> None:
    with site.context.db.begin() as tx:
        actions.add_provider(
            tx,
            site.context.log,
            SYSTEM,
            name="company",
            title="Company account",
            issuer=issuer,
            client_id="highroad",
            secret="any",
            creates_users=True,
            domains=["example.com"],
            group_claim="groups",
            groups=(GroupRule("*", "*"),),
        )
        teams.add_team(tx, name="compilers", title="Compilers", parent=None)


def teams_of(site: Site, email: str) -> list[str]:
    with site.context.db.read() as tx:
        found = users.user_by_email(tx, email)
        assert found is not None
        return [each.name for each in teams.teams_of(tx, found[0].id)]


def test_a_person_comes_in_and_is_put_into_the_team(site: Site, anyone: Browser, issuer: str) -> None:
    set_up(site, issuer)
    address = anyone.get("/sign-in/with/company?next=/account").location
    sent_back = httpx2.post(address, data={"sub": GRACE["sub"]}, trust_env=False)
    assert sent_back.status_code == 302
    page = anyone.get(sent_back.headers["location"].removeprefix(site.context.settings.url))
    assert (page.status, page.location) == (303, "/account")
    assert "Grace Hopper" in anyone.get("/account").text
    assert teams_of(site, "grace@example.com") == ["compilers"]


def test_a_no_at_the_provider_is_shown(site: Site, anyone: Browser, issuer: str) -> None:
    set_up(site, issuer)
    address = anyone.get("/sign-in/with/company").location
    sent_back = httpx2.post(address, data={"action": "deny"}, trust_env=False)
    page = anyone.get(sent_back.headers["location"].removeprefix(site.context.settings.url))
    assert page.status in (401, 403)
    assert anyone.get("/account").status == 303


def test_the_test_of_the_provider_finds_nothing_bad(site: Site, ada: Browser, issuer: str) -> None:
    set_up(site, issuer)
    token = ada.client.post("/api/v1/sign-in-providers/company/test", json={}, headers={"x-csrf-token": ada.csrf})
    assert token.json()["works"] is True, token.text


@pytest.mark.skipif(binary() is None, reason="no Chromium on this machine")
def test_a_person_signs_in_and_out_in_the_browser(tmp_path: Path, issuer: str) -> None:
    executable = binary()
    assert executable is not None
    with served(tmp_path / "data") as site, chromium(executable) as browser:
        set_up(site, issuer)
        page = browser.new_page()
        complaints: list[str] = []
        ours = site.context.settings.url  # the provider's own pages want a style sheet from the internet
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text) if message.type == "error" and page.url.startswith(ours) else None
            ),
        )
        page.goto(f"{site.context.settings.url}/account")
        page.get_by_role("link", name="Sign in with Company account").click()
        page.get_by_role("button", name=str(GRACE["sub"])).click()
        page.wait_for_url("**/account")
        expect(page.get_by_text("grace@example.com").first).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("link", name="Sign out of Company account too").click()
        page.wait_for_url("**/oauth2/end_session?*")
        assert teams_of(site, "grace@example.com") == ["compilers"]
        assert complaints == []
