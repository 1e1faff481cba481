"""Tokens and users."""

from __future__ import annotations

from tests.cli.conftest import Highroad
from tests.client.canned import Canned


def test_tokens_are_listed_by_default(signed_in: Canned, highroad: Highroad) -> None:
    items = [{"id": "tok_1", "name": "ci", "scopes": ["read", "git"], "expires_at": "2027-01-01T00:00:00Z"}]
    signed_in.answer("GET", "/tokens", {"items": items})
    assert highroad("tokens").out.splitlines()[1].split() == ["tok_1", "ci", "read,git", "2027-01-01", "-"]
    assert highroad("tokens", "--json").document == {"items": items}


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


def test_users_are_listed_with_who_is_active(signed_in: Canned, highroad: Highroad) -> None:
    items = [{"id": "usr_1", "email": "a@b.c", "name": "A", "active": True}, {"id": "usr_2", "active": False}]
    signed_in.answer("GET", "/users", {"items": items})
    rows = highroad("users").out.splitlines()[1:]
    assert [each.split()[-1] for each in rows] == ["yes", "no"]


def test_an_invited_user_gets_a_link(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/users", {"id": "usr_2", "sign_in_link": "http://x/link"}, 201)
    assert highroad("users", "invite", "bob@example.com").out == "http://x/link\n"
    assert signed_in.requests[0].body == {"email": "bob@example.com", "name": "bob", "admin": False}


def test_a_user_is_deactivated_by_address(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/users", {"items": [{"id": "usr_2", "email": "bob@example.com"}]})
    signed_in.answer("PATCH", "/users/usr_2", {"id": "usr_2", "active": False})
    assert highroad("users", "deactivate", "Bob@example.com").code == 0
    assert signed_in.requests[-1].body == {"active": False}
    assert highroad("users", "deactivate", "eve@example.com").code == 4
