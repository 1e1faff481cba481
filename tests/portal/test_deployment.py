"""The page of a deployment."""

from __future__ import annotations

from highroad.deployments import store
from tests.portal.site import Browser, Site


def test_a_deployment_at_work_shows_its_plan_steps_and_log(site: Site, ada: Browser) -> None:
    service, where = site.service()
    deployment = site.deployment(service, where, site.release(service, site.run(service)))
    page = ada.get(f"/deployments/{deployment.id}")
    assert "Release 1: start 1 instance of web." in page.text
    assert "start web 1 instance: python app.py" in page.text
    assert "Note: worker has no health check." in page.text
    assert "running start" in page.text
    assert "Starting web.1" in page.text
    assert f'data-stream="/api/v1/deployments/{deployment.id}/log?cursor=' in page.html


def test_an_ended_deployment_shows_its_instances_and_no_stream(site: Site, ada: Browser) -> None:
    *_, deployment = site.live()
    page = ada.get(f"/deployments/{deployment.id}")
    assert "web.1" in page.text
    assert "worker.1" in page.text
    assert "http://web.production.shop.localhost:8080" in page.text
    assert "data-stream" not in page.html
    assert "/cancel" not in page.html


def test_a_deployment_is_cancelled_once(site: Site, ada: Browser) -> None:
    service, where = site.service()
    deployment = site.deployment(service, where, site.release(service, site.run(service)))
    assert ada.post(f"/deployments/{deployment.id}/cancel").location == f"/deployments/{deployment.id}"
    with site.context.db.read() as tx:
        assert store.cancel_asked(tx, deployment.id)
    page = ada.get(f"/deployments/{deployment.id}")
    assert "It was asked to stop" in page.text
    assert "/cancel" not in page.html


def test_a_deployment_that_has_ended_cannot_be_cancelled(site: Site, ada: Browser) -> None:
    *_, deployment = site.live()
    page = ada.post(f"/deployments/{deployment.id}/cancel")
    assert (page.status, "has ended" in page.text) == (409, True)


def test_a_deployment_that_does_not_exist_is_a_page_that_says_so(ada: Browser) -> None:
    assert ada.get("/deployments/dep_x").status == 404
    assert ada.post("/deployments/dep_x/cancel").status == 404
