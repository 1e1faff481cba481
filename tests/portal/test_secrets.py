"""The page of secrets: what it shows, what it never shows, and its forms."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from highroad.events import store as events
from highroad.projects import secrets
from highroad.projects.actions import find_environment, find_project, find_service
from highroad.projects.secrets import Entry, Scope
from tests.portal.site import Browser, Site

PAGE = "/projects/shop/secrets"
VALUE = "correct-horse-battery"


@pytest.fixture(autouse=True)
def shop(site: Site) -> None:
    site.service()


def put(site: Site, ada: Browser, name: str, value: str = VALUE, *, here: bool = False) -> str:
    """Set a secret for the project or, with `here`, for web in production; its id."""
    actor = ada.actor
    assert actor is not None, "she is signed in"
    with site.context.db.begin() as tx:
        project = find_project(tx, actor, "shop")
        where = find_environment(tx, actor, "shop", "production") if here else None
        what = find_service(tx, actor, "shop", "web") if here else None
        scope = Scope(project, where, what)
        return secrets.change(tx, site.context.log, actor, scope, {name: Entry(value, "secret")})[0].id


def test_a_project_without_secrets_says_what_to_do(ada: Browser) -> None:
    page = ada.get(PAGE)
    assert page.status == 200
    assert "No secret reaches this scope yet" in page.text
    assert "production" in page.text
    assert "web in production" in page.text


def test_the_list_has_names_scopes_and_overrides_and_no_values(site: Site, ada: Browser) -> None:
    put(site, ada, "TOKEN", "wide-value")
    put(site, ada, "TOKEN", here=True)
    page = ada.get(f"{PAGE}?environment=production&service=web")
    assert "TOKEN" in page.text
    assert "the service here over the project" in page.text
    assert VALUE not in page.html
    assert "wide-value" not in page.html


def test_a_value_is_shown_to_whoever_asks_for_it_and_may_and_that_is_recorded(site: Site, ada: Browser) -> None:
    id = put(site, ada, "TOKEN")
    page = ada.post(PAGE, action="reveal", id=id)
    assert VALUE in page.text
    with site.context.db.read() as tx:
        assert events.latest(tx, limit=1)[0].type.endswith("secret.read.0.1.0")


def test_a_secret_is_set_removed_and_restored_by_forms(site: Site, ada: Browser) -> None:
    assert ada.post(PAGE, action="set", name="TOKEN", value="first").status == 303
    ada.post(PAGE, action="set", name="TOKEN", value="second")
    with site.context.db.read() as tx:
        id = tx.execute(text("SELECT id FROM variables")).scalar_one()
    page = ada.get(f"{PAGE}?history={id}")
    assert "Versions of TOKEN" in page.text
    assert "first" not in page.html
    ada.post(PAGE, action="restore", id=id, version="1")
    assert "first" in ada.post(PAGE, action="reveal", id=id).text
    assert ada.post(PAGE, action="unset", id=id).status == 303
    assert "No secret reaches" in ada.get(PAGE).text


def test_a_refused_value_is_not_typed_back(ada: Browser) -> None:
    page = ada.post(PAGE, action="set", name="PATH", value=VALUE)
    assert page.status == 422
    assert "PATH is set by Highroad itself" in page.text
    assert VALUE not in page.html


def test_an_import_is_previewed_before_it_is_done(site: Site, ada: Browser) -> None:
    put(site, ada, "OLD", "old")
    lines = f"OLD=new\nNEW={VALUE}"
    page = ada.post(PAGE, action="preview", text=lines)
    assert "NEW added, secret" in page.text
    assert "OLD changed, secret" in page.text
    assert "NEW" not in ada.get(PAGE).text
    assert ada.post(PAGE, action="import", text=lines).status == 303
    assert "NEW" in ada.get(PAGE).text


def test_the_configuration_of_a_service_shows_that_there_is_a_secret_and_no_more(site: Site, ada: Browser) -> None:
    put(site, ada, "TOKEN", here=True)
    page = ada.get("/projects/shop/services/web")
    assert "TOKEN secret" in page.text
    assert VALUE not in page.html


@pytest.mark.parametrize("fields", [{"action": "nonsense"}, {"action": "reveal", "id": "var_missing"}, {}])
def test_a_form_that_is_none_is_refused_on_the_page(ada: Browser, fields: dict[str, str]) -> None:
    assert ada.post(PAGE, **fields).status in (404, 422)


def test_a_stranger_sees_no_secrets_page(site: Site) -> None:
    stranger = site.browser(site.user("eve@example.com", role="member"))
    assert stranger.get(PAGE).status == 404
