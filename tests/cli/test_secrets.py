"""Secrets on the command line: values come from stdin or a file, and go to stdout only when they are asked for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import SERVICE, Highroad
from tests.client.canned import Canned, event

PATH = "/projects/shop/secrets"
FOUND: dict[str, Any] = {
    "id": "var_1",
    "name": "TOKEN",
    "kind": "secret",
    "scope": "service-environment",
    "overrides": "project",
    "version": 3,
    "file": "",
    "changed_by": "ada@example.com",
    "changed_at": "2026-11-01T10:00:00Z",
}
CHANGED = {**FOUND, "deployments": []}


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\n"))


def test_secrets_are_listed_without_values(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", PATH, {"items": [FOUND]})
    ran = highroad("secrets", *SERVICE)
    assert "TOKEN" in ran.out
    assert "over the project's" in ran.out
    assert signed_in.requests[0].query == {"environment": "production", "service": "web"}


@pytest.mark.usefixtures("typed")
def test_a_value_is_read_from_stdin(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("PUT", f"{PATH}/TOKEN", CHANGED)
    ran = highroad("secrets", "set", "TOKEN", "--file", "/run/secrets/token", *SERVICE)
    assert ran.code == 0
    assert signed_in.asked("PUT", f"{PATH}/TOKEN")[0].body == {
        "deploy": True,
        "file": "/run/secrets/token",
        "value": "hunter2",
    }
    assert "hunter2" not in ran.out + ran.err


def test_a_value_on_the_command_line_is_not_taken(signed_in: Canned, highroad: Highroad) -> None:
    ran = highroad("secrets", "set", "TOKEN", "hunter2", *SERVICE)
    assert ran.code == 2
    assert signed_in.requests == []


def test_a_value_is_read_from_a_file(signed_in: Canned, highroad: Highroad, home: Path) -> None:
    (home / "key.pem").write_text("-----BEGIN\n")
    signed_in.answer("PUT", f"{PATH}/KEY", CHANGED)
    highroad("secrets", "set", "KEY", "--value-from", "key.pem", *SERVICE)
    assert signed_in.asked("PUT", f"{PATH}/KEY")[0].body["value"] == "-----BEGIN\n"


@pytest.mark.parametrize(
    ("flags", "body"),
    [
        (("--alias", "OTHER"), {"alias": "OTHER"}),
        (
            ("--from", "vault:shop/db#password"),
            {"external": {"source": "vault", "path": "shop/db", "key": "password", "version": None}},
        ),
        (
            ("--from", "vault:shop/db", "--entry-version", "3"),
            {"external": {"source": "vault", "path": "shop/db", "key": "value", "version": 3}},
        ),
    ],
)
def test_an_alias_and_an_external_secret_need_no_value(
    signed_in: Canned, highroad: Highroad, flags: tuple[str, ...], body: dict[str, object]
) -> None:
    signed_in.answer("PUT", f"{PATH}/TOKEN", CHANGED)
    highroad("secrets", "set", "TOKEN", "--no-deploy", *flags, *SERVICE)
    assert signed_in.asked("PUT", f"{PATH}/TOKEN")[0].body == {**body, "deploy": False}


def test_a_place_that_is_none_is_refused(signed_in: Canned, highroad: Highroad) -> None:
    assert highroad("secrets", "set", "TOKEN", "--from", "vault", *SERVICE).code == 2
    assert signed_in.requests == []


@pytest.mark.usefixtures("typed")
def test_a_change_is_followed(signed_in: Canned, highroad: Highroad) -> None:
    deployment = {"id": "dep_1", "number": 3, "kind": "configure", "state": "running"}
    signed_in.answer("PUT", f"{PATH}/TOKEN", {**FOUND, "deployments": [deployment]})
    signed_in.stream("/deployments/dep_1/log", event("end", {**deployment, "state": "succeeded"}))
    ran = highroad("secrets", "set", "TOKEN", *SERVICE)
    assert "succeeded" in ran.out


def test_a_value_is_revealed_alone(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", PATH, {"items": [FOUND]})
    signed_in.answer("POST", "/secrets/var_1/reveal", {"name": "TOKEN", "value": "hunter2", "version": 2})
    assert highroad("secrets", "reveal", "TOKEN", "--version", "2", *SERVICE).out == "hunter2\n"
    assert signed_in.asked("POST", "/secrets/var_1/reveal")[0].body == {"version": 2}


def test_a_secret_that_is_not_there_is_exit_code_4(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", PATH, {"items": []})
    ran = highroad("secrets", "reveal", "TOKEN", *SERVICE)
    assert ran.code == 4
    assert "highroad secrets list" in ran.err


def test_what_is_set_wider_is_not_removed_by_mistake(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", PATH, {"items": [{**FOUND, "scope": "project"}]})
    ran = highroad("secrets", "unset", "TOKEN", *SERVICE)
    assert ran.code == 4
    assert "--project-wide" in ran.err


def test_history_restoring_and_removing_go_by_the_id(signed_in: Canned, highroad: Highroad) -> None:
    version = {"number": 2, "kind": "secret", "changed_by": "ben", "changed_at": None, "current": False}
    signed_in.answer("GET", PATH, {"items": [FOUND]})
    signed_in.answer("GET", "/secrets/var_1/versions", {"items": [version]})
    signed_in.answer("POST", "/secrets/var_1/restore", CHANGED)
    signed_in.answer("DELETE", "/secrets/var_1", {"deployments": []})
    signed_in.answer("POST", "/secrets/var_1/expose", FOUND)
    assert "ben" in highroad("secrets", "history", "TOKEN", *SERVICE).out
    assert highroad("secrets", "restore", "TOKEN", "2", *SERVICE).code == 0
    assert signed_in.asked("POST", "/secrets/var_1/restore")[0].body == {"version": 2, "deploy": True}
    assert highroad("secrets", "unset", "TOKEN", *SERVICE).code == 0
    assert highroad("secrets", "expose", "TOKEN", *SERVICE).code == 0


def test_an_import_is_previewed(signed_in: Canned, highroad: Highroad, home: Path) -> None:
    (home / ".env").write_text("TOKEN=hunter2\n")
    answer = {"items": [{"name": "TOKEN", "effect": "replaced", "secret": True}], "deployments": []}
    signed_in.answer("POST", PATH, answer)
    ran = highroad("secrets", "import", ".env", "--dry-run", "--project-wide", *SERVICE)
    assert "replaced" in ran.out
    assert "Nothing was changed" in ran.err
    assert "hunter2" not in ran.out + ran.err
    sent = signed_in.asked("POST", PATH)[0]
    assert sent.body == {"text": "TOKEN=hunter2\n", "secret": True, "dry_run": True, "deploy": True}
    assert sent.query == {}


def test_a_broken_file_is_named_with_its_line_and_nothing_is_sent(
    signed_in: Canned, highroad: Highroad, home: Path
) -> None:
    (home / ".env").write_text("A=1\nhunter2\n")
    ran = highroad("secrets", "import", ".env", *SERVICE)
    assert ran.code == 2
    assert ".env:2" in ran.err
    assert "hunter2" not in ran.err
    assert signed_in.requests == []


def test_config_does_not_show_a_secret(signed_in: Canned, highroad: Highroad) -> None:
    variables = "/projects/shop/services/web/variables"
    items = [{"name": "TOKEN", "value": None, "kind": "secret", "scope": "service"}]
    signed_in.answer("GET", variables, {"items": items})
    signed_in.answer("GET", "/projects/shop/services/web/environments/production", {"configuration": "current"})
    assert "(secret)" in highroad("config", "list", *SERVICE).out
    ran = highroad("config", "get", "TOKEN", *SERVICE)
    assert ran.code != 0
    assert "highroad secrets reveal TOKEN" in ran.err
