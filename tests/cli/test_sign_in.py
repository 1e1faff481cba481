"""Signing in: instantly on the operator's machine, else by a code or a password; tokens are never printed."""

from __future__ import annotations

import io
import json
import os
import socket
from pathlib import Path

import pytest

from highroad.client.credentials import Credentials
from tests.cli.conftest import Highroad
from tests.client.canned import Canned

ME = {
    "id": "usr_1",
    "email": "ada@example.com",
    "role": "owner",
    "token": {"id": "tok_9", "name": "x", "scopes": ["read"]},
}


@pytest.fixture
def installation(canned: Canned) -> Canned:
    canned.answer("GET", "/me", ME)
    return canned


def operator_file(home: Path, url: str) -> None:
    file = home / "data" / "run" / "operator.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"url": url, "token": "hr_operator"}))


def stored_token(url: str) -> str:
    known = Credentials.of(os.environ).find(url)
    return known.token if known else ""


def test_on_the_operators_machine_a_login_needs_nothing(installation: Canned, highroad: Highroad, home: Path) -> None:
    operator_file(home, installation.url)
    installation.answer("POST", "/tokens", {"id": "tok_9", "token": "hr_new"}, 201)
    ran = highroad("login", installation.url.replace("localhost", "127.0.0.1"))
    assert (ran.code, "ada@example.com" in ran.out) == (0, True)
    made = installation.asked("POST", "/tokens")[0]
    assert made.headers["Authorization"] == "Bearer hr_operator"
    assert stored_token(installation.url.replace("localhost", "127.0.0.1")) == "hr_new"


def test_without_an_address_the_installation_of_this_machine_is_meant(
    installation: Canned, highroad: Highroad, home: Path
) -> None:
    operator_file(home, installation.url)
    installation.answer("POST", "/tokens", {"id": "tok_9", "token": "hr_new"}, 201)
    assert highroad("login").code == 0
    assert Credentials.of(os.environ).current == installation.url


def test_the_operators_token_goes_to_no_other_installation(
    installation: Canned, highroad: Highroad, home: Path
) -> None:
    operator_file(home, "http://localhost:1")
    installation.problem("POST", "/logins", 429)
    highroad("login", installation.url)
    assert all("hr_operator" not in str(each.headers) for each in installation.requests)


def test_a_code_is_confirmed_in_the_browser(installation: Canned, highroad: Highroad) -> None:
    started = {
        "id": "lgn_1",
        "user_code": "WXYZ-1234",
        "verify_url": "http://x/verify",
        "secret": "s",
        "interval": 0.05,
    }
    installation.answer("POST", "/logins", started, 201)
    installation.answer("POST", "/logins/lgn_1/token", {"status": "pending"}, 202)
    installation.answer("POST", "/logins/lgn_1/token", {"token": "hr_device", "actor": {}})
    ran = highroad("login", installation.url, "--json")
    assert "WXYZ-1234" in ran.err
    assert "http://x/verify" in ran.err
    assert ran.document["actor"]["email"] == "ada@example.com"
    assert "hr_device" not in ran.out + ran.err
    assert stored_token(installation.url) == "hr_device"


@pytest.mark.parametrize(("status", "word"), [(403, "refused"), (410, "expired")])
def test_a_code_that_was_not_confirmed_signs_nobody_in(
    installation: Canned, highroad: Highroad, status: int, word: str
) -> None:
    started = {"id": "lgn_1", "user_code": "WXYZ-1234", "verify_url": "http://x", "secret": "s", "interval": 0.05}
    installation.answer("POST", "/logins", started, 201)
    installation.problem("POST", "/logins/lgn_1/token", status)
    ran = highroad("login", installation.url)
    assert ran.code == 3
    assert word in ran.err
    assert stored_token(installation.url) == ""


def test_a_password_comes_from_stdin_where_there_is_no_terminal(
    installation: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("open sesame\n"))
    installation.answer("POST", "/sign-in", {"token": "hr_password", "actor": {}})
    assert highroad("login", installation.url, "--email", "ada@example.com").code == 0
    assert installation.asked("POST", "/sign-in")[0].body["password"] == "open sesame"
    assert stored_token(installation.url) == "hr_password"


def test_a_token_is_checked_before_it_is_kept(
    canned: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("hr_wrong\n"))
    canned.problem("GET", "/me", 401)
    assert highroad("login", canned.url, "--token").code == 3
    assert stored_token(canned.url) == ""


def test_a_login_with_a_token_that_is_good_keeps_it(installation: Canned, highroad: Highroad, home: Path) -> None:
    operator_file(home, installation.url)
    installation.answer("POST", "/tokens", {"id": "tok_9", "token": "hr_new"}, 201)
    highroad("login", installation.url)
    ran = highroad("login", installation.url)
    assert (ran.code, "already" in ran.out) == (0, True)
    assert len(installation.asked("POST", "/tokens")) == 1


def test_a_login_revokes_what_it_replaces(
    signed_in: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"id": "tok_1", "name": f"highroad on {socket.gethostname()}"[:80]}
    signed_in.answer("GET", "/me", {**ME, "token": made})
    signed_in.answer("DELETE", "/tokens/tok_1", status=204)
    signed_in.answer("POST", "/sign-in", {"token": "hr_password", "actor": {}})
    monkeypatch.setattr("sys.stdin", io.StringIO("open sesame\n"))
    assert highroad("login", signed_in.url, "--email", "ada@example.com").code == 0
    assert signed_in.asked("DELETE", "/tokens/tok_1")[0].headers["Authorization"] == "Bearer hr_secret"
    assert stored_token(signed_in.url) == "hr_password"


def test_a_stored_token_that_is_refused_is_replaced(signed_in: Canned, highroad: Highroad, home: Path) -> None:
    operator_file(home, signed_in.url)
    signed_in.problem("GET", "/me", 401)
    signed_in.answer("GET", "/me", ME)
    signed_in.answer("POST", "/tokens", {"id": "tok_9", "token": "hr_new"}, 201)
    assert highroad("login", signed_in.url).code == 0
    assert stored_token(signed_in.url) == "hr_new"


def test_what_is_refused_for_want_of_a_sign_in_names_the_address(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.problem("GET", "/me", 401, next_step="highroad login URL")
    assert f"Next:  highroad login {signed_in.url}" in highroad("whoami").err


def test_logout_revokes_the_token_and_forgets_it(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("DELETE", "/tokens/tok_1", status=204)
    ran = highroad("logout", "--json")
    assert ran.document == {"url": signed_in.url, "revoked": True}
    assert stored_token(signed_in.url) == ""


def test_logout_forgets_also_when_the_token_cannot_be_revoked(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.problem("DELETE", "/tokens/tok_1", 403)
    ran = highroad("logout")
    assert (ran.code, stored_token(signed_in.url)) == (0, "")
    assert "could not be revoked" in ran.err


def test_whoami_says_who_and_where(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/me", ME)
    assert f"ada@example.com, owner at {signed_in.url}" in highroad("whoami").out
    assert highroad("whoami", "--json").document["url"] == signed_in.url


def test_the_environment_replaces_a_sign_in(
    installation: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIGHROAD_URL", installation.url)
    monkeypatch.setenv("HIGHROAD_TOKEN", "hr_ci")
    assert highroad("whoami").code == 0
    assert installation.requests[0].headers["Authorization"] == "Bearer hr_ci"
