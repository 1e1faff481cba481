"""What was detected is told in lines that no source can break out of."""

from __future__ import annotations

from collections.abc import Callable

from highroad.workload.describe import describe, explain
from highroad.workload.model import Process, Workload

Detect = Callable[..., Workload]


def test_a_web_application_is_told_in_a_few_lines(detected: Detect) -> None:
    files = {
        "requirements.txt": "flask\ngunicorn\npytest",
        "app.py": "import flask\napp = flask.Flask(__name__)",
        "test_app.py": "",
        "highroad.yaml": "health: /up\nrelease: ./migrate\nlimits: {memory: 512Mi, cpu: 0.5}\n",
    }
    assert describe(detected(files)) == [
        "build    python, dependencies by pip from requirements.txt",
        'test     python -m pytest --junitxml="$HIGHROAD_JUNIT"',
        "release  ./migrate",
        "run      web: gunicorn --bind 127.0.0.1:$PORT app:app  (healthy by GET /up; memory 512Mi; 0.5 cores)",
    ]


def test_schedules_counts_and_sites_are_told(detected: Detect) -> None:
    config = "processes: {n: {command: a, schedule: '0 3 * * *'}, w: {command: b, count: 3}}"
    lines = describe(detected({"index.html": "", "highroad.yaml": config}))
    assert lines[1:] == ["serve    .", "run      n: a  (at 0 3 * * * UTC)", "run      w: b  (3 instances)"]


def test_reasons_stand_beside_what_they_explain(detected: Detect) -> None:
    assert explain(detected({"index.html": ""})) == ["static site in the source  <- index.html"]


def test_a_command_cannot_write_to_the_terminal() -> None:
    lines = describe(Workload(processes=(Process("web", "a\nrun      evil: \x1b[31mb"),)))
    assert lines[1] == "run      web: a run      evil:  [31mb"


def test_warnings_are_told_in_the_end(detected: Detect) -> None:
    lines = describe(detected({"app.py": "import flask\napp = flask.Flask(__name__)", "test_app.py": ""}))
    assert [line.startswith("Warning: ") for line in lines[-2:]] == [True, True]
