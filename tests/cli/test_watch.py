"""Looking: status, address, logs and events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import PLACEMENT_PATH, SERVICE, SERVICE_PATH, Highroad, git
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


def test_a_failed_deployment_stands_beside_what_serves(signed_in: Canned, highroad: Highroad) -> None:
    last = {"id": "dep_5", "number": 5, "kind": "deploy", "state": "failed", "reason": "web.1 ended."}
    signed_in.answer("GET", "/system", SYSTEM)
    signed_in.answer("GET", SERVICE_PATH, {"name": "web", "environments": [{**PLACEMENT, "last": last}]})
    signed_in.answer("GET", f"{SERVICE_PATH}/runs", {"items": []})
    out = highroad("status", *SERVICE).out
    assert "Last deployment failed: web.1 ended." in out
    assert "Next: highroad show d5" in out


def test_before_the_first_run_status_names_the_branch_of_here(
    signed_in: Canned, highroad: Highroad, repository: Path
) -> None:
    git("switch", "-q", "-c", "feature", directory=repository)
    signed_in.answer("GET", "/system", SYSTEM)
    signed_in.answer("GET", SERVICE_PATH, {"name": "web", "environments": [PLACEMENT]})
    signed_in.answer("GET", f"{SERVICE_PATH}/runs", {"items": []})
    assert "git push highroad feature" in highroad("status", *SERVICE).out


def here(home: Path, url: str) -> None:
    """An installation whose data is on this machine."""
    (home / "data").mkdir()
    (home / "data" / "settings.json").write_text(json.dumps({"port": int(url.rpartition(":")[2])}))


def test_status_without_a_sign_in_shows_the_installation_of_this_machine(
    canned: Canned, highroad: Highroad, home: Path
) -> None:
    here(home, canned.url)
    canned.answer("GET", "/system", SYSTEM)
    ran = highroad("status")
    assert ran.code == 0, ran.err
    assert "ready" in ran.out
    assert f"Next: highroad login {canned.url}" in ran.out
    assert highroad("status", "--json").document["signed_in"] is False


def test_status_of_an_installation_that_is_down_says_how_to_start_it(highroad: Highroad, home: Path) -> None:
    here(home, "http://localhost:1")
    ran = highroad("status")
    assert (ran.code, ran.out) == (6, "Highroad at http://localhost:1: stopped. Start it: highroad up\n")


def test_logs_of_a_process_that_does_not_exist_name_those_that_do(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", PLACEMENT_PATH, PLACEMENT)
    ran = highroad("logs", "--process", "nope", *SERVICE)
    assert ran.code == 4
    assert "There is no process nope (web, nightly)." in ran.err


def test_open_prints_the_address(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", PLACEMENT_PATH, PLACEMENT)
    assert highroad("open", *SERVICE).out == f"{PLACEMENT['url']}\n"


def test_open_fails_when_nothing_listens(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", PLACEMENT_PATH, {"url": None})
    assert highroad("open", *SERVICE).code == 1


def test_logs_print_labelled_lines(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", f"{PLACEMENT_PATH}/logs", {"items": LINES, "cursor": "c"})
    signed_in.answer("GET", PLACEMENT_PATH, PLACEMENT)
    assert "web.2 │ GET /x" in highroad("logs", "-n", "5", "--process", "web", *SERVICE).out
    assert signed_in.asked("GET", f"{PLACEMENT_PATH}/logs")[0].query == {"tail": "5", "process": "web"}
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
    assert "shop/web  service deployed" in highroad("events", "--type", "dev.x", "-p", "shop").out
    assert (signed_in.requests[0].query["type"], signed_in.requests[0].query["project"]) == ("dev.x", "shop")


@pytest.mark.parametrize("kind", ["event", "message", "line"])
def test_followed_events_as_json_are_one_line_each(signed_in: Canned, highroad: Highroad, kind: str) -> None:
    facts = [{"specversion": "1.0", "id": each, "type": "t"} for each in ("1", "2")]
    signed_in.stream("/events", *(event(kind, each, each["id"]) for each in facts), event("end", {}))
    assert highroad("events", "-f", "--json").records == facts
