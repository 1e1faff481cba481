"""The audit log at the command line: search, show, export, destinations and the access review."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cli.conftest import Highroad
from tests.client.canned import Canned

EVENT = {
    "id": "evt_1",
    "seq": 7,
    "time": "2026-11-22T10:00:00.000000Z",
    "what": "service.deployed",
    "subject": "svc_1",
    "actor": "ada@example.com",
    "actor_id": "usr_1",
    "actor_kind": "user",
    "token": "tok_1",
    "origin": "cli",
    "address": "10.2.0.7",
    "request": "req_1",
    "action": "deployment:write",
    "decision": "allowed",
    "policy": "role:deployer",
    "project": "shop",
    "service": "web",
    "environment": "production",
}


def test_a_search_shows_who_did_what_where_by_which_right(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/audit/events", {"items": [EVENT, {**EVENT, "decision": "refused"}]})
    lines = highroad("audit", "search", "--actor", "ada@example.com", "-p", "shop").out.splitlines()
    assert "ada@example.com" in lines[1]
    assert "shop/web/production" in lines[1]
    assert "role:deployer" in lines[1]
    assert "refused" in lines[2]
    asked = signed_in.requests[0].query
    assert (asked["actor"], asked["project"]) == ("ada@example.com", "shop")


def test_a_search_goes_on_behind_pages_that_are_empty(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/audit/events", {"items": [], "next_page_token": "more"})
    signed_in.answer("GET", "/audit/events", {"items": [EVENT]})
    assert highroad("audit", "--json").document == {"items": [EVENT]}
    assert [each.query.get("page_token") for each in signed_in.requests] == [None, "more"]


def test_a_distance_in_time_becomes_an_instant(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/audit/events", {"items": []})
    assert "No event fits" in highroad("audit", "search", "--since", "7d").out
    since = datetime.fromisoformat(signed_in.requests[0].query["since"])
    assert timedelta(days=7) <= datetime.now(UTC) - since < timedelta(days=7, minutes=5)
    refused = highroad("audit", "search", "--since", "yesterday")
    assert refused.code == 2
    assert "--since 7d" in refused.err


def test_an_event_is_told_whole(signed_in: Canned, highroad: Highroad) -> None:
    changes = {"branch": {"before": None, "after": "main"}}
    signed_in.answer("GET", "/audit/events/evt_1", {**EVENT, "changes": changes, "event": {}})
    said = highroad("audit", "show", "evt_1").out
    for each in ("service.deployed", "tok_1", "10.2.0.7", "role:deployer", "req_1", "branch: None -> main"):
        assert each in said


def test_an_export_is_a_file_of_ones_own(signed_in: Canned, highroad: Highroad, tmp_path: Path) -> None:
    signed_in.answer("GET", "/audit/export", {"log": "x"})
    file = tmp_path / "audit.jsonl"
    ran = highroad("audit", "export", "-o", str(file), "--decision", "refused")
    assert "highroad audit verify" in ran.err
    assert file.stat().st_mode & 0o777 == 0o600
    assert signed_in.requests[0].query == {"format": "jsonl", "decision": "refused"}
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".audit")] == []


def test_an_export_that_is_refused_leaves_no_file(signed_in: Canned, highroad: Highroad, tmp_path: Path) -> None:
    signed_in.answer("GET", "/audit/export", {"code": "not-allowed", "title": "No", "next_step": "Ask."}, 403)
    assert highroad("audit", "export", "-o", str(tmp_path / "audit.csv"), "--format", "csv").code == 1
    assert not list(tmp_path.glob("*audit*"))


def test_a_new_destinations_secret_is_alone_on_stdout(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer(
        "POST", "/audit/destinations", {"name": "siem", "shown": "https://x:443", "secret": "whsec_1"}, 201
    )
    ran = highroad("audit", "destinations", "add", "siem", "https://x/in", "--mode", "binary")
    assert ran.out == "whsec_1\n"
    body = signed_in.requests[0].body
    assert (body["name"], body["url"], body["mode"]) == ("siem", "https://x/in", "binary")


def test_destinations_are_listed_tested_paused_and_removed(signed_in: Canned, highroad: Highroad) -> None:
    item = {"name": "siem", "state": "active", "failures": 2, "delivered": 7, "shown": "https://x:443", "error": "503"}
    signed_in.answer("GET", "/audit/destinations", {"items": [item]})
    assert "failing" in highroad("audit", "destinations").out
    failed = {"event": "evt_1", "delivered": False, "error": "x answered 503."}
    signed_in.answer("POST", "/audit/destinations/siem/test", failed)
    ran = highroad("audit", "destinations", "test", "siem")
    assert (ran.code, "answered 503" in ran.out) == (1, True)
    signed_in.answer("PATCH", "/audit/destinations/siem", {"name": "siem", "state": "paused"})
    assert highroad("audit", "destinations", "pause", "siem").out == "siem is paused.\n"
    signed_in.answer("DELETE", "/audit/destinations/siem", status=204)
    assert highroad("audit", "destinations", "remove", "siem").code == 0


def test_a_review_says_who_may_and_why(signed_in: Canned, highroad: Highroad, tmp_path: Path) -> None:
    row = {
        "who": "ada@example.com",
        "kind": "user",
        "id": "usr_1",
        "place": "shop/production",
        "reason": "role deployer by the team Payments",
        "since": "2026-11-22T10:00:00Z",
        "expires_at": None,
        "last_used": None,
        "hint": "never used in 100 days",
    }
    signed_in.answer("GET", "/audit/access-review", {"items": [row]})
    said = highroad("audit", "review", "secret:read", "--mode", "all").out
    assert "never used in 100 days" in said
    assert "team Payments" in said
    assert signed_in.requests[0].query == {"action": "secret:read", "mode": "all"}
    signed_in.answer("GET", "/audit/access-review/csv", {"who": "x"})
    assert highroad("audit", "review", "--csv", str(tmp_path / "review.csv")).code == 0
    assert (tmp_path / "review.csv").read_text()
