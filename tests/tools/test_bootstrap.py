"""A machine on which Highroad cannot be set up is told what is missing and how to get it."""

from __future__ import annotations

import sys

from tests.tools.clone import Clone


def _answers(version: str, *, refused: str = "-", code: int = 0) -> str:
    """A stand-in for a Python: tells its version, and ends with `code` when asked for what `refused` is part of."""
    return f"""
case "$2" in
*platform*) echo {version} ;;
*{refused}*) exit {code} ;;
esac
"""


def _refusal(clone: Clone) -> str:
    ended = clone.run("tools/bootstrap", "run")
    assert ended.returncode == 1, ended.stdout
    assert not (clone.directory / ".venv").exists()
    return ended.stdout


def test_without_git_it_says_so(clone: Clone) -> None:
    clone.link("python3", sys.executable)
    said = _refusal(clone)
    assert "git is missing" in said
    assert "apt-get install git" in said


def test_without_python_it_says_so(clone: Clone) -> None:
    clone.link("git")
    said = _refusal(clone)
    assert "needs Python 3.11" in said
    assert "no Python was found" in said


def test_an_old_python_is_named_with_its_version(clone: Clone) -> None:
    clone.link("git")
    clone.program("python3", _answers("3.9.2", refused="sqlite3", code=3))
    assert "python3 is 3.9.2;" in _refusal(clone)


def test_a_new_python_with_an_old_sqlite_is_refused(clone: Clone) -> None:
    clone.link("git")
    clone.program("python3", _answers("3.13.0", refused="sqlite3", code=4))
    assert "python3 is 3.13.0 with an SQLite older than 3.42" in _refusal(clone)


def test_a_python_without_venv_names_the_package(clone: Clone) -> None:
    clone.link("git")
    clone.program("python3", _answers("3.11.2", refused="ensurepip", code=1))
    said = _refusal(clone)
    assert "python3 has no venv or ensurepip module" in said
    assert "apt-get install python3-venv" in said


def test_another_python_is_taken_when_python3_is_too_old(clone: Clone) -> None:
    clone.link("git")
    clone.program("python3", _answers("3.9.2", refused="sqlite3", code=3))
    clone.program("python3.12", _answers("3.12.9", refused="ensurepip", code=1))
    assert "python3.12 has no venv" in _refusal(clone)


def test_python_can_be_named(clone: Clone) -> None:
    clone.link("git")
    clone.program("mine", _answers("3.10.0", refused="sqlite3", code=3))
    ended = clone.run("/usr/bin/env", "PYTHON=mine", "tools/bootstrap", "run")
    assert "mine is 3.10.0;" in ended.stdout


def test_a_failed_installation_leaves_no_stamp(clone: Clone) -> None:
    clone.link("git")
    clone.link("python3", sys.executable)
    (clone.directory / "requirements" / "uv.txt").write_text("no-such-thing==1 --hash=sha256:00\n")
    ended = clone.run("/usr/bin/env", "PIP_NO_INDEX=1", "tools/bootstrap", "dev")
    assert ended.returncode == 1
    assert "pip could not install uv" in ended.stdout
    assert not list((clone.directory / ".venv").glob(".[rd]*"))
