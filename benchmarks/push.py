"""A one-line change of a small Python web application: from the start of `git push` to the answer of the new version.

The floor is what cannot be saved: a bare `git push` into a bare repository, then the same command from the same virtual
environment until it answers.
"""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.figures import Figure, summary
from benchmarks.installation import ROOT, Installation, ask, call, commit, free_port, installation, until

EXAMPLE = ROOT / "examples" / "python-web"
TESTS = ("test_app.py", "requirements-dev.txt")
TIMES = 10
TARGET = 1.0


@dataclass(frozen=True, slots=True)
class Pushed:
    """Seconds from the start of `git push` to the new version's answer, and of each step on the way."""

    seconds: float
    split: dict[str, float]


def measure() -> list[Figure]:
    with installation() as here:
        plain, floor = _pushes(here, "web", without=TESTS), _floor(here, "web")
        tested = _pushes(here, "tested", without=())
    return [
        _figure("push to answer", plain, floor, TARGET),
        _figure("push to answer, with its tests", tested, floor, None),
    ]


def _figure(name: str, pushes: list[Pushed], floor: float, target: float | None) -> Figure:
    seconds = [each.seconds for each in pushes]
    steps = {step: statistics.median(each.split.get(step, 0.0) for each in pushes) for step in pushes[-1].split}
    split = " · ".join(f"{step} {value * 1000:.0f}" for step, value in steps.items())
    return Figure(
        name=name,
        measured=statistics.median(seconds),
        unit="s",
        target=target,
        peer=floor,
        against="bare git push + start",
        split=f"{summary(seconds)}\nms: {split}",
    )


def _pushes(here: Installation, service: str, *, without: tuple[str, ...]) -> list[Pushed]:
    repository = here.repository(service, EXAMPLE, without=without)
    here.push(repository)  # installs the dependencies, and fills the caches of the operating system
    _push_change(here, repository, service, "warm")
    return [_push_change(here, repository, service, f"change {number}") for number in range(TIMES)]


def _push_change(here: Installation, repository: Path, service: str, marker: str) -> Pushed:
    change(repository, marker)
    commit(repository, here.environ)
    host, wanted = here.host(service), marker.encode()
    wall = time.time()
    answered = here.push_until(repository, lambda: wanted in ask(here.port, host))
    return Pushed(answered, _split(here, service, wall, answered))


def change(repository: Path, marker: str) -> None:
    """The one line."""
    app = repository / "app.py"
    app.write_text(
        re.sub(r'environ\.get\("GREETING", ".*?"\)', f'environ.get("GREETING", "{marker}")', app.read_text())
    )


def _split(here: Installation, service: str, wall: float, answered: float) -> dict[str, float]:
    """Where the time went: git until the change is recorded, tasks of the run, steps of the deployment, and what lies
    between them."""
    run = here.api("GET", f"/projects/bench/services/{service}/runs?page_size=1")["items"][0]
    deployment = here.api("GET", f"/deployments/{run['deployments'][0]}")
    split = {"git": _instant(run["created_at"]) - wall}
    split |= {task["name"]: task["seconds"] or 0.0 for task in run["tasks"]}
    ways = [step for step in deployment["steps"] if step["name"] in ("plan", "start", "health", "switch")]
    split |= {step["name"]: step["seconds"] or 0.0 for step in ways}
    return {**split, "between": answered - sum(split.values())}


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _floor(here: Installation, service: str) -> float:
    """Median of the bare pushes and starts."""
    bare = here.place / "bare.git"
    call(("git", "init", "--quiet", "--bare", str(bare)), here.place, here.environ)
    repository = here.place / service
    call(("git", "remote", "add", "bare", str(bare)), repository, here.environ)
    call(("git", "push", "--quiet", "bare", "main"), repository, here.environ)
    seconds = []
    for number in range(TIMES):
        change(repository, f"bare {number}")
        commit(repository, here.environ)
        began = time.perf_counter()
        call(("git", "push", "--quiet", "bare", "main"), repository, here.environ)
        seconds.append(time.perf_counter() - began + start_bare(here, service))
    return statistics.median(seconds)


def start_bare(here: Installation, service: str) -> float:
    """Seconds from starting the newest release's web process, outside of Highroad, to its answer."""
    placement = here.api("GET", f"/projects/bench/services/{service}/environments/production")
    command = next(each["command"] for each in placement["processes"] if each["name"] == "web")
    newest = max((here.data / "artifacts").glob("*/artifact.json"), key=lambda path: path.stat().st_mtime)
    artifact = json.loads(newest.read_text())
    port = free_port()
    began = time.perf_counter()
    with subprocess.Popen(
        ("/bin/sh", "-c", command),
        cwd=artifact["directory"],
        env={**artifact["env"], "PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as started:
        try:
            return until(lambda: b" 200 " in ask(port, "localhost", "/healthz")) - began
        finally:
            os.killpg(started.pid, signal.SIGTERM)
