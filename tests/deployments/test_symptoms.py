"""What last lines and commands tell of an instance that does not come up."""

from __future__ import annotations

import pytest

from highroad.deployments.symptoms import advice
from highroad.workload.model import Build, Process

PIP = Build(language="python", manager="pip", lock_file="requirements.txt")


def told(*lines: str, command: str = "python app.py", build: Build = PIP, http: bool = True) -> str:
    return advice(Process("web", command, http=http), build, lines) or ""


@pytest.mark.parametrize(
    ("line", "build", "next_step"),
    [
        ("sh: 1: flask: not found", PIP, "`flask` is not installed in the build: add it to requirements.txt"),
        ("/bin/sh: 1: exec: gunicorn: not found", Build(language="python"), "add it to requirements.txt"),
        ("bash: line 1: vite: command not found", Build(language="node"), "`vite` is not installed in the build"),
        ("sh: 1: x: not found", Build(language="python", lock_file="uv.lock"), "add it to pyproject.toml"),
        ("sh: 1: x: not found", Build(), "correct the command"),
        ("ModuleNotFoundError: No module named 'flask'", PIP, "The module flask is not in the build"),
        ("/x/bin/python: No module named gunicorn", PIP, "The module gunicorn is not in the build"),
        ("Error: Cannot find module 'express'", Build(language="node"), "add it to package.json"),
    ],
)
def test_what_the_build_lacks_is_named_with_where_it_belongs(line: str, build: Build, next_step: str) -> None:
    assert next_step in told("starting", line, "", build=build)


@pytest.mark.parametrize(
    ("line", "command", "port"),
    [
        ("Error: listen EADDRINUSE: address already in use :::5000", "node server.js", "5000"),
        ("OSError: [Errno 98] Address already in use", "python app.py", "a fixed port"),
        ("Port 5000 is in use by another program.", "python app.py", "5000"),
        ("bind on 0.0.0.0:8080: Permission denied", "./server", "8080"),
        ("", "gunicorn --bind 0.0.0.0:8000 app:app", "8000"),
        ("", "flask run --port 5000", "5000"),
        ("", "uvicorn app:app --port=5000", "5000"),
        ("", "python -m http.server 8000", "8000"),
    ],
)
def test_a_port_of_its_own_choice_is_told_from_the_one_it_is_given(line: str, command: str, port: str) -> None:
    assert f"Listen on $PORT, not on {port}:" in told(line, command=command)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("PermissionError: Permission denied: '/etc/x'", "python app.py"),
        ("KeyError: 5000", "python app.py"),
        ("", "gunicorn --bind 0.0.0.0:$PORT app:app"),
        ("", "./server --rate 5000"),
    ],
)
def test_other_troubles_get_no_advice(line: str, command: str) -> None:
    assert told(line, command=command) == ""


def test_a_process_that_does_not_listen_is_told_nothing_of_ports() -> None:
    assert told("connect 10.0.0.1:5000: address already in use", http=False) == ""
