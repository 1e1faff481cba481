"""The start page and the page of a project."""

from __future__ import annotations

import pytest

from highroad.deployments import actions
from tests.portal.site import Browser, Site

EVIL = "<script>alert(1)</script>"


def test_without_projects_the_start_page_says_how_to_begin(ada: Browser) -> None:
    page = ada.get("/")
    assert "highroad login http://localhost:8080" in page.text
    assert "git push highroad main" in page.text


def test_a_created_project_has_an_environment_to_deploy_to(ada: Browser) -> None:
    assert ada.post("/projects", name="shop").location == "/projects/shop"
    page = ada.get("/projects/shop")
    assert "production" in page.text
    assert "deploys main" in page.text
    assert "highroad init -p shop" in page.text


def test_the_start_page_shows_how_each_service_is(site: Site, ada: Browser) -> None:
    service, where, *_ = site.live()
    assert "web live" in ada.get("/").text
    release = site.release(service, site.run(service))
    deployment = site.deployment(service, where, release)
    assert "web deploying" in ada.get("/").text
    with site.context.db.begin() as tx:
        actions.finish(tx, site.context.log, service, where, deployment, ("running",), "failed", "web.1 ended.")
    assert "web failed" in ada.get("/").text


@pytest.mark.parametrize("name", ["Not A Label", "", EVIL, "x" * 64])
def test_a_name_that_cannot_be_is_refused_beside_the_form(ada: Browser, name: str) -> None:
    page = ada.post("/projects", name=name)
    assert page.status == 422
    assert "is not a DNS label" in page.text
    assert 'role="alert"' in page.html
    assert EVIL not in page.html


def test_a_name_that_is_taken_says_so(site: Site, ada: Browser) -> None:
    site.service()
    page = ada.post("/projects", name="shop")
    assert (page.status, "already" in page.text) == (409, True)
    page = ada.post("/projects/shop/services", name="web", path="api")
    assert (page.status, 'value="api"' in page.html) == (409, True)


def test_environments_and_services_are_created_and_changed(ada: Browser) -> None:
    ada.post("/projects", name="shop")
    ada.post("/projects/shop/environments", name="staging", mode="staging", branch="release/*")
    assert ada.post("/projects/shop/services", name="web").location == "/projects/shop/services/web"
    assert "deploys release/*" in ada.get("/projects/shop").text
    ada.post("/projects/shop/environments/staging", mode="sandbox", branch="")
    page = ada.get("/projects/shop")
    assert "sandbox · deploys by hand only" in page.text


def test_a_change_that_is_refused_opens_its_form_again(ada: Browser) -> None:
    ada.post("/projects", name="shop")
    page = ada.post("/projects/shop/environments/production", mode="production", branch="a b")
    assert page.status == 422
    assert "<details open>" in page.html
    assert 'value="a b"' in page.html


def test_the_grid_shows_what_runs_where(site: Site, ada: Browser) -> None:
    site.live()
    page = ada.get("/projects/shop")
    assert "web live release 1 aaaaaaa Open" in page.text
    assert 'href="http://web.production.shop.localhost:8080"' in page.html


@pytest.mark.parametrize("path", ["/projects/none", "/projects/%3Cscript%3E", "/projects/shop/services/none"])
def test_what_does_not_exist_is_a_page_that_says_so(site: Site, ada: Browser, path: str) -> None:
    site.service()
    page = ada.get(path)
    assert page.status == 404
    assert "<script>" not in page.html
