"""How command lines end: exit codes, three lines or one problem document, and never a traceback."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from highroad.client.credentials import Credentials, Installation
from tests.cli.conftest import SERVICE, Highroad
from tests.client.canned import Canned


@pytest.mark.parametrize(
    ("status", "code"), [(401, 3), (403, 1), (404, 4), (409, 5), (412, 5), (422, 2), (400, 2), (429, 1), (500, 1)]
)
def test_every_refusal_has_its_exit_code(signed_in: Canned, highroad: Highroad, status: int, code: int) -> None:
    signed_in.problem("GET", "/me", status)
    assert highroad("whoami").code == code


def test_an_error_is_three_lines_on_stderr(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.problem("GET", "/me", 403)
    ran = highroad("whoami")
    assert ran.out == ""
    assert ran.err.splitlines() == ["Error: A title", "Why:   A detail.", "Next:  Do this."]


def test_several_wrong_fields_are_listed(signed_in: Canned, highroad: Highroad) -> None:
    wrong = [{"pointer": "/name", "detail": "too long"}, {"pointer": "/mode", "detail": "unknown"}]
    signed_in.problem("GET", "/me", 422, errors=wrong)
    assert "       /mode: unknown" in highroad("whoami").err.splitlines()


def test_with_json_the_problem_of_the_api_is_passed_on(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.problem("GET", "/me", 404, "not-found", instance="/x")
    ran = highroad("whoami", "--json")
    assert (ran.code, ran.out) == (4, "")
    assert (ran.problem["code"], ran.problem["instance"], ran.problem["status"]) == ("not-found", "/x", 404)


def test_an_unknown_command_is_wrong_usage(highroad: Highroad) -> None:
    ran = highroad("depoy")
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 3
    assert "depoy" in ran.err


def test_wrong_usage_is_json_too(highroad: Highroad) -> None:
    ran = highroad("logs", "-n", "many", "--json")
    assert (ran.code, ran.out, ran.problem["code"]) == (2, "", "usage")


def test_a_json_flag_of_the_command_to_run_is_not_ours(highroad: Highroad) -> None:
    assert highroad("run", "-p", "a", "-s", "b", "--", "ls", "--json").err.startswith("Error: You are not signed in")


def test_without_any_installation_one_must_sign_in(highroad: Highroad) -> None:
    ran = highroad("whoami")
    assert ran.code == 3
    assert "highroad login" in ran.err


def test_without_a_service_the_command_says_how_to_name_one(signed_in: Canned, highroad: Highroad) -> None:
    ran = highroad("logs")
    assert ran.code == 2
    assert "highroad init" in ran.err


def test_nothing_listening_is_exit_code_6(highroad: Highroad) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        Credentials.of(os.environ).keep(Installation(f"http://localhost:{closed.getsockname()[1]}", "hr_secret"))
        ran = highroad("status", *SERVICE)
    assert ran.code == 6
    assert "is Highroad up?" in ran.err


def test_exposed_credentials_are_refused(signed_in: Canned, highroad: Highroad) -> None:
    Credentials.of(os.environ).file.chmod(0o644)
    ran = highroad("whoami")
    assert ran.code == 1
    assert "chmod 600" in ran.err


def test_something_unforeseen_is_three_lines_and_a_log_without_secrets(
    signed_in: Canned, highroad: Highroad, home: Path
) -> None:
    signed_in.answer("PATCH", "/projects/shop/services/web/variables", {"items": [], "deployments": [3]})
    ran = highroad("config", "set", "KEY=s3cret", *SERVICE)
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 3
    assert "Traceback" not in ran.err
    log = home / "state" / "highroad" / "crash.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert "Traceback" in log.read_text()
    assert "s3cret" not in log.read_text()
