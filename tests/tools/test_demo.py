"""The demo deploys an example by a real push, says where it is, and does not do it twice."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools import demo

ENVIRON = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An example of one file, in place of the one in the checkout."""
    directory = tmp_path / "example"
    directory.mkdir()
    (directory / "app.py").write_text("print('hello')\n")
    monkeypatch.setattr(demo, "EXAMPLE", directory)
    return directory


@pytest.fixture
def repository(example: Path, tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    assert demo.prepare(place, ENVIRON)
    return place


def _remote(repository: Path, hook: str) -> None:
    """A remote `highroad` whose post-receive hook answers as Highroad's Git server does, with `remote:` lines."""
    bare = repository.parent / "remote.git"
    for command in (
        ["init", "--quiet", "--bare", str(bare)],
        ["-C", str(repository), "remote", "add", "highroad", str(bare)],
    ):
        subprocess.run(["git", *command], check=True, env=ENVIRON)
    file = bare / "hooks" / "post-receive"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{hook}\n")
    file.chmod(0o755)


def test_an_unchanged_example_makes_no_second_commit(repository: Path) -> None:
    assert not demo.prepare(repository, ENVIRON)


def test_a_changed_example_makes_a_commit(repository: Path, example: Path) -> None:
    (example / "app.py").unlink()
    (example / "main.py").write_text("print('hello again')\n")
    assert demo.prepare(repository, ENVIRON)
    assert sorted(file.name for file in repository.iterdir()) == [".git", "main.py"]


def test_the_push_is_shown_and_gives_the_live_address(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _remote(repository, "echo 'Building'; echo 'Live: http://web.production.shop.localhost:8080/'")
    assert demo.push(repository, ENVIRON) == "http://web.production.shop.localhost:8080/"
    assert "remote: Building" in capsys.readouterr().out


def test_a_push_without_a_live_address_is_a_failure(repository: Path) -> None:
    _remote(repository, "echo 'Tests failed: 1 of 3'")
    with pytest.raises(demo.Failed, match="not deployed"):
        demo.push(repository, ENVIRON)


def test_an_unchanged_example_that_is_live_is_not_pushed_again(example: Path, tmp_path: Path) -> None:
    assert demo.prepare(tmp_path / "python-web", ENVIRON)
    (tmp_path / "live-url").write_text("http://live.example/\n")
    installation = demo.Installation(url="http://localhost:1", sign_in="http://localhost:1/x")
    assert demo.deploy(installation, tmp_path, {"PATH": "/usr/bin:/bin"}) == "http://live.example/"


def test_a_failed_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(demo.Failed, match="`git rev-parse --verify nothing` failed"):
        demo.call(["git", "rev-parse", "--verify", "nothing"], tmp_path, ENVIRON)


def test_the_closing_words_can_be_pasted(tmp_path: Path) -> None:
    installation = demo.Installation(url="http://localhost:9000", sign_in="http://localhost:9000/sign-in/abc")
    said = demo.closing(installation, "http://live.example/", tmp_path)
    for part in ("http://localhost:9000/sign-in/abc", "http://live.example/", f'HIGHROAD_DATA="{tmp_path}"'):
        assert part in said
