"""A person at a terminal-less shell: a home of their own, a canned installation, and a repository when wanted."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from highroad.cli.main import main
from highroad.client.credentials import Credentials, Installation
from tests.client.canned import Canned, serving

SERVICE = ("-p", "shop", "-s", "web")
SERVICE_PATH = "/projects/shop/services/web"
PLACEMENT_PATH = f"{SERVICE_PATH}/environments/production"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout; fails when there is anything else."""
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        """The one JSON document on stderr."""
        return json.loads(self.err)

    @property
    def records(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Highroad = Callable[..., Ran]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the real user's configuration is read or written."""
    made = tmp_path / "home"
    made.mkdir()
    for name in [each for each in os.environ if each.startswith(("HIGHROAD_", "GIT_", "XDG_", "_HIGHROAD"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(made))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(made / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(made / "state"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("HIGHROAD_DATA", str(made / "data"))
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def canned() -> Iterator[Canned]:
    with serving() as server:
        yield server


@pytest.fixture
def signed_in(canned: Canned, home: Path) -> Canned:
    """An installation at which the person is signed in."""
    Credentials.of(os.environ).keep(Installation(canned.url, "hr_secret", email="ada@example.com", token_id="tok_1"))
    return canned


@pytest.fixture
def highroad(capsys: pytest.CaptureFixture[str]) -> Highroad:
    """Run one command line in this process."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


def git(*arguments: str, directory: Path) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    done = subprocess.run(["git", *identity, *arguments], cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def repository(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed repository with a static site, which is the working directory."""
    made = home / "My Shop"
    made.mkdir()
    git("init", "-q", "-b", "main", directory=made)
    (made / "index.html").write_text("<h1>Shop</h1>")
    git("add", "-A", directory=made)
    git("commit", "-q", "-m", "First commit", directory=made)
    monkeypatch.chdir(made)
    return made
