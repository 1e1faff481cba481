"""Fixtures: a repository, a developer with a clone, and the gateway between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from highroad.sources.git import Git, install
from highroad.sources.repository import Repository
from tests.sources.developer import Developer, ScriptedGate, Served, serving


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return install(tmp_path / "git home")


@pytest.fixture
def repository(tmp_path: Path, git: Git) -> Repository:
    made = Repository(tmp_path / "repositories" / "svc_1.git", git)
    made.create()
    return made


@pytest.fixture
def developer(tmp_path: Path) -> Developer:
    home, clone = tmp_path / "ann", tmp_path / "ann" / "web"
    clone.mkdir(parents=True)
    ann = Developer(home, clone)
    ann.git("init", "--quiet", "--initial-branch=main")
    return ann


@pytest.fixture
def served(repository: Repository, developer: Developer) -> Iterator[Served]:
    with serving(ScriptedGate(repository)) as running:
        developer.git("remote", "add", "highroad", running.url())
        yield running
