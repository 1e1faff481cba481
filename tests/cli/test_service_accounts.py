"""Service accounts and their tokens."""

from __future__ import annotations

from tests.cli.conftest import Highroad
from tests.client.canned import Canned


def test_accounts_are_listed_with_their_last_use(signed_in: Canned, highroad: Highroad) -> None:
    item = {"name": "bot", "team": "shop", "role": "member", "active": True, "last_used_at": None}
    signed_in.answer("GET", "/service-accounts", {"items": [item]})
    assert highroad("service-accounts").out.splitlines()[1].split()[:5] == ["bot", "shop", "member", "yes", "-"]


def test_an_account_is_created_and_gets_a_token_alone_on_stdout(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/service-accounts", {"name": "bot"}, 201)
    assert highroad("service-accounts", "create", "bot", "--team", "shop").code == 0
    signed_in.answer("POST", "/service-accounts/bot/tokens", {"id": "tok_1", "token": "hr_new"}, 201)
    assert highroad("service-accounts", "token", "bot", "CI of shop", "--scope", "write").out == "hr_new\n"
    assert signed_in.requests[-1].body == {"name": "CI of shop", "scopes": ["write"], "expires_in_days": 90}


def test_an_account_is_changed_and_deactivated(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("PATCH", "/service-accounts/bot", {"name": "bot"})
    for arguments, body in (
        (("change", "bot", "--team", ""), {"team": None}),
        (("change", "bot", "--role", "auditor"), {"role": "auditor"}),
        (("deactivate", "bot"), {"active": False}),
        (("activate", "bot"), {"active": True}),
    ):
        assert highroad("service-accounts", *arguments).code == 0
        assert signed_in.requests[-1].body == body
    assert highroad("service-accounts", "change", "bot").code == 2
