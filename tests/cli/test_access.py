"""Grants, roles, policies and the two questions, at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Highroad
from tests.client.canned import Canned

GRANT = {"id": "grt_1", "kind": "team", "holder": "juniors", "project": "shop", "mode": "staging", "role": "deployer"}


def test_grants_of_the_project_are_listed(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/access/grants", {"items": [GRANT, {**GRANT, "mode": None, "role": "viewer"}]})
    rows = highroad("access", "-p", "shop").out.splitlines()[1:]
    assert rows[0].split() == ["grt_1", "team", "juniors", "shop", "staging", "deployer", "-"]
    assert signed_in.requests[0].query["project"] == "shop"
    assert len(highroad("access", "list", "--all-projects", "--role", "viewer").out.splitlines()) == 2
    assert "project" not in signed_in.requests[1].query


def test_a_role_is_granted_until_a_day(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/access/grants", GRANT, 201)
    until = ("--until", "2099-01-31T00:00+00:00")
    ran = highroad(
        "access", "grant", "--team", "juniors", "-p", "shop", "--role", "deployer", "--mode", "staging", *until
    )
    assert ran.out == "juniors is deployer in shop, staging.\n"
    assert signed_in.requests[0].body == {
        "kind": "team",
        "holder": "juniors",
        "project": "shop",
        "role": "deployer",
        "mode": "staging",
        "expires_at": "2099-01-31T00:00:00+00:00",
    }


def test_a_preset_is_one_command(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer(
        "POST", "/access/presets", {"items": [GRANT, {**GRANT, "mode": "production", "role": "viewer"}]}, 201
    )
    ran = highroad("access", "grant", "--team", "juniors", "-p", "shop", "--preset", "junior-developer")
    assert ran.out.splitlines() == ["juniors is deployer in shop, staging.", "juniors is viewer in shop, production."]


@pytest.mark.parametrize(
    "words",
    [
        ("--role", "viewer"),
        ("--team", "a", "--user", "b", "--role", "viewer"),
        ("--team", "a"),
        ("--team", "a", "--role", "viewer", "--preset", "tester"),
        ("--team", "a", "--preset", "tester", "--mode", "staging"),
        ("--team", "a", "--role", "viewer", "--until", "tomorrow"),
    ],
)
def test_what_does_not_say_who_and_what_is_wrong_usage(
    signed_in: Canned, highroad: Highroad, words: tuple[str, ...]
) -> None:
    assert highroad("access", "grant", "-p", "shop", *words).code == 2
    assert signed_in.requests == []


def test_a_grant_is_withdrawn(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("DELETE", "/access/grants/grt_1", status=204)
    assert highroad("access", "withdraw", "grt_1").out == "Withdrew grt_1.\n"


def test_roles_are_listed_shown_and_defined(signed_in: Canned, highroad: Highroad) -> None:
    role = {"name": "captain", "description": "Deploys.", "actions": ["deployment:write"], "built_in": False}
    signed_in.answer("GET", "/roles", {"items": [role]})
    signed_in.answer("GET", "/roles/captain", role)
    signed_in.answer(
        "GET", "/actions", {"items": [{"name": "deployment:write", "meaning": "Deploy.", "grantable": True}]}
    )
    signed_in.answer("POST", "/roles", role, 201)
    assert highroad("roles").out.splitlines()[1].split() == ["captain", "own", "1", "Deploys."]
    assert highroad("roles", "show", "captain").out.splitlines()[1].split() == ["deployment:write", "Deploy."]
    assert highroad("roles", "create", "captain", "--action", "deployment:write").code == 0
    assert signed_in.requests[-1].body == {"name": "captain", "description": "", "actions": ["deployment:write"]}


@pytest.fixture
def text(tmp_path: Path) -> str:
    file = tmp_path / "calm.cedar"
    file.write_text("forbid(principal, action, resource);")
    return str(file)


def test_a_wrong_policy_is_told_by_file_and_line(signed_in: Canned, highroad: Highroad, text: str) -> None:
    answer = {"valid": False, "problems": [{"line": 4, "detail": "no such action"}], "dry_run": None}
    signed_in.answer("POST", "/policies/check", answer)
    ran = highroad("policies", "check", text)
    assert (ran.code, ran.out) == (1, f"{text}:4: no such action\n")


def test_a_dry_run_is_told_with_what_is_not_known(signed_in: Canned, highroad: Highroad, text: str) -> None:
    change = {"time": "2026-01-01T00:00:00Z", "actor": "ben@example.com", "action": "deployment:write"}
    change |= {"place": "shop/production", "policy": "calm", "unknown": ["risk"]}  # type: ignore[dict-item]
    run = {"decisions": 20, "left_out": 2, "cut": False, "would_refuse": 14, "would_allow": 0}
    run |= {"refused": [change], "allowed": []}  # type: ignore[dict-item]
    signed_in.answer("POST", "/policies/check", {"valid": True, "problems": [], "dry_run": run})
    ran = highroad("policies", "check", text)
    assert ran.code == 0
    assert "this would have refused 14 actions." in ran.out
    assert ran.out.splitlines()[3].split()[-1] == "risk"
    assert "2 more could not be decided again" in ran.err


def test_a_policy_is_applied_from_a_file(signed_in: Canned, highroad: Highroad, text: str) -> None:
    signed_in.answer("PUT", "/policies/calm", {"name": "calm", "version": 3, "in_force": 3})
    assert highroad("policies", "apply", "calm", text, "--note", "why").out == "calm is in force in version 3.\n"
    assert signed_in.requests[0].body == {"text": "forbid(principal, action, resource);", "note": "why"}


def test_the_history_shows_what_each_version_changed(signed_in: Canned, highroad: Highroad) -> None:
    version = {"author": "ada", "created_at": "2026-01-01T00:00:00Z"}
    items = [
        {**version, "version": 2, "text": "b;", "note": "Other"},
        {**version, "version": 1, "text": "a;", "note": ""},
    ]
    signed_in.answer("GET", "/policies/calm/history", {"items": items})
    said = highroad("policies", "history", "calm").out
    assert "Other\n  @@ -1 +1 @@\n  -a;\n  +b;\n" in said


@pytest.mark.parametrize(("allowed", "code", "word"), [(True, 0, "yes"), (False, 1, "no")])
def test_can_i_answers_by_word_and_exit_code(
    signed_in: Canned, highroad: Highroad, allowed: bool, code: int, word: str
) -> None:
    answer = {
        "allowed": allowed,
        "action": "deployment:write",
        "place": "shop/production",
        "reason": "So.",
        "ask": ["ada"],
    }
    signed_in.answer("GET", "/access/can-i", answer)
    ran = highroad("can-i", "deploy", "shop/production")
    assert (ran.code, ran.out) == (code, f"{word}: deployment:write in shop/production. So.\n")
    assert "ada" in ran.err
    assert signed_in.requests[0].query == {"action": "deploy", "place": "shop/production"}


@pytest.mark.parametrize(
    ("words", "place"),
    [((), ""), (("-p", "shop"), "shop/production"), (("-p", "shop", "-s", "web", "-e", "test"), "shop/test/web")],
)
def test_without_a_place_the_options_say_it(
    signed_in: Canned, highroad: Highroad, words: tuple[str, ...], place: str
) -> None:
    signed_in.answer("GET", "/access/who-can", {"action": "log:read", "place": place, "items": []})
    assert highroad("who-can", "logs", *words).out == "Nobody may do log:read there.\n"
    assert signed_in.requests[0].query.get("place", "") == place
