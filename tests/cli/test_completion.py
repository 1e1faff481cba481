"""Completion in a real bash, and that it never fails."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from highroad.cli.live_names import live_names
from tests.cli.conftest import PLACEMENT_PATH, Highroad
from tests.client.canned import Canned

SHOP = {"project": "shop", "service": "web"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_its_script(highroad: Highroad, shell: str) -> None:
    assert "_HIGHROAD_COMPLETE" in highroad("completion", shell).out


def complete(*words: str) -> list[str]:
    """What the shell is offered for the last word."""
    environ = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1), "_HIGHROAD_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-m", "highroad.cli.main"],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_commands_are_completed() -> None:
    assert complete("highroad", "st") == ["stop", "start", "status"]


def test_options_and_subcommands_are_completed() -> None:
    assert complete("highroad", "tokens", "re") == ["revoke", "revoke-leaked"]
    assert "--follow" in complete("highroad", "logs", "--fo")


def test_names_are_completed_from_the_installation(signed_in: Canned) -> None:
    signed_in.answer("GET", "/projects", {"items": [{"name": "shop"}, {"name": "school"}, {"name": "blog"}]})
    assert complete("highroad", "services", "-p", "s") == ["shop", "school"]


def test_what_a_command_takes_is_completed(signed_in: Canned) -> None:
    signed_in.answer("GET", PLACEMENT_PATH, {"processes": [{"name": "web"}, {"name": "worker"}]})
    signed_in.answer("GET", "/projects/shop/services/web/releases", {"items": [{"number": 12}]})
    assert live_names("process", SHOP, "wo") == ["worker"]
    assert live_names("release", SHOP, "") == ["12"]


def test_an_installation_that_fails_has_no_names(signed_in: Canned) -> None:
    signed_in.answer("GET", "/projects", "away", 502)
    assert live_names("project", {}, "") == []
    assert len(signed_in.requests) == 1
