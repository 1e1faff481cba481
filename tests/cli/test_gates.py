"""What can hold up deployments, on the command line: approval rules, freezes, windows, locks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cli.conftest import SERVICE, Highroad
from tests.client.canned import Canned

HERE = "/projects/shop/environments/production"
GATE: dict[str, Any] = {
    "id": "frz_1",
    "kind": "freeze",
    "name": "weekends",
    "where": "all production environments",
    "words": "closed until Mon 08:00 Europe/Berlin",
    "closed": True,
    "passes": ["rollback"],
    "created_by": "ada@example.com",
    "created_at": "2026-11-28T08:00:00.000000Z",
    "reason": "migration",
    "until": None,
}


def test_what_guards_an_environment_is_listed_with_how_it_stands(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", f"{HERE}/gates", {"items": [GATE, {**GATE, "kind": "approvals", "closed": None}]})
    ran = highroad("gates", "list", "shop/production")
    assert "closed until Mon 08:00 Europe/Berlin; rollbacks pass" in ran.out
    assert "asks" in ran.out
    assert highroad("gates", *SERVICE).code == 0


def test_an_unguarded_environment_says_so(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", f"{HERE}/gates", {"items": []})
    assert "Nothing guards it" in highroad("gates", "list", "shop/production").out


def test_approvals_are_required_with_what_was_said(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/approval-rules", GATE, 201)
    words = ("--at", "shop/production", "--max-age", "8h", "--expires", "2d", "--author-too", "--pass", "stop")
    assert highroad("gates", "require", "2 of team payments", *words).code == 0
    assert signed_in.asked("POST", "/approval-rules")[0].body == {
        "project": "shop",
        "environment": "production",
        "mode": None,
        "rule": "2 of team payments",
        "name": "",
        "not_author": False,
        "max_age_hours": 8.0,
        "void_on_change": True,
        "expires_days": 2.0,
        "passes": ["stop"],
    }


def test_a_freeze_is_added_everywhere_or_somewhere(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/freezes", GATE, 201)
    words = ("--mode", "production", "--zone", "Europe/Berlin", "--except", "2026-12-24", "--pass", "rollback")
    assert highroad("freezes", "add", "weekends", "fri 16:00 - mon 08:00", "sat", *words).code == 0
    body = signed_in.asked("POST", "/freezes")[0].body
    assert body["times"] == ["fri 16:00 - mon 08:00", "sat"]
    assert (body["mode"], body.get("project"), body["zone"]) == ("production", None, "Europe/Berlin")
    assert (body["exceptions"], body["passes"]) == (["2026-12-24"], ["rollback"])


def test_times_are_taken_out_and_gates_removed(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/gates/frz_1/exceptions", GATE)
    signed_in.answer("DELETE", "/gates/frz_1", None, 204)
    assert highroad("freezes", "except", "frz_1", "2026-12-24").code == 0
    for group in ("freezes", "windows", "gates"):
        assert highroad(group, "remove", "frz_1").out == "Removed frz_1.\n"


def test_freezes_and_windows_are_listed(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/freezes", {"items": [GATE]})
    signed_in.answer("GET", "/windows", {"items": []})
    assert "weekends" in highroad("freezes").out
    assert "at any time" in highroad("windows").out
    assert highroad("freezes", "--json").document["items"][0]["id"] == "frz_1"


def test_a_window_is_added(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/windows", GATE, 201)
    assert highroad("windows", "add", "office", "mon-thu 09:00-16:00", "--at", "shop").code == 0
    assert signed_in.asked("POST", "/windows")[0].body["project"] == "shop"


def test_an_environment_is_locked_for_a_while_and_unlocked(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", f"{HERE}/lock", {**GATE, "where": "shop/production"}, 201)
    signed_in.answer("DELETE", f"{HERE}/lock", None, 204)
    assert highroad("lock", "shop/production", "--why", "migration", "--until", "2h").code == 0
    until = datetime.fromisoformat(signed_in.asked("POST", f"{HERE}/lock")[0].body["until"])
    assert timedelta(minutes=119) < until - datetime.now(UTC) <= timedelta(hours=2)
    assert highroad("unlock", "shop/production").out == "Unlocked shop/production.\n"


def test_locks_are_listed(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/locks", {"items": [{**GATE, "where": "shop/production"}]})
    ran = highroad("locks")
    assert "shop/production" in ran.out
    assert "migration" in ran.out


@pytest.mark.parametrize(
    "words",
    [
        ("lock", "shop", "--why", "x"),
        ("lock", "shop/production", "--why", "x", "--until", "soon"),
        ("gates", "require", "1 of owner", "--max-age", "old"),
        ("freezes", "add", "x"),
    ],
)
def test_what_cannot_be_read_is_wrong_usage(signed_in: Canned, highroad: Highroad, words: tuple[str, ...]) -> None:
    assert highroad(*words).code == 2
