from __future__ import annotations

from pathlib import Path

import pytest

from highroad.builds.failures import BadManifest
from highroad.builds.python_wanted import Wanted, read_project, what_to_install, with_needs
from highroad.builds.trees import Source
from highroad.workload.model import Build, Test
from tests.builds.yard import PIP, write

PROJECT = {
    "project": {"dependencies": ["tiny"], "optional-dependencies": {"test": ["checker"]}},
    "dependency-groups": {"dev": ["pytest", {"include-group": "lint"}], "lint": ["ruff"]},
}


def needs(*wanted: str, manager: tuple[str, ...] = ("pip", "install")) -> Wanted | None:
    base = Wanted("x", arguments=manager)
    return with_needs(base, Test("run", needs=wanted), Source(Path("/nonexistent")), PROJECT, ("tiny==1.0",))


@pytest.mark.parametrize(
    ("line", "local"),
    [
        ("flask==3.1", False),
        ("./libs/mine", True),
        ("-e .", True),
        (".[dev]", True),
        ("mine @ file:libs/mine", True),
        ("-e git+https://example.com/x#egg=x", True),
        ("x @ https://example.com/x.whl", False),
    ],
)
def test_requirements_that_lead_into_the_repository_are_recognised(tmp_path: Path, line: str, local: bool) -> None:
    write(tmp_path, {"requirements.txt": f"{line}\n"})
    assert what_to_install(Source(tmp_path), PIP, {}).local is local


def test_requirement_files_that_include_each_other_end(tmp_path: Path) -> None:
    write(tmp_path, {"requirements.txt": "-r b.txt\n", "b.txt": "-r requirements.txt\n-c c.txt", "c.txt": "a==1\n"})
    assert len(what_to_install(Source(tmp_path), PIP, {}).parts) == 6


def test_groups_and_extras_become_requirements() -> None:
    wanted = needs("--group dev", "--extra test", "more>=1")
    assert wanted is not None
    assert wanted.written["needs.txt"] == "pytest\nruff\nchecker\nmore>=1\n"
    assert wanted.written["constraints.txt"] == "tiny==1.0\n"


def test_a_locked_project_takes_groups_from_its_lock() -> None:
    wanted = needs("--group dev", manager=("sync", "--frozen", "--no-dev"))
    assert wanted is not None
    assert wanted.arguments == ("sync", "--frozen", "--group", "dev")
    assert wanted.more == ()


def test_without_needs_the_services_own_environment_does() -> None:
    assert needs() is None


@pytest.mark.parametrize(
    ("build", "name", "text"),
    [
        (Build(manager="pipenv"), "Pipfile.lock", "{}"),
        (Build(manager="pipenv"), "Pipfile.lock", "["),
        (Build(manager="uv"), "other", ""),
    ],
)
def test_a_lock_file_that_cannot_be_read_is_named(tmp_path: Path, build: Build, name: str, text: str) -> None:
    write(tmp_path, {name: text})
    with pytest.raises(BadManifest) as caught:
        what_to_install(Source(tmp_path), build, {})
    assert caught.value.next_step


def test_a_broken_pyproject_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "[project"})
    with pytest.raises(BadManifest, match=r"pyproject\.toml cannot be read"):
        read_project(Source(tmp_path))
