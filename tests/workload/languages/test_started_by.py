"""The program that a command starts names its language."""

from __future__ import annotations

import pytest

from highroad.workload.languages.started_by import language_of


@pytest.mark.parametrize(
    ("command", "language"),
    [
        ("python -m shop.web", "python"),
        ("MODE=a exec /usr/bin/python3.12 main.py", "python"),
        ("cd api && gunicorn app:app", "python"),
        ("npm start", "node"),
        ("env A=1 node server.js", "node"),
        ("./server --port $PORT", None),
        ("echo python", None),
        ("", None),
    ],
)
def test_the_first_known_program_of_a_command_names_the_language(command: str, language: str | None) -> None:
    assert language_of(command) == language
