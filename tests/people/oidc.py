"""A provider that is set up in the portal, and a person who goes there and comes back. Shared by tests of sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from highroad.access import store as users
from highroad.access import teams
from highroad.access.federation import actions
from highroad.access.federation.model import Provider as SetUp
from highroad.access.model import SYSTEM, User
from highroad.access.secrets import digest
from tests.access.federation.provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Provider,
    running,
)
from tests.portal.site import Browser, Page, Site

ADA: dict[str, Any] = {"email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace"}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as served:
        yield served


def set_up(site: Site, provider: Provider, **options: Any) -> SetUp:
    wanted: dict[str, Any] = {"creates_users": True, "domains": ["example.com"], "title": "Company"} | options
    name = wanted.pop("name", "company")
    with site.context.db.begin() as tx:
        return actions.add_provider(
            tx,
            site.context.log,
            SYSTEM,
            name=name,
            issuer=provider.url,
            client_id=CLIENT_ID,
            secret=CLIENT_SECRET,
            **wanted,
        )


@pytest.fixture
def company(site: Site, provider: Provider) -> SetUp:
    return set_up(site, provider)


def depart(browser: Browser, name: str = "company", next: str = "/events") -> str:
    """Press the button; the address at the provider that the browser is sent to."""
    page = browser.get(f"/sign-in/with/{name}?next={next}")
    assert page.status == 303, page.text
    return page.location


def come_back(browser: Browser, answer: dict[str, str], name: str = "company") -> Page:
    response = browser.client.get(f"/sign-in/with/{name}/callback", params=answer)
    return Page(response.status_code, response.text, dict(response.headers))


def sign_in(browser: Browser, provider: Provider, name: str = "company", **claims: Any) -> Page:
    return come_back(browser, provider.authorize(depart(browser, name), **(ADA | claims)), name)


def events(site: Site, kind: str) -> list[dict[str, Any]]:
    admin = site.browser(site.user("auditor@example.org"))
    items = admin.client.get("/api/v1/events?page_size=200").json()["items"]
    return [each for each in items if each["type"].endswith(kind)]


def member_of(site: Site, email: str) -> set[str]:
    with site.context.db.read() as tx:
        found = users.user_by_email(tx, email)
        assert found is not None
        return {each.name for each in teams.teams_of(tx, found[0].id)}


def found(site: Site, email: str) -> User | None:
    with site.context.db.read() as tx:
        known = users.user_by_email(tx, email)
    return known[0] if known else None


def users_digest(browser: Browser) -> str:
    return digest(browser.client.cookies["highroad_session"])


def refused(page: Page, said: str) -> None:
    assert page.status in (401, 403, 404, 502, 503), page.text
    assert said in page.text, page.text
    assert "highroad_session" not in page.headers.get("set-cookie", "")
