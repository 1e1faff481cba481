"""Tokens, policy tokens and leaked ones."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.cli.conftest import Highroad
from tests.client.canned import Canned


def test_tokens_are_listed_by_default(signed_in: Canned, highroad: Highroad) -> None:
    items = [{"id": "tok_1", "name": "ci", "scopes": ["read", "git"], "expires_at": "2027-01-01T00:00:00Z"}]
    signed_in.answer("GET", "/tokens", {"items": items})
    assert highroad("tokens").out.splitlines()[1].split() == ["tok_1", "ci", "read,git", "2027-01-01", "-"]
    assert highroad("tokens", "--json").document == {"items": items}


def test_everybodys_tokens_are_listed_with_their_accounts(signed_in: Canned, highroad: Highroad) -> None:
    items = [{"id": "tok_1", "name": "ci", "policy": "permit", "account_name": "bot", "revoked_at": "2026-01-01"}]
    signed_in.answer("GET", "/tokens", {"items": items})
    row = highroad("tokens", "list", "--all").out.splitlines()[1].split()
    assert row == ["tok_1", "ci", "policy", "revoked", "-", "bot"]
    assert signed_in.requests[0].query["account"] == "everybody"


def test_a_new_token_is_alone_on_stdout(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/tokens", {"id": "tok_2", "token": "hr_new"}, 201)
    ran = highroad("tokens", "create", "ci", "--scope", "git", "--scope", "write", "--days", "7")
    assert ran.out == "hr_new\n"
    assert f"HIGHROAD_URL={signed_in.url}" in ran.err
    assert "highroad tokens revoke tok_2" in ran.err
    assert signed_in.requests[0].body == {"name": "ci", "scopes": ["git", "write"], "expires_in_days": 7}


def test_a_token_is_revoked(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("DELETE", "/tokens/tok_2", status=204)
    assert highroad("tokens", "revoke", "tok_2").code == 0


def test_leaked_tokens_come_from_stdin_and_need_no_sign_in(
    canned: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    canned.answer("POST", "/tokens/leaked", {"items": [{"outcome": "revoked", "token": "tok_1"}]})
    monkeypatch.setattr("sys.stdin", io.StringIO("hr_one\n"))
    ran = highroad("tokens", "revoke-leaked", "--url", canned.url, "--where", "a gist")
    assert (ran.code, ran.out) == (0, "1. (tok_1) was revoked\n")
    assert canned.requests[0].body == {"tokens": ["hr_one"], "where": "a gist"}


def test_what_was_no_token_of_the_installation_fails(
    canned: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    canned.answer("POST", "/tokens/leaked", {"items": [{"outcome": "unknown", "token": None}]})
    monkeypatch.setattr("sys.stdin", io.StringIO("hr_one"))
    assert highroad("tokens", "revoke-leaked", "--url", canned.url).code == 1
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert highroad("tokens", "revoke-leaked", "--url", canned.url).code == 2


def test_a_policy_token_is_made_of_a_file(signed_in: Canned, highroad: Highroad, tmp_path: Path) -> None:
    file = tmp_path / "board.cedar"
    file.write_text("permit (principal, action, resource);")
    signed_in.answer("POST", "/policy-tokens", {"name": "board", "secret": "hr_new"}, 201)
    assert highroad("tokens", "create-policy", "board", str(file), "--days", "7").out == "hr_new\n"
    sent = signed_in.requests[0].body
    assert (sent["policy"], sent["expires_in_days"]) == ("permit (principal, action, resource);", 7)


def test_policy_tokens_are_listed_shown_changed_and_ended(
    signed_in: Canned, highroad: Highroad, tmp_path: Path
) -> None:
    found = {"name": "board", "active": True, "policy": "permit;\n", "token": {"expires_at": "2027-01-01T00:00:00Z"}}
    signed_in.answer("GET", "/policy-tokens", {"items": [found]})
    assert highroad("tokens", "policies").out.splitlines()[1].split()[:3] == ["board", "yes", "2027-01-01"]
    signed_in.answer("GET", "/policy-tokens/board", found)
    assert highroad("tokens", "show-policy", "board").out == "permit;\n"
    file = tmp_path / "new.cedar"
    file.write_text("forbid;")
    signed_in.answer("PATCH", "/policy-tokens/board", found)
    assert highroad("tokens", "change-policy", "board", str(file)).code == 0
    assert signed_in.requests[-1].body == {"policy": "forbid;"}
    signed_in.answer("DELETE", "/policy-tokens/board", status=204)
    assert highroad("tokens", "end-policy", "board").code == 0
