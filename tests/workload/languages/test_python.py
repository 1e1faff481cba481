"""Python projects: dependencies, start command and tests are derived from files that are read and never run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from highroad.workload.detect import NoStartCommand
from highroad.workload.model import Workload

Detect = Callable[..., Workload]
FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FACTORY = "from flask import Flask\ndef create_app():\n    app = Flask(__name__)\n    return app\n"


def command(workload: Workload) -> str:
    (process,) = workload.processes
    return process.command


@pytest.mark.parametrize(
    ("requirements", "files", "expected"),
    [
        ("fastapi\nuvicorn", {"main.py": FASTAPI}, "uvicorn main:app --host 127.0.0.1 --port $PORT"),
        ("fastapi[standard]==0.1", {"app.py": FASTAPI}, "uvicorn app:app --host 127.0.0.1 --port $PORT"),
        ("fastapi\nhypercorn", {"main.py": FASTAPI}, "hypercorn main:app --bind 127.0.0.1:$PORT"),
        ("fastapi\nuvicorn", {"shop/main.py": FASTAPI}, "uvicorn shop.main:app --host 127.0.0.1 --port $PORT"),
        ("fastapi\nuvicorn", {"shop/__init__.py": FASTAPI}, "uvicorn shop:app --host 127.0.0.1 --port $PORT"),
        ("fastapi\nuvicorn", {"src/main.py": FASTAPI}, "uvicorn main:app --app-dir src --host 127.0.0.1 --port $PORT"),
        ("flask\ngunicorn", {"app.py": FLASK}, "gunicorn --bind 127.0.0.1:$PORT app:app"),
        ("Flask\nwaitress", {"app.py": FLASK}, "waitress-serve --host=127.0.0.1 --port=$PORT app:app"),
        ("flask\ngunicorn", {"app.py": FACTORY}, "gunicorn --bind 127.0.0.1:$PORT 'app:create_app()'"),
        ("flask", {"app.py": FLASK}, "flask --app app:app run --host 127.0.0.1 --port $PORT"),
        ("", {"main.py": "import os\nprint(os.environ['PORT'])\n"}, "python main.py"),
        ("", {"main.py": "from http.server import HTTPServer\n"}, "python main.py"),
        ("streamlit", {"app.py": "import streamlit\n"}, "streamlit run app.py --server.address 127.0.0.1"),
        (
            "gunicorn",
            {"wsgi.py": "def application(environ, start_response): pass"},
            "gunicorn --bind 127.0.0.1:$PORT wsgi:application",
        ),
        (
            "uvicorn",
            {"asgi.py": "async def app(scope, receive, send): pass"},
            "uvicorn asgi:app --host 127.0.0.1 --port $PORT",
        ),
    ],
)
def test_the_start_command_follows_the_application(
    detected: Detect, requirements: str, files: dict[str, str], expected: str
) -> None:
    workload = detected({"requirements.txt": requirements, **files})
    assert command(workload).startswith(expected)
    assert workload.http is not None


DJANGO = {"manage.py": "DJANGO_SETTINGS_MODULE", "shop/wsgi.py": "", "shop/asgi.py": ""}


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ("django\ngunicorn", "gunicorn --bind 127.0.0.1:$PORT shop.wsgi:application"),
        ("django\nuvicorn", "uvicorn shop.asgi:application --host 127.0.0.1 --port $PORT"),
        ("django", "python manage.py runserver 127.0.0.1:$PORT --noreload"),
    ],
)
def test_django_is_served_by_what_is_there(detected: Detect, requirements: str, expected: str) -> None:
    assert command(detected({"requirements.txt": requirements, **DJANGO})) == expected


def test_a_script_that_does_not_listen_is_a_worker(detected: Detect) -> None:
    workload = detected({"main.py": "print('hi')\n"})
    assert (workload.processes[0].name, workload.http) == ("worker", None)


def test_an_application_that_nothing_can_serve_says_what_to_add(detected: Detect) -> None:
    with pytest.raises(NoStartCommand, match=r"main\.py holds a FastAPI application") as caught:
        detected({"requirements.txt": "fastapi", "main.py": FASTAPI})
    assert caught.value.next_step.startswith("Add uvicorn to requirements.txt")


def test_dependencies_without_an_application_say_what_to_add(detected: Detect) -> None:
    with pytest.raises(NoStartCommand, match="cannot tell how this Python project starts") as caught:
        detected({"requirements.txt": "requests"})
    assert "Procfile" in caught.value.next_step


def test_a_file_that_python_cannot_parse_is_still_started(detected: Detect) -> None:
    assert command(detected({"app.py": "def broken(:\n  PORT"})) == "python app.py"


@pytest.mark.parametrize(
    ("files", "manager", "lock"),
    [
        ({"uv.lock": 'name = "uvicorn"\n', "pyproject.toml": '[project]\nname="x"\n'}, "uv", "uv.lock"),
        ({"requirements.txt": "x", "pyproject.toml": '[project]\nname="x"\n'}, "pip", "requirements.txt"),
        ({"Pipfile": "", "Pipfile.lock": "{}"}, "pipenv", "Pipfile.lock"),
        ({"Pipfile": "[packages]\n"}, "pipenv", "Pipfile"),
        ({"pyproject.toml": '[project]\nname="x"\n'}, "pyproject", "pyproject.toml"),
        ({"pyproject.toml": "[tool.ruff]\n"}, "none", None),
        ({}, "none", None),
    ],
)
def test_the_manager_follows_the_lock_file(
    detected: Detect, files: dict[str, str], manager: str, lock: str | None
) -> None:
    build = detected({"main.py": "", **files}).build
    assert (build.language, build.manager, build.lock_file) == ("python", manager, lock)


def test_what_comes_along_in_a_lock_can_serve(detected: Detect) -> None:
    files = {
        "main.py": FASTAPI,
        "pyproject.toml": '[project]\nname="x"\ndependencies=["fastapi"]\n',
        "uv.lock": '[[package]]\nname = "uvicorn"\n',
    }
    assert command(detected(files)).startswith("uvicorn main:app")


def test_included_requirements_count_and_comments_do_not(detected: Detect) -> None:
    files = {
        "app.py": FLASK,
        "requirements.txt": "# waitress\n-r base.txt\n-r requirements.txt\n",
        "base.txt": "gunicorn",
    }
    assert command(detected(files)).startswith("gunicorn")


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({".python-version": "3.12\n"}, "3.12"),
        ({"runtime.txt": "python-3.11.4"}, "3.11.4"),
        ({"pyproject.toml": '[project]\nname="x"\nrequires-python=">=3.11"\n'}, ">=3.11"),
        ({"Pipfile": '[requires]\npython_version = "3.10"\n'}, "3.10"),
        ({".python-version": "pypy3.9; rm -rf /"}, None),
    ],
)
def test_the_version_is_what_the_source_asks(detected: Detect, files: dict[str, str], version: str | None) -> None:
    assert detected({"main.py": "", **files}).build.version == version


PYTEST = 'python -m pytest --junitxml="$HIGHROAD_JUNIT"'


@pytest.mark.parametrize(
    ("files", "needs"),
    [
        ({"requirements.txt": "pytest"}, ()),
        ({"requirements-dev.txt": "-r requirements.txt\npytest==8\n"}, ("-r requirements-dev.txt",)),
        ({"pyproject.toml": '[dependency-groups]\ndev=["pytest>=8"]\n'}, ("--group dev",)),
        (
            {"pyproject.toml": '[project]\nname="x"\n[project.optional-dependencies]\ntest=["pytest"]\n'},
            ("--extra test",),
        ),
        ({"Pipfile": '[dev-packages]\npytest = "*"\n'}, ("--group dev-packages",)),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, ("pytest",)),
        ({"pytest.ini": ""}, ("pytest",)),
    ],
)
def test_pytest_is_found_where_it_is_declared(detected: Detect, files: dict[str, str], needs: tuple[str, ...]) -> None:
    test = detected({"main.py": "", "tests/test_x.py": "", **files}).test
    assert test is not None
    assert (test.command, test.junit, test.needs) == (PYTEST, "$HIGHROAD_JUNIT", needs)


def test_tests_without_pytest_are_not_run_and_it_is_said(detected: Detect) -> None:
    workload = detected({"main.py": "", "test_x.py": ""})
    assert workload.test is None
    assert any("pytest is not among the dependencies" in reason.because for reason in workload.reasons)


def test_pytest_without_tests_is_not_run(detected: Detect) -> None:
    assert detected({"main.py": "", "requirements.txt": "pytest"}).test is None


def test_reading_never_runs_the_source(detected: Detect) -> None:
    workload = detected({"requirements.txt": "flask", "app.py": "raise SystemExit(1)\n" + FLASK, "setup.py": "1/0"})
    assert workload.http is not None


def test_python_files_beside_a_package_json_do_not_make_it_python(detected: Detect) -> None:
    files = {"package.json": '{"scripts": {"start": "x"}}', "app.py": FLASK}
    assert detected(files).build.language == "node"


def test_a_procfile_beside_any_python_file_is_python(detected: Detect) -> None:
    assert detected({"Procfile": "worker: python jobs.py", "jobs.py": ""}).build.language == "python"
