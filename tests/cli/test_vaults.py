"""External stores and the keys of secrets on the command line."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.cli.conftest import Highroad
from tests.client.canned import Canned

STORE: dict[str, Any] = {
    "name": "main",
    "kind": "vault",
    "address": "https://vault.example.com",
    "namespace": "",
    "mount": "secret",
    "auth_mount": "approle",
    "command": "",
    "prefix": "apps/{project}/",
    "projects": ["shop"],
    "every_project": False,
    "sign_in": "token",
}
KEY = {"id": "k1", "master": "m1", "created_at": "2026-11-01T10:00:00Z", "retired_at": None, "sealed": 3}
STATUS: dict[str, Any] = {
    "master": "m1",
    "master_from": "/srv/highroad/master.key",
    "rotating": False,
    "keys": [KEY],
    "old_master_files": [],
}


def test_a_store_is_connected_with_a_token_from_stdin(
    signed_in: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("hvs.secret\n"))
    signed_in.answer("POST", "/vaults", STORE, 201)
    ran = highroad("vaults", "add", "main", "--address", "https://vault.example.com", "--token")
    assert ran.code == 0
    assert signed_in.asked("POST", "/vaults")[0].body == {
        "name": "main",
        "kind": "vault",
        "address": "https://vault.example.com",
        "token": "hvs.secret",
    }
    assert "hvs.secret" not in ran.out + ran.err


def test_a_command_is_named_and_so_are_the_projects_that_may_read_it(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/vaults", {**STORE, "kind": "command"}, 201)
    highroad("vaults", "add", "main", "--command", "read-secret", "--project", "shop", "--project", "billing")
    sent = signed_in.asked("POST", "/vaults")[0].body
    assert sent == {"name": "main", "kind": "command", "command": "read-secret", "projects": ["shop", "billing"]}


def test_a_store_that_no_project_may_read_says_how_to_allow_one(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/vaults", STORE, 201)
    signed_in.answer("POST", "/vaults/main/allow", STORE)
    signed_in.answer("POST", "/vaults/main/deny", STORE)
    assert "highroad vaults allow main PROJECT" in highroad("vaults", "add", "main", "--address", "https://v").err
    assert highroad("vaults", "allow", "main", "shop").code == 0
    assert highroad("vaults", "deny", "main", "shop").code == 0
    assert signed_in.asked("POST", "/vaults/main/allow")[0].body == {"project": "shop"}


def test_stores_are_listed_changed_tried_and_removed(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/vaults", {"items": [STORE]})
    signed_in.answer("PATCH", "/vaults/main", STORE)
    signed_in.answer("POST", "/vaults/main/try", {"keys": ["password", "user"]})
    signed_in.answer("DELETE", "/vaults/main", status=204)
    assert "apps/{project}/" in highroad("vaults").out
    assert highroad("vaults", "set", "main", "--mount", "kv").code == 0
    assert signed_in.asked("PATCH", "/vaults/main")[0].body == {"mount": "kv"}
    assert highroad("vaults", "try", "main", "shop/db").out == "password\nuser\n"
    assert highroad("vaults", "remove", "main").code == 0


def test_the_secret_id_of_an_approle_is_read_from_stdin(
    signed_in: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret-1\n"))
    signed_in.answer("PATCH", "/vaults/main", STORE)
    assert highroad("vaults", "set", "main", "--role-id", "role-1").code == 0
    assert signed_in.asked("PATCH", "/vaults/main")[0].body == {"role_id": "role-1", "secret_id": "secret-1"}


def test_a_token_and_an_approle_at_once_are_refused(signed_in: Canned, highroad: Highroad) -> None:
    assert highroad("vaults", "add", "main", "--token", "--role-id", "r").code == 2
    assert signed_in.requests == []


def test_the_keys_are_shown(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/sealing", STATUS)
    ran = highroad("sealing")
    assert "m1 from /srv/highroad/master.key" in ran.out
    assert "active" in ran.out


def test_a_rotation_is_waited_for(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/sealing/rotate", {**STATUS, "rotating": True})
    signed_in.answer("GET", "/sealing", STATUS)
    assert highroad("sealing", "rotate").code == 0
    assert signed_in.asked("POST", "/sealing/rotate")[0].body == {"master": False}
    assert len(signed_in.asked("GET", "/sealing")) == 1


def test_what_old_backups_need_is_said(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/sealing/rotate", {**STATUS, "old_master_files": ["master.key.old-m0"]})
    assert "master.key.old-m0" in highroad("sealing", "rotate", "--master").err
