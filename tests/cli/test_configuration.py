"""Variables: where they are set, how they are read from files, and that values are not repeated in errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PLACEMENT_PATH, SERVICE, SERVICE_PATH, Highroad
from tests.client.canned import Canned, event

VARIABLES = f"{SERVICE_PATH}/variables"


def changed(canned: Canned, path: str = VARIABLES) -> Any:
    return canned.asked("PATCH", path)[0].body


def test_variables_are_listed_with_where_they_come_from(signed_in: Canned, highroad: Highroad) -> None:
    items = [{"name": "KEY", "value": "a\nb", "scope": "project"}]
    signed_in.answer("GET", VARIABLES, {"items": items})
    signed_in.answer("GET", PLACEMENT_PATH, {"configuration": "earlier"})
    assert "highroad restart" in highroad("config", *SERVICE).err
    assert highroad("config", *SERVICE).out.splitlines()[1].split() == ["KEY", "project", "a\\nb"]
    assert signed_in.requests[0].query == {"environment": "production"}
    assert highroad("config", "list", "--json", *SERVICE).document == {"items": items}


def test_one_value_is_printed_alone(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", VARIABLES, {"items": [{"name": "KEY", "value": "v"}]})
    assert highroad("config", "get", "KEY", *SERVICE).out == "v\n"
    assert highroad("config", "get", "OTHER", *SERVICE).code == 4


def test_setting_rolls_out_and_watches(signed_in: Canned, highroad: Highroad) -> None:
    deployment = {"id": "dep_1", "number": 3, "kind": "restart", "state": "running"}
    signed_in.answer("PATCH", VARIABLES, {"items": [], "deployments": [deployment]})
    signed_in.stream("/deployments/dep_1/log", event("end", {**deployment, "state": "succeeded"}))
    ran = highroad("config", "set", "A=1", "B=x=y", "C=", *SERVICE)
    assert ran.code == 0
    assert changed(signed_in) == {"set": {"A": "1", "B": "x=y", "C": ""}, "unset": [], "deploy": True}
    assert "Set A, B, C." in ran.out
    assert "succeeded" in ran.out


def test_a_change_can_wait_for_the_next_deployment(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("PATCH", VARIABLES, {"items": [], "deployments": []})
    ran = highroad("config", "unset", "A", "--no-deploy", *SERVICE)
    assert changed(signed_in) == {"set": {}, "unset": ["A"], "deploy": False}
    assert "next deployment" in ran.out


@pytest.mark.parametrize(
    ("flag", "path", "query"),
    [
        ("--project-wide", "/projects/shop/variables", {}),
        ("--environment-wide", "/projects/shop/environments/production/variables", {}),
        ("--service-wide", VARIABLES, {}),
    ],
)
def test_a_scope_chooses_where(
    signed_in: Canned, highroad: Highroad, flag: str, path: str, query: dict[str, str]
) -> None:
    signed_in.answer("PATCH", path, {"items": [], "deployments": []})
    assert highroad("config", "set", "A=1", flag, *SERVICE).code == 0
    assert signed_in.requests[0].query == query


def test_a_secret_pasted_without_its_name_is_not_repeated(signed_in: Canned, highroad: Highroad) -> None:
    ran = highroad("config", "set", "sk-live-s3cret", *SERVICE)
    assert ran.code == 2
    assert "s3cret" not in ran.err


def test_a_file_of_variables_is_imported(signed_in: Canned, highroad: Highroad, home: Path) -> None:
    (home / ".env").write_text("A=1\nexport B='two words'\n")
    signed_in.answer("PATCH", VARIABLES, {"items": [], "deployments": []})
    assert highroad("config", "import", ".env", *SERVICE).code == 0
    assert changed(signed_in)["set"] == {"A": "1", "B": "two words"}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"A = 'open"])
def test_a_file_that_cannot_be_read_changes_nothing(
    signed_in: Canned, highroad: Highroad, home: Path, content: bytes
) -> None:
    (home / ".env").write_bytes(content)
    assert highroad("config", "import", ".env", *SERVICE).code == 2
    assert signed_in.requests == []


def test_a_rollout_that_fails_fails_the_command(signed_in: Canned, highroad: Highroad) -> None:
    deployment = {"id": "dep_1", "number": 3, "kind": "restart", "state": "running"}
    signed_in.answer("PATCH", VARIABLES, {"items": [], "deployments": [deployment]})
    signed_in.stream(
        "/deployments/dep_1/log", event("end", {**deployment, "state": "failed", "reason": "web.1 exits."})
    )
    ran = highroad("config", "set", "A=1", *SERVICE)
    assert ran.code == 1
    assert "web.1 exits." in ran.err


@pytest.mark.parametrize(
    ("given", "word"), [("my-key=1", "MY_KEY"), ("c2Vj-cmV0==", "NAME=VALUE"), ("hr_abc", "NAME=")]
)
def test_a_wrong_name_is_named_and_what_may_be_a_secret_is_not(
    signed_in: Canned, highroad: Highroad, given: str, word: str
) -> None:
    ran = highroad("config", "set", given, *SERVICE)
    assert ran.code == 2
    assert word in ran.err
    assert word == "MY_KEY" or given.rstrip("=") not in ran.err
