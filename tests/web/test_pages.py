"""What all pages have in common: who may see them, headers, errors, static files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from highroad.web.pages import asset, local_path
from tests.portal.site import Browser, Site

PAGES = ("/", "/events", "/account", "/users", "/projects/shop", "/projects/shop/services/web", "/login/ABCD-EFGH")
OUTSIDE = {"/sign-in", "/sign-in/code", "/sign-in/link", "/invitation", "/invitation/accept"}
"""Forms of people who have no session yet."""
POSTS = ("/projects", "/account/password", "/account/tokens", "/users", "/sign-out", "/projects/shop/services")


@pytest.mark.parametrize("path", [*PAGES, "/runs/run_x", "/deployments/dep_x"])
def test_a_page_leads_strangers_to_the_sign_in_and_back(anyone: Browser, path: str) -> None:
    page = anyone.get(path)
    assert (page.status, page.location) == (303, f"/sign-in?next={path}")


def test_the_way_back_keeps_the_query(anyone: Browser) -> None:
    assert anyone.get("/events?project=shop&type=x").location == "/sign-in?next=/events%3Fproject%3Dshop%26type%3Dx"


@pytest.mark.parametrize("path", POSTS)
def test_a_form_without_the_sessions_token_changes_nothing(site: Site, ada: Browser, path: str) -> None:
    site.service()
    ada.csrf = "forged"
    page = ada.post(path, name="evil", email="evil@example.com")
    assert page.status == 403
    assert "reload the page" in page.text
    assert "evil" not in ada.get("/").text + ada.get("/users").text


def _page_routes(routes: Sequence[BaseRoute]) -> Iterator[APIRoute]:
    """The portal's routes, out of the routers that were included."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _page_routes(included.routes)
        elif isinstance(route, APIRoute) and not route.path.startswith("/api/"):
            yield route


def test_every_page_route_that_changes_something_is_a_post_behind_the_token(site: Site, ada: Browser) -> None:
    routes = list(_page_routes(site.app.routes))
    posts = {route.path for route in routes if "POST" in (route.methods or ())} - OUTSIDE
    assert len(posts) > 15, "they were found at all"
    assert all((route.methods or set()) <= {"GET", "HEAD", "POST"} for route in routes)
    ada.csrf = ""
    for path in posts:
        assert ada.post(re.sub(r"{\w+}", "x", path)).status == 403, path


def test_pages_forbid_scripts_of_others_frames_and_caches(ada: Browser, anyone: Browser) -> None:
    for page in (ada.get("/"), ada.get("/nope"), anyone.get("/sign-in"), anyone.get("/")):
        policy = page.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["cache-control"] == "no-store"


def test_pages_have_no_inline_script_and_no_inline_style(site: Site, ada: Browser) -> None:
    _, _, run, _, deployment = site.live()
    for path in ("/", "/account", "/projects/shop/services/web", f"/runs/{run.id}", f"/deployments/{deployment.id}"):
        html = ada.get(path).html
        assert not re.search(r"<script(?![^>]*src=)|<style| style=| on\w+=", html), path
        assert not re.search(
            r'(?:src|href)="(?:https?:)?//(?!web\.production)', html.replace("http://localhost", "")
        ), path


def test_a_missing_page_says_so_to_people_and_to_programs(ada: Browser) -> None:
    page = ada.get("/nowhere")
    assert (page.status, "There is nothing at /nowhere" in page.text) == (404, True)
    problem = ada.get("/api/v1/nowhere")
    assert problem.headers["content-type"] == "application/problem+json"


def test_an_unforeseen_error_shows_its_id_and_nothing_of_itself(ada: Browser) -> None:
    page = ada.get("/broken")
    assert page.status == 500
    assert re.search(r"\(err_[0-9a-z]{26}\)", page.text)
    assert "secret" not in page.text


def test_an_expired_session_leads_to_the_sign_in_from_a_form_too(site: Site, ada: Browser) -> None:
    ada.client.cookies.clear()
    ada.client.cookies.set("highroad_session", "gone")
    headers = {"referer": f"{site.context.settings.url}/projects/shop"}
    response = ada.client.post("/projects/shop/services", data={"csrf": ada.csrf}, headers=headers)
    assert response.headers["location"] == "/sign-in?next=/projects/shop"


@pytest.mark.parametrize(
    "evil", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil", "javascript:x", "", "/sign-in"]
)
def test_the_sign_in_never_leads_away_from_the_portal(evil: str) -> None:
    assert local_path(evil) == "/"


def test_a_path_of_the_portal_is_a_way_back() -> None:
    assert local_path("/projects/shop?x=1#top") == "/projects/shop?x=1#top"


def test_static_files_are_kept_by_browsers_under_their_fingerprint_only(anyone: Browser) -> None:
    named = anyone.get(asset("portal.css"))
    assert (named.status, "immutable" in named.headers["cache-control"]) == (200, True)
    assert anyone.get("/static/portal.css").headers["cache-control"] == "no-cache"
    same = anyone.client.get("/static/portal.css", headers={"if-none-match": named.headers["etag"]})
    assert same.status_code == 304


@pytest.mark.parametrize("name", ["..%2Fpages.py", "pages.py", "nothing.css", "%2e%2e%2fforms.py"])
def test_nothing_but_the_static_files_can_be_fetched(anyone: Browser, name: str) -> None:
    assert anyone.get(f"/static/{name}").status == 404
