"""Looking: status, address, logs and events."""

from __future__ import annotations

import pytest

from tests.cli.conftest import PLACEMENT_PATH, SERVICE, SERVICE_PATH, Highroad
from tests.client.canned import Canned, event

SYSTEM = {
    "version": "0.1.0",
    "url": "http://localhost:8080",
    "ready": True,
    "isolation": ["users"],
    "warnings": ["Low disk"],
}
PLACEMENT = {
    "project": "shop",
    "service": "web",
    "environment": "production",
    "state": "live",
    "url": "http://web.production.shop.localhost:8080",
    "release": {"number": 4, "commit": "abcdef1234567"},
    "processes": [
        {"name": "web", "command": "python app.py", "wanted": 2, "running": 1},
        {"name": "nightly", "schedule": "0 3 * * *"},
    ],
    "instances": [{"label": "web.1", "state": "running", "why": "gave up after 5 restarts", "restarts": 5}],
}
LINES = [{"at": "2026-11-22T12:00:00Z", "label": "web.1", "text": "GET /"}, {"label": "web.2", "text": "GET /x"}]


def test_status_shows_the_installation_and_every_placement(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/system", SYSTEM)
    signed_in.answer("GET", SERVICE_PATH, {"name": "web", "environments": [PLACEMENT]})
    signed_in.answer("GET", f"{SERVICE_PATH}/runs", {"items": []})
    out = highroad("status", *SERVICE).out
    for said in (
        "0.1.0",
        "ready",
        "Low disk",
        "live",
        "release 4",
        "1/2",
        "0 3 * * *",
        "gave up after 5",
        "No run yet",
    ):
        assert said in out
    assert set(highroad("status", "--json", *SERVICE).document) == {"system", "service", "placements", "runs"}


def test_status_without_a_service_lists_the_projects(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/system", SYSTEM)
    signed_in.answer("GET", "/projects", {"items": [{"name": "shop"}]})
    assert "Projects: shop" in highroad("status").out


def test_open_prints_the_address(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", PLACEMENT_PATH, PLACEMENT)
    assert highroad("open", *SERVICE).out == f"{PLACEMENT['url']}\n"


def test_open_fails_when_nothing_listens(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", PLACEMENT_PATH, {"url": None})
    assert highroad("open", *SERVICE).code == 1


def test_logs_print_labelled_lines(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", f"{PLACEMENT_PATH}/logs", {"items": LINES, "cursor": "c"})
    assert "web.2 │ GET /x" in highroad("logs", "-n", "5", "--process", "web", *SERVICE).out
    assert signed_in.requests[0].query == {"tail": "5", "process": "web"}
    assert highroad("logs", "--json", *SERVICE).document["items"] == LINES


def test_followed_logs_as_json_are_one_line_each(signed_in: Canned, highroad: Highroad) -> None:
    path = f"{PLACEMENT_PATH}/logs"
    signed_in.stream(path, event("line", LINES[0], "1"))
    signed_in.stream(path, event("line", LINES[1], "2"), event("end", {}))
    ran = highroad("logs", "-f", "--json", *SERVICE)
    assert (ran.records, ran.err) == (LINES, "")


def test_events_are_filtered_by_type_and_project(signed_in: Canned, highroad: Highroad) -> None:
    fact = {
        "specversion": "1.0",
        "id": "1",
        "type": "dev.cdevents.service.deployed",
        "time": "t",
        "subject": "shop/web",
    }
    signed_in.answer("GET", "/events", {"items": [fact]})
    assert "dev.cdevents.service.deployed  shop/web" in highroad("events", "--type", "dev.x", "-p", "shop").out
    assert (signed_in.requests[0].query["type"], signed_in.requests[0].query["project"]) == ("dev.x", "shop")


@pytest.mark.parametrize("kind", ["event", "message", "line"])
def test_followed_events_as_json_are_one_line_each(signed_in: Canned, highroad: Highroad, kind: str) -> None:
    facts = [{"specversion": "1.0", "id": each, "type": "t"} for each in ("1", "2")]
    signed_in.stream("/events", *(event(kind, each, each["id"]) for each in facts), event("end", {}))
    assert highroad("events", "-f", "--json").records == facts
