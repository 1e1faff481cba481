"""What waits for people, on the command line: the inbox, approving, refusing, breaking the glass."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import PLACEMENT_PATH, SERVICE, SERVICE_PATH, Highroad
from tests.client.canned import Canned, event

WAITING: dict[str, Any] = {
    "id": "dep_1",
    "number": 9,
    "kind": "deploy",
    "state": "waiting",
    "environment": "production",
    "reason": "Waiting for 1 of 2 approvals of team payments",
    "next_step": "Approve: highroad approve dep_1",
}
LIVE = {**WAITING, "state": "succeeded", "reason": "", "next_step": "", "url": "http://web.production.shop.localhost"}
DETAIL: dict[str, Any] = {
    "deployment": "dep_1",
    "number": 9,
    "kind": "deploy",
    "project": "shop",
    "service": "web",
    "environment": "production",
    "actor": "ann@example.com",
    "waiting": WAITING["reason"],
    "expires_at": "2026-12-01T08:00:00.000000Z",
    "since": "2026-11-28T08:00:00.000000Z",
    "plan_version": "1-abc",
    "for_you": True,
    "said": [{"user": "bob@example.com", "verdict": "approve", "counts": False, "why_not": "it is older than 24 h"}],
    "plan": {"summary": "Deploy release 2: start 1", "changes": [], "warnings": []},
    "risk": {"score": 20, "level": "low", "reasons": [{"points": 20, "words": "it touches the database's schema"}]},
    "tests": "12 passed",
    "scans": "No scanners are connected.",
    "direction": "forward",
    "commits": [{"sha": "c" * 40, "subject": "Add orders", "author": "Ann"}],
    "files": [{"path": "orders.sql", "added": 4, "removed": 0}],
    "patch": "+create table orders",
}


@pytest.fixture
def inbox(signed_in: Canned) -> Canned:
    signed_in.answer("GET", "/approvals", {"items": [{**DETAIL, "for_you": False, "deployment": "dep_0"}, DETAIL]})
    signed_in.answer("GET", "/deployments/dep_1/approval", DETAIL)
    signed_in.answer("POST", "/deployments/dep_1/approve", {**WAITING, "state": "running"})
    signed_in.answer("POST", "/deployments/dep_1/refuse", {**WAITING, "state": "refused"})
    signed_in.answer("POST", "/deployments/dep_1/break-glass", {**WAITING, "state": "running"})
    signed_in.stream("/deployments/dep_1/log", event("end", LIVE, "1"))
    return signed_in


def test_what_waits_for_me_stands_first(inbox: Canned, highroad: Highroad) -> None:
    ran = highroad("approvals")
    rows = ran.out.splitlines()[1:]
    assert ran.code == 0
    assert [row.split()[0] for row in rows] == ["dep_1", "dep_0"]


def test_an_approver_is_shown_all_there_is_to_know(inbox: Canned, highroad: Highroad) -> None:
    ran = highroad("approvals", "show", "dep_1", "--patch")
    for words in ("Deploy release 2", "older than 24 h", "+20 it touches", "12 passed", "No scanners", "Add orders"):
        assert words in ran.out
    assert "+create table orders" in ran.out
    assert highroad("approvals", "show", "dep_1", "--json").document["plan_version"] == "1-abc"


def test_an_approval_is_for_the_plan_that_was_fetched(inbox: Canned, highroad: Highroad) -> None:
    ran = highroad("approve", "dep_1", "-m", "fine")
    assert ran.code == 0
    assert "goes. Follow it" in ran.out
    assert inbox.asked("POST", "/deployments/dep_1/approve")[0].body == {"plan": "1-abc", "comment": "fine"}


def test_a_refusal_takes_a_reason(inbox: Canned, highroad: Highroad) -> None:
    assert highroad("refuse", "dep_1").code == 2
    assert "has ended" in highroad("refuse", "dep_1", "-m", "no").out
    assert inbox.asked("POST", "/deployments/dep_1/refuse")[0].body == {"comment": "no"}


def test_the_glass_is_broken_and_the_deployment_followed(inbox: Canned, highroad: Highroad) -> None:
    ran = highroad("break-glass", "dep_1", "-m", "customers cannot pay")
    assert ran.code == 0
    assert "Live at" in ran.out


def test_what_is_no_deployment_is_said_so(inbox: Canned, highroad: Highroad) -> None:
    ran = highroad("approve", "seven", *SERVICE)
    assert ran.code == 2
    assert "highroad approvals list" in ran.err


def test_a_number_names_a_deployment_of_the_environment(inbox: Canned, highroad: Highroad) -> None:
    inbox.answer("GET", f"{PLACEMENT_PATH}/deployments", {"items": [WAITING]})
    assert highroad("approve", "d9", *SERVICE).code == 0


# Where it begins to wait


def test_a_rollback_that_waits_says_for_what_and_ends_well(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", f"{PLACEMENT_PATH}/deployments", WAITING, 202)
    signed_in.stream("/deployments/dep_1/log", event("end", WAITING, "1"))
    ran = highroad("rollback", *SERVICE)
    assert ran.code == 0
    assert ran.out.splitlines()[-2:] == [f"Why:   {WAITING['reason']}", f"Next:  {WAITING['next_step']}"]


def test_a_rollback_breaks_the_glass(inbox: Canned, highroad: Highroad) -> None:
    inbox.answer("POST", f"{PLACEMENT_PATH}/deployments", WAITING, 202)
    ran = highroad("rollback", "--break-glass", "customers cannot pay", *SERVICE)
    assert ran.code == 0
    assert inbox.asked("POST", "/deployments/dep_1/break-glass")[0].body == {"reason": "customers cannot pay"}


def test_a_deploy_breaks_the_glass_for_what_waits(inbox: Canned, highroad: Highroad) -> None:
    run = {"id": "run_1", "number": 7, "state": "running", "project": "shop", "service": "web"}
    done = {**run, "state": "succeeded", "deployments": ["dep_1"]}
    inbox.answer("POST", f"{SERVICE_PATH}/runs", run, 202)
    inbox.stream("/runs/run_1/log", event("end", done))
    inbox.answer("GET", "/runs/run_1", done)
    inbox.answer("GET", "/deployments/dep_1", WAITING)
    ran = highroad("deploy", "--branch", "main", "--break-glass", "customers cannot pay", *SERVICE)
    assert ran.code == 0
    assert len(inbox.asked("POST", "/deployments/dep_1/break-glass")) == 1
