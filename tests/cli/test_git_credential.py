"""The credential helper: a token for the Git paths of known installations, and silence for everything else."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from highroad.cli.git_credential import answer
from tests.client.canned import Canned


def ask(url: str, action: str = "get", path: str = "git/shop/web.git", extra: str = "") -> tuple[str, str]:
    scheme, _, host = url.partition("://")
    asked = f"protocol={scheme}\nhost={host}\npath={path}\n{extra}\n".splitlines(keepends=True)
    stdout, stderr = io.StringIO(), io.StringIO()
    assert answer([action], asked, stdout, stderr, os.environ) == 0
    return stdout.getvalue(), stderr.getvalue()


def test_git_gets_the_token_of_the_installation(signed_in: Canned) -> None:
    assert ask(signed_in.url) == ("username=highroad\npassword=hr_secret\n", "")


def test_other_paths_of_the_host_get_nothing(signed_in: Canned) -> None:
    assert ask(signed_in.url, path="somewhere/else.git") == ("", "")
    assert ask(signed_in.url, path="") == ("", "")


def test_an_unknown_host_gets_no_token_and_git_is_told_to_stop(signed_in: Canned) -> None:
    out, err = ask("http://elsewhere.example")
    assert out == "quit=1\n"
    assert "highroad login http://elsewhere.example" in err


def test_the_token_of_the_environment_goes_to_its_own_installation(
    signed_in: Canned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIGHROAD_TOKEN", "hr_env")
    assert "hr_secret" in ask(signed_in.url)[0]
    monkeypatch.setenv("HIGHROAD_URL", signed_in.url)
    assert "hr_env" in ask(signed_in.url)[0]
    assert "hr_env" not in ask("http://elsewhere.example")[0]


def test_a_refused_token_is_kept_and_the_person_told(signed_in: Canned) -> None:
    out, err = ask(signed_in.url, action="erase", extra="password=hr_secret\n")
    assert (out, "Sign in again" in err) == ("", True)
    assert "hr_secret" not in err
    assert "hr_secret" in ask(signed_in.url)[0]


def test_git_itself_asks_the_helper_and_does_not_prompt(signed_in: Canned, home: Path) -> None:
    import sys

    helper = f"!{sys.executable} -m highroad.cli.main git-credential"
    settings = ("-c", "credential.helper=", "-c", f"credential.helper={helper}", "-c", "credential.useHttpPath=true")
    host = signed_in.url.partition("://")[2]
    asked = f"protocol=http\nhost={host}\npath=git/shop/web.git\n\n"
    done = subprocess.run(
        ["git", *settings, "credential", "fill"], input=asked, capture_output=True, text=True, check=True, cwd=home
    )
    assert "password=hr_secret" in done.stdout
