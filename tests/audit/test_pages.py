"""The audit log in the portal: looked at as people do."""

from __future__ import annotations

import pytest

from highroad.access.model import SYSTEM, Actor
from highroad.audit.sequencer import Sequencer
from highroad.events.model import ENVIRONMENT_MODIFIED, PROJECT_CREATED, SERVICE_DEPLOYED, Event
from tests.audit.collectors import receiver
from tests.portal.conftest import ada, anyone, built_site, site
from tests.portal.site import Browser, Site

__all__ = ["ada", "anyone", "built_site", "site"]

EVE = Actor("usr_eve", "eve@example.com", "user", "cli", address="10.2.0.7", request="req_eve00000")


def happen(site: Site, event: Event, who: Actor = EVE) -> str:
    with site.context.db.begin() as tx:
        return site.context.log.append(tx, event, who)


@pytest.fixture
def sequencer(site: Site) -> Sequencer:
    settings = site.context.settings
    return Sequencer(site.context.db, site.context.log, settings.data, settings.domain)


def test_events_are_found_by_the_form(site: Site, ada: Browser) -> None:
    happen(site, Event(PROJECT_CREATED, "prj_1", {"name": "shop"}, project="shop"))
    happen(site, Event(SERVICE_DEPLOYED, "svc_1", {"name": "blog"}, project="blog"))
    page = ada.get("/audit?actor=eve%40example.com&project=shop")
    assert page.status == 200
    assert "project.created" in page.text
    assert "service.deployed" not in page.text.partition("Proof")[2].partition("Export")[0]
    assert 'value="eve@example.com"' in page.html
    assert "format=csv&amp;actor=eve%40example.com&amp;project=shop" in page.html


def test_a_filter_that_means_nothing_is_said_beside_the_form(ada: Browser) -> None:
    page = ada.get("/audit?address=10.0.0.0%2F25&actor=x")
    assert page.status == 422
    assert "This filter cannot be used" in page.text
    assert 'value="10.0.0.0/25"' in page.html
    assert ada.get("/audit?since=2026-13-01").status == 422


def test_older_events_are_one_page_away(site: Site, ada: Browser) -> None:
    for number in range(60):
        happen(site, Event(SERVICE_DEPLOYED, f"svc_{number}"))
    page = ada.get("/audit?actor=eve%40example.com")
    assert page.html.count("/audit/events/") == 50
    older = page.html.partition('href="/audit?actor')[2].partition('"')[0].replace("&amp;", "&")
    second = ada.get(f"/audit?actor{older}")
    assert second.html.count("/audit/events/") == 10
    assert "Newest" in second.text


def test_an_event_says_who_what_where_when_why_and_what_changed(site: Site, ada: Browser) -> None:
    id = happen(
        site,
        Event(
            ENVIRONMENT_MODIFIED,
            "env_1",
            {"name": "<b>production</b>"},
            project="shop",
            environment="production",
            diff={"branch": (None, "main"), "replicas": (1, 3)},
        ),
    )
    page = ada.get(f"/audit/events/{id}")
    for said in ("eve@example.com", "10.2.0.7", "req_eve00000", "environment.modified", "shop/production", "branch"):
        assert said in page.text
    assert "<ins>main</ins>" in page.html
    assert "<del>1</del>" in page.html
    assert 'href="/projects/shop"' in page.html
    assert "<b>production" not in page.html
    assert ada.get("/audit/events/evt_none").status == 404


def test_the_badge_says_whether_the_signed_tree_has_it(site: Site, ada: Browser, sequencer: Sequencer) -> None:
    id = happen(site, Event(PROJECT_CREATED, "prj_1"))
    assert "not yet in the signed tree" in ada.get(f"/audit/events/{id}").text
    made = sequencer.catch_up()
    page = ada.get(f"/audit/events/{id}")
    assert f"proved in the tree, checkpoint {made.size}" in page.text
    assert "data-every" not in page.html


def test_only_those_who_may_read_the_log_see_it(site: Site, ada: Browser, anyone: Browser) -> None:
    member = site.browser(site.user("ben@example.com", role="member"))
    for path in ("/audit", "/audit/destinations", "/audit/access-review", "/audit/events/evt_1"):
        assert member.get(path).status == 403
        assert anyone.get(path).location.startswith("/sign-in")
    assert 'href="/audit"' not in member.get("/").html
    assert 'href="/audit"' in ada.get("/").html


def test_a_destination_is_added_tried_paused_and_removed(site: Site, ada: Browser) -> None:
    assert "sent nowhere yet" in ada.get("/audit/destinations").text
    with receiver() as collector:
        made = ada.post("/audit/destinations", name="siem", url=collector.url, mode="structured")
        assert "whsec_" in made.html
        assert "whsec_" not in ada.get("/audit/destinations").html
        id = made.html.partition("/audit/destinations/dst_")[2].partition("/")[0]
        assert "siem took the test event" in ada.post(f"/audit/destinations/dst_{id}/test").text
    assert "siem did not take the test event" in ada.post(f"/audit/destinations/dst_{id}/test").text
    ada.post(f"/audit/destinations/dst_{id}/state", state="paused")
    assert "paused" in ada.get("/audit/destinations").text
    assert ada.post(f"/audit/destinations/dst_{id}/remove").status == 303
    assert "sent nowhere yet" in ada.get("/audit/destinations").text


def test_what_cannot_be_a_destination_is_said_with_what_was_typed(ada: Browser) -> None:
    page = ada.post("/audit/destinations", name="siem", url="http://169.254.169.254/", authorization="Token abc")
    assert page.status == 422
    assert "metadata" in page.text
    assert 'value="siem"' in page.html
    assert "Token abc" not in page.html


def test_the_access_review_names_people_and_why(site: Site, ada: Browser) -> None:
    site.service()
    page = ada.get("/audit/access-review")
    assert "ada@example.com" in page.text
    assert "being owner of the organization" in page.text or "being admin of the organization" in page.text
    assert "never seen" in page.text
    assert "Nobody may do this there" in ada.get("/audit/access-review?mode=preview").text
    assert ada.get("/audit/access-review?action=no:such").status == 422


def test_highroad_itself_is_among_those_who_did_something(site: Site, ada: Browser) -> None:
    id = happen(site, Event(SERVICE_DEPLOYED, "svc_1"), SYSTEM)
    assert "No permission was asked for it" in ada.get(f"/audit/events/{id}").text
