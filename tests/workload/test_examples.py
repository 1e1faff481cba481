"""Every example is detected as its README says, really starts with the command that was found, and passes its tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import uv

from highroad.workload.codec import dump, load
from highroad.workload.detect import detect
from highroad.workload.model import Process, Workload
from highroad.workload.source import Source

EXAMPLES = Path(__file__).parents[2] / "examples"
TOOLS = {"node": "20.0.0", "npm": "10.0.0"}
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not on this machine")


def workload_of(name: str) -> Workload:
    return detect(Source.at(EXAMPLES / name), TOOLS)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with what the Python examples ask for, installed by the installer that the builder uses."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    program = uv.find_uv_bin()
    subprocess.run([program, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    files = [EXAMPLES / "python-web" / each for each in ("requirements.txt", "requirements-dev.txt")]
    files.append(EXAMPLES / "score-web" / "requirements.txt")
    wanted = [argument for file in files for argument in ("-r", str(file))]
    python = str(environment / "bin" / "python")
    subprocess.run([program, "pip", "install", "--quiet", "--python", python, *wanted], check=True)
    return environment / "bin"


def environment_of(bin_directory: Path | None, **more: str) -> dict[str, str]:
    first = bin_directory or Path(sys.executable).parent
    return {"PATH": f"{first}:{os.environ['PATH']}", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1", **more}


@contextmanager
def started(name: str, process: Process, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The process as a driver starts it: by a shell, in the directory of the source; its group ends afterwards."""
    running = subprocess.Popen(
        ["/bin/sh", "-c", process.command],
        cwd=EXAMPLES / name,
        env={**environment, **process.variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGTERM)
        running.communicate(timeout=10)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def get(port: int, path: str, running: subprocess.Popen[str]) -> str:
    """The page at `path` as soon as the application answers."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and running.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                body: str = answer.read().decode()
                return body
        except OSError:
            time.sleep(0.01)
    pytest.fail(f"{path} was not answered; exit code {running.poll()}")


def serves(name: str, bin_directory: Path | None) -> str:
    """Start the listening process, ask its health path and return its front page."""
    process = workload_of(name).http
    assert process is not None
    port = free_port()
    with started(name, process, environment_of(bin_directory, PORT=str(port))) as running:
        assert process.health.path == "/healthz"
        assert get(port, "/healthz", running) == "ok\n"
        return get(port, "/", running)


def test_the_python_application_serves(installed: Path) -> None:
    assert "<h1>Hello from Highroad</h1>" in serves("python-web", installed)


def test_the_score_application_serves_with_its_variables(installed: Path) -> None:
    assert "<h1>Hello from score-web</h1>" in serves("score-web", installed)


@needs_node
def test_the_node_application_serves() -> None:
    assert "<h1>Hello from Highroad</h1>" in serves("node-web", None)


def run_tests(name: str, directory: Path, environment: Mapping[str, str]) -> str:
    """The JUnit XML that the example's own tests leave."""
    test = workload_of(name).test
    assert test is not None
    assert test.junit == "$HIGHROAD_JUNIT"
    copy = shutil.copytree(EXAMPLES / name, directory / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    report = directory / "junit.xml"
    full = {**environment, "HIGHROAD_JUNIT": str(report), "HOME": str(directory)}
    done = subprocess.run(
        ["/bin/sh", "-c", test.command], cwd=copy, env=full, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return report.read_text()


def test_the_python_tests_pass_and_report(installed: Path, tmp_path: Path) -> None:
    assert 'tests="3"' in run_tests("python-web", tmp_path, environment_of(installed))


@needs_node
def test_the_node_tests_pass_and_report(tmp_path: Path) -> None:
    assert run_tests("node-web", tmp_path, environment_of(None)).count("<testcase") == 3


def test_the_worker_starts_and_stops_when_asked() -> None:
    worker = next(each for each in workload_of("worker-cron").processes if each.name == "worker")
    with started("worker-cron", worker, environment_of(None)) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "worker started\n"
        os.killpg(running.pid, signal.SIGTERM)
        assert running.stdout.readline() == "worker stopped\n"


def test_the_report_runs_on_its_schedule_and_ends() -> None:
    workload = workload_of("worker-cron")
    nightly = next(each for each in workload.processes if each.name == "nightly")
    assert (nightly.schedule, workload.http) == ("0 3 * * *", None)
    with started("worker-cron", nightly, environment_of(None)) as running:
        assert running.wait(timeout=20) == 0


def test_the_static_site_is_served_without_a_process() -> None:
    workload = workload_of("static-site")
    assert (workload.static, workload.processes) == (True, ())


@pytest.mark.parametrize("name", sorted(each.name for each in EXAMPLES.iterdir() if each.is_dir()))
def test_every_example_has_a_readme_and_can_be_stored(name: str) -> None:
    assert (EXAMPLES / name / "README.md").read_text().startswith(f"# {name}\n")
    assert load(dump(workload_of(name))) == workload_of(name)
