"""Recognises a Python project: where its dependencies are declared, how it is started, how it is tested."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from highroad.workload.languages import python_app, python_project
from highroad.workload.languages.found import Found, read_toml, table, web, worker
from highroad.workload.languages.python_app import App, Script
from highroad.workload.languages.python_project import PythonProject
from highroad.workload.model import Build, Process, Reason, Test
from highroad.workload.source import Source
from highroad.workload.testing import JUNIT, PYTEST

_MARKERS = ("uv.lock", "requirements.txt", "Pipfile.lock", "Pipfile", "manage.py")
LOOKED_FOR = ("requirements.txt", "pyproject.toml", "uv.lock", "Pipfile", "main.py", "app.py")
_LOCAL = "127.0.0.1"
_TEST_DIRECTORIES = ("tests", "test")


def recognise(source: Source, toolchains: Mapping[str, str]) -> Found | None:  # noqa: ARG001  # Python is always there
    """Raises `BadProjectFile` and the errors of `Source`."""
    project = python_project.read(source)
    because = source.first(*_MARKERS) or project.file
    if because is None and not source.has("package.json"):  # a Node project may well hold an app.py for something else
        because = source.first(*python_app.FILES)
    return _found(source, project, because) if because else None


def recognise_files(source: Source, toolchains: Mapping[str, str]) -> Found | None:  # noqa: ARG001  # as above
    """Python for want of anything else: some file of the directory is Python. A Procfile says how it starts."""
    because = next((name for name in source.names() if name.endswith(".py")), None)
    return _found(source, python_project.read(source), because) if because else None


def recognise_started(source: Source, because: str) -> Found:
    """Python because a command says so, whatever files there are."""
    return _found(source, python_project.read(source), because)


def _found(source: Source, project: PythonProject, because: str) -> Found:
    processes, started, lacking, advice = _start(source, project)
    test, tested, untested = _tests(source, project)
    reasons = [Reason("Python", because)]
    if project.file is not None:
        reasons.append(Reason(f"dependencies by {project.manager}", project.file))
    if project.asked_version is not None:
        reasons.append(Reason(f"Python version {project.asked_version}", project.version_from))
    return Found(
        build=Build(language="python", version=project.asked_version, manager=project.manager, lock_file=project.file),
        processes=processes,
        test=test,
        reasons=(*reasons, *started, *tested),
        lacking=lacking,
        advice=advice,
        untested=untested,
        warnings=_undeclared(source, project),
    )


def _undeclared(source: Source, project: PythonProject) -> tuple[str, ...]:
    """An application without any file that declares what it imports will end with "command not found"."""
    app = python_app.find_app(source) if project.manager == "none" else None
    if app is None or app.framework in ("ASGI", "WSGI"):
        return ()
    return (f"{app.file} uses {app.framework}, but there is no requirements.txt that installs it.",)


Start = tuple[tuple[Process, ...], list[Reason], str, str]


def _start(source: Source, project: PythonProject) -> Start:
    """Processes, reasons; or what is lacking and what to do about it."""
    if source.has("manage.py") and (django := _django(source, project)):
        return django
    app = python_app.find_app(source)
    if app is not None:
        return _serve(app, project)
    script = python_app.find_script(source)
    if script is not None:
        return _script(script, project)
    names = ", ".join(python_app.FILES[:5])
    advice = "Add a Procfile with a line such as 'web: python server.py', or name the file main.py or app.py."
    return (), [], f"none of {names} is there, so Highroad cannot tell how this Python project starts", advice


def _serve(app: App, project: PythonProject) -> Start:
    found = Reason(f"{app.framework} application `{app.target}`", app.file)
    servers = _asgi_servers(app) if app.gateway == "asgi" else _wsgi_servers(app)
    for package, command in servers.items():
        if package in project.runtime:
            served = Reason(f"web: `{command}`", f"{package} is among the dependencies")
            return web(command), [found, served], "", ""
    if app.framework == "Flask":
        module = f"{app.target}()" if app.factory else app.target
        command = f"flask --app {shlex.quote(_inside(app, module))} run --host {_LOCAL} --port $PORT"
        because = "no WSGI server is among the dependencies; add gunicorn for production"
        return web(command), [found, Reason(f"web: `{command}`, Flask's development server", because)], "", ""
    server = "uvicorn" if app.gateway == "asgi" else "gunicorn"
    where = project.file or "requirements.txt"
    lacking = f"{app.file} holds a {app.framework} application, but nothing among the dependencies can serve it"
    return (), [found], lacking, f"Add {server} to {where}, or add a Procfile with a line 'web: ...'."


def _inside(app: App, module: str) -> str:
    return f"{app.directory}/{module}" if app.directory else module


def _asgi_servers(app: App) -> dict[str, str]:
    folder = f" --app-dir {app.directory}" if app.directory else ""
    factory = " --factory" if app.factory else ""
    chdir = f"--chdir {app.directory} " if app.directory else ""
    target = f"'{app.target}()'" if app.factory else app.target
    return {
        "uvicorn": f"uvicorn {app.target}{factory}{folder} --host {_LOCAL} --port $PORT",
        "hypercorn": f"{_at(app)}hypercorn {target} --bind {_LOCAL}:$PORT",
        "granian": f"{_at(app)}granian --interface asgi{factory} --host {_LOCAL} --port $PORT {app.target}",
        "uvicorn-worker": f"gunicorn {chdir}-k uvicorn_worker.UvicornWorker --bind {_LOCAL}:$PORT {target}",
    }


def _wsgi_servers(app: App) -> dict[str, str]:
    chdir = f"--chdir {app.directory} " if app.directory else ""
    target = f"'{app.target}()'" if app.factory else app.target
    call = "--call " if app.factory else ""
    return {
        "gunicorn": f"gunicorn {chdir}--bind {_LOCAL}:$PORT {target}",
        "waitress": f"{_at(app)}waitress-serve --host={_LOCAL} --port=$PORT {call}{app.target}",
        "granian": f"{_at(app)}granian --interface wsgi --host {_LOCAL} --port $PORT {app.target}",
    }


def _at(app: App) -> str:
    return f"cd {app.directory} && exec " if app.directory else ""


def _django(source: Source, project: PythonProject) -> Start | None:
    if "django" not in project.any and "DJANGO_SETTINGS_MODULE" not in (source.read("manage.py") or ""):
        return None
    packages = [name for name in source.names() if name.isidentifier()]
    settings = next((name for name in packages if source.first(f"{name}/wsgi.py", f"{name}/asgi.py")), None)
    found = Reason("Django project" + (f" `{settings}`" if settings else ""), "manage.py")
    if settings is not None:
        for gateway, servers in (("wsgi", ("gunicorn", "waitress")), ("asgi", ("uvicorn", "hypercorn", "granian"))):
            file = f"{settings}/{gateway}.py"
            app = App(
                file, "", f"{settings}.{gateway}", "application", "asgi" if gateway == "asgi" else "wsgi", "Django"
            )
            commands = _asgi_servers(app) if gateway == "asgi" else _wsgi_servers(app)
            server = next((name for name in servers if name in project.runtime and source.has(file)), None)
            if server is not None:
                command = commands[server]
                return web(command), [found, Reason(f"web: `{command}`", f"{server} is among the dependencies")], "", ""
    command = f"python manage.py runserver {_LOCAL}:$PORT --noreload"
    because = "no server is among the dependencies; add gunicorn for production"
    return web(command), [found, Reason(f"web: `{command}`, Django's development server", because)], "", ""


def _script(script: Script, project: PythonProject) -> Start:
    if script.streamlit and "streamlit" in project.runtime:
        command = f"streamlit run {script.file} --server.address {_LOCAL} --server.port $PORT --server.headless true"
        return web(command), [Reason(f"web: `{command}`", f"{script.file} imports streamlit")], "", ""
    command = f"python {script.file}"
    if script.listens:
        return web(command), [Reason(f"web: `{command}`", f"{script.file} reads PORT or imports a server")], "", ""
    because = f"{script.file} neither reads PORT nor imports a web framework"
    return worker(command), [Reason(f"worker: `{command}`", because)], "", ""


def _tests(source: Source, project: PythonProject) -> tuple[Test | None, list[Reason], str]:
    """The tests and why; or why there are none although their files are there."""
    where = _test_files(source)
    if where is None:
        return None, [], ""
    configured = "pytest" in table(read_toml(source, "pyproject.toml").get("tool")) or source.has("pytest.ini")
    if "pytest" in project.runtime:
        needs: tuple[str, ...] = ()
        because = f"pytest is in {project.file}"
    elif "pytest" in project.development:
        needs = (project.development["pytest"],)
        because = f"pytest is in {needs[0].split(maxsplit=1)[1]}"
    elif configured:
        needs, because = ("pytest",), "pytest is configured"
    else:
        why = f"{where} is there, but pytest is not among the dependencies"
        return None, [Reason("no tests are run", why)], why
    return Test(command=PYTEST, junit=JUNIT, needs=needs), [Reason(f"tests in {where} by pytest", because)], ""


def _test_files(source: Source) -> str | None:
    """Where the tests are, for people: the directory, or the first file of the root."""
    for directory in _TEST_DIRECTORIES:
        if any(_is_test(name) or source.has_directory(f"{directory}/{name}") for name in source.names(directory)):
            return f"{directory}/"
    return next((name for name in source.names() if _is_test(name)), None)


def _is_test(name: str) -> bool:
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))
