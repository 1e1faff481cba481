"""Sessions, the second factor, and a password sign-in that needs a code."""

from __future__ import annotations

import io

import pytest

from tests.cli.conftest import Highroad
from tests.client.canned import Canned

SESSION = {
    "id": "ses_1",
    "device": "Firefox on Linux",
    "address": "10.0.0.7",
    "created_at": "2026-11-01T00:00:00Z",
    "last_seen_at": "2026-11-02T00:00:00Z",
}


def test_sessions_are_listed_by_default(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/sessions", {"items": [SESSION]})
    row = highroad("sessions").out.splitlines()[1]
    assert row.startswith("ses_1")
    assert "Firefox on Linux" in row
    assert highroad("sessions", "--json").document == {"items": [SESSION]}


def test_one_session_or_all_are_ended(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("DELETE", "/sessions/ses_1", status=204)
    signed_in.answer("DELETE", "/sessions", {"ended": 2})
    assert highroad("sessions", "revoke", "ses_1").code == 0
    assert highroad("sessions", "revoke", "--all", "--json").document == {"ended": 2}
    assert highroad("sessions", "revoke").code == 2


def test_a_second_factor_is_set_up_with_a_seed_and_a_code(
    signed_in: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("open sesame\n123456\n"))
    signed_in.answer("POST", "/me/second-factor", {"seed": "SEED", "address": "otpauth://totp/x"}, 201)
    signed_in.answer("POST", "/me/second-factor/confirm", {"recovery_codes": ["aaaaa-bbbbb-ccccc"]})
    ran = highroad("second-factor", "enable")
    assert ran.out == "aaaaa-bbbbb-ccccc\n"
    assert "otpauth://totp/x" in ran.err
    assert [each.body for each in signed_in.requests] == [{"password": "open sesame"}, {"code": "123456"}]


@pytest.mark.parametrize(
    ("enabled", "said"), [(True, "Recovery codes left: 9"), (False, "highroad second-factor enable")]
)
def test_it_says_whether_there_is_one(signed_in: Canned, highroad: Highroad, enabled: bool, said: str) -> None:
    found = {"enabled": enabled, "recovery_codes_left": 9, "required": True}
    signed_in.answer("GET", "/me/second-factor", found)
    assert said in highroad("second-factor").out
    assert highroad("second-factor", "--json").document == found


def test_it_is_turned_off_with_a_code(signed_in: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("123456\n"))
    signed_in.answer("POST", "/me/second-factor/disable", status=204)
    assert highroad("second-factor", "disable").code == 0


def test_an_administrator_resets_one_and_signs_somebody_out(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/users", {"items": [{"id": "usr_2", "email": "bob@example.com"}]})
    signed_in.answer("DELETE", "/users/usr_2/second-factor", status=204)
    signed_in.answer("DELETE", "/users/usr_2/sessions", {"ended": 1})
    assert highroad("users", "reset-second-factor", "bob@example.com").code == 0
    assert highroad("users", "sign-out", "bob@example.com", "--json").document == {"id": "usr_2", "ended": 1}


def test_a_password_sign_in_asks_for_the_code_when_it_is_needed(
    canned: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    canned.answer("GET", "/me", {"email": "ada@example.com", "token": {"id": "tok_1"}})
    canned.problem("POST", "/sign-in", 401, "second-factor-needed")
    canned.answer("POST", "/sign-in", {"token": "hr_coded", "actor": {}})
    monkeypatch.setattr("sys.stdin", io.StringIO("open sesame\n123456\n"))
    assert highroad("login", canned.url, "--email", "ada@example.com").code == 0
    first, second = canned.asked("POST", "/sign-in")
    assert "code" not in first.body
    assert (second.body["password"], second.body["code"]) == ("open sesame", "123456")
