"""The event log as a page."""

from __future__ import annotations

from highroad.web.event_pages import _kinds
from tests.portal.site import Browser, Site


def test_events_are_shown_newest_first_with_all_they_say(site: Site, ada: Browser) -> None:
    site.live()
    page = ada.get("/events")
    assert page.text.index("deployment.finished") < page.text.index("project.created")
    assert "&#34;specversion&#34;: &#34;1.0&#34;" in page.html
    assert 'data-stream="/api/v1/events?after=' in page.html


def test_events_are_filtered_by_project_and_kind(site: Site, ada: Browser) -> None:
    site.service("shop")
    site.service("blog", "api")
    page = ada.get(f"/events?project=blog&type={_kinds()['environment']}")
    assert "environment.created" in page.text
    assert "blog / production" in page.text
    assert "shop" not in page.text
    assert "repository.created" not in page.text


def test_a_filter_that_nothing_fits_says_so(ada: Browser) -> None:
    assert "No event fits this filter yet" in ada.get("/events?project=%3Cscript%3E").text


def test_every_kind_of_event_can_be_filtered_for() -> None:
    assert _kinds()["deployment"] == "dev.cdeventsx.highroad-deployment."
    assert _kinds()["service"] == "dev.cdevents.service."
