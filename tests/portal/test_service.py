"""The page of a service, its buttons, domains and configuration."""

from __future__ import annotations

import pytest

from highroad.deployments import actions, store
from highroad.deployments.model import Deployment
from highroad.kit.paging import PageRequest
from highroad.projects.model import Environment, Service
from tests.portal.site import Browser, Site

PAGE = "/projects/shop/services/web"
HERE = f"{PAGE}/environments/production"


def _newest(site: Site, service: Service, where: Environment) -> Deployment:
    with site.context.db.read() as tx:
        return store.list_deployments(tx, service.id, where.id, PageRequest(1)).items[0]


def test_a_service_without_commits_says_how_to_push(site: Site, ada: Browser) -> None:
    site.service()
    page = ada.get(PAGE)
    assert "highroad init -p shop -s web" in page.text
    assert "git remote add highroad http://localhost:8080/git/shop/web.git" in page.text
    assert "Nothing was deployed here yet" in page.text


def test_a_service_shows_what_runs_and_how_well(site: Site, ada: Browser) -> None:
    site.live()
    instance = next(iter(site.driver.specs))
    page = ada.get(PAGE)
    assert "production live" in page.text
    assert "web 1 of 1 python app.py" in page.text
    assert 'data-every="10"' in page.html
    site.driver.crash(instance, "exit code 1")
    page = ada.get(PAGE)
    assert "production degraded" in page.text
    assert "backing-off exit code 1" in page.text


def test_a_run_whose_deployment_failed_does_not_look_like_a_success(site: Site, ada: Browser) -> None:
    service, where = site.service()
    run = site.run(service)
    deployment = site.deployment(service, where, site.release(service, run))
    with site.context.db.begin() as tx:
        actions.finish(tx, site.context.log, service, where, deployment, ("running",), "failed", "web.1 ended.")
    page = ada.get(PAGE)
    assert "production failed" in page.text[page.text.index("Runs") : page.text.index("Deployments")]
    assert "The last deployment failed: web.1 ended." in page.text
    assert "the last deployment failed" in ada.get("/projects/shop").text
    assert "failed 1" in ada.get("/events").text


def test_what_people_wrote_is_text_on_every_page(site: Site, ada: Browser) -> None:
    service, where = site.service()
    evil = "<img src=x onerror=alert(1)>"
    run = site.run(service, message=evil)
    release = site.release(service, run, command=evil)
    deployment = site.deployment(service, where, release)
    site.desk.follower.journal.write(run.id, evil, evil)
    site.finish(service, where, deployment, release)
    site.driver.say(next(iter(site.driver.specs)), evil)
    for path in (PAGE, "/projects/shop", f"/runs/{run.id}", f"/deployments/{deployment.id}", f"{HERE}/logs", "/events"):
        page = ada.get(path)
        assert page.status == 200
        assert "<img src=x" not in page.html, path


@pytest.mark.parametrize("kind", ["restart", "stop"])
def test_a_button_asks_for_a_deployment_and_leads_to_it(site: Site, ada: Browser, kind: str) -> None:
    service, where, *_ = site.live()
    page = ada.post(f"{HERE}/deployments", kind=kind)
    asked = _newest(site, service, where)
    assert (page.status, page.location) == (303, f"/deployments/{asked.id}")
    assert (asked.kind, asked.actor, asked.origin) == (kind, "ada@example.com", "portal")
    assert ("deployment", asked.id) in site.started


def test_scaling_takes_the_numbers_of_the_form(site: Site, ada: Browser) -> None:
    service, where, *_ = site.live()
    ada.post(f"{HERE}/deployments", kind="scale", **{"count-web": "3", "count-worker": "0"})
    assert _newest(site, service, where).counts == {"web": 3, "worker": 0}


def test_a_release_that_ran_before_is_one_button_away(site: Site, ada: Browser) -> None:
    service, where, _, first, _ = site.live()
    release = site.release(service, site.run(service, commit="b" * 40))
    assert f'value="{release.id}"><button class="quiet" name="kind" value="deploy"' in ada.get(PAGE).html
    site.finish(service, where, site.deployment(service, where, release), release)
    assert f'value="{first.id}"><button class="quiet" name="kind" value="rollback"' in ada.get(PAGE).html
    ada.post(f"{HERE}/deployments", kind="rollback", release=first.id)
    asked = _newest(site, service, where)
    assert (asked.kind, asked.release_id) == ("rollback", first.id)


@pytest.mark.parametrize(
    ("fields", "status", "why"),
    [
        ({"kind": "explode"}, 422, "no kind of deployment"),
        ({"kind": "rollback", "release": "rel_x"}, 404, "no longer kept"),
        ({"kind": "rollback"}, 409, "has run one release"),
        ({"kind": "scale"}, 422, "needs a number"),
        ({"kind": "scale", "count-web": "many"}, 400, "must be a whole number"),
    ],
)
def test_a_deployment_that_is_refused_says_why_in_its_environment(
    site: Site, ada: Browser, fields: dict[str, str], status: int, why: str
) -> None:
    site.live()
    page = ada.post(f"{HERE}/deployments", **fields)
    assert page.status == status
    assert why in page.text
    assert 'role="alert"' in page.html


def test_a_domain_is_added_and_removed_and_routes_follow(site: Site, ada: Browser) -> None:
    site.service()
    assert ada.post(f"{HERE}/domains", host="Shop.Example.org").location == f"{PAGE}#domains"
    assert "shop.example.org" in ada.get(PAGE).text
    ada.post(f"{HERE}/domains", host="shop.example.org", remove="yes")
    assert "Remove shop.example.org" not in ada.get(PAGE).html
    assert site.routes == 2


def test_a_domain_that_cannot_be_is_refused_beside_its_form(site: Site, ada: Browser) -> None:
    site.service()
    page = ada.post(f"{HERE}/domains", host="http://shop.example.org/<b>")
    assert page.status == 422
    assert "Leave out the scheme" in page.text
    assert "<b>" not in page.html


def test_configuration_is_set_and_unset_at_a_scope(site: Site, ada: Browser) -> None:
    site.service()
    for scope, value in (("project", "wide"), ("service-environment", "a < b")):
        page = ada.post(f"{PAGE}/variables", name="GREETING", value=value, scope=scope, environment="production")
        assert page.location == f"{PAGE}?environment=production#configuration"
    page = ada.get(f"{PAGE}?environment=production")
    assert "a &lt; b" in page.html
    assert "this service here over the project" in page.text
    ada.post(f"{PAGE}/variables", name="GREETING", unset="yes", scope="service-environment", environment="production")
    assert "wide" in ada.get(PAGE).text


def test_changed_configuration_reaches_what_runs_only_when_asked(site: Site, ada: Browser) -> None:
    service, where, *_, deployment = site.live()
    fields = {"name": "A", "value": "1", "scope": "service", "environment": "production"}
    ada.post(f"{PAGE}/variables", **fields)
    assert _newest(site, service, where).id == deployment.id
    ada.post(f"{PAGE}/variables", **fields, deploy="yes")
    assert _newest(site, service, where).kind == "configure"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"name": "PORT", "scope": "service"}, "set by Highroad itself"),
        ({"name": "A-B", "scope": "service"}, "not a name"),
        ({"name": "A", "scope": "universe"}, "needs a scope"),
        ({"name": "A", "scope": "service", "unset": "yes"}, "not set at this scope"),
    ],
)
def test_a_variable_that_is_refused_says_why_and_repeats_no_value(
    site: Site, ada: Browser, fields: dict[str, str], why: str
) -> None:
    site.service()
    page = ada.post(f"{PAGE}/variables", value="the secret value", environment="production", **fields)
    assert page.status in (404, 422)
    assert why in page.text
    assert "the secret value" not in page.html
