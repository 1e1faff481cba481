"""Two hundred services on one machine: an idle minute and one redeploy, against the same with one service."""

from __future__ import annotations

import base64
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import processes
from benchmarks.figures import Figure, summary
from benchmarks.installation import ROOT, Installation, call, installation
from benchmarks.redeploys import redeploy

APP = ROOT / "benchmarks" / "apps" / "tiny"
SERVICES = int(os.environ.get("BENCH_SERVICES", "200"))
AT_ONCE = 2
IDLE_SECONDS = 60.0
REDEPLOYS = 5


def measure() -> list[Figure]:
    with installation() as here:
        repository = here.repository("tiny", APP)
        here.push(repository)
        few = _look(here)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for number in pool.map(lambda number: _add(here, repository, number), range(1, SERVICES)):
                if sys.stderr.isatty():
                    print(f"\r{number + 1} of {SERVICES} services", end="", file=sys.stderr)
        many = _look(here)
    return [
        _figure("idle minute", "CPU s", sum(few[0].values()), sum(many[0].values()), processes.told(many[0], ".2f")),
        _figure("one redeploy", "s", statistics.median(few[1]), statistics.median(many[1]), summary(many[1])),
        _figure("memory, Caddy too", "MiB", few[2], many[2], "PSS"),
    ]


def _figure(name: str, unit: str, few: float, many: float, split: str) -> Figure:
    return Figure(
        name=f"{name} with {SERVICES} services",
        measured=many,
        unit=unit,
        peer=few,
        against="with 1",
        split=split,
    )


def _look(here: Installation) -> tuple[dict[str, float], list[float], float]:
    programs = here.programs()
    redeploys = [redeploy(here, "tiny") for _ in range(REDEPLOYS)]
    idle = processes.over(programs, IDLE_SECONDS)
    return idle, redeploys, sum(processes.memory(pid).pss for pid in programs.values())


def _add(here: Installation, repository: Path, number: int) -> int:
    """Another service with the same source, deployed by a push of its own."""
    name = f"tiny-{number}"
    here.api("POST", "/projects/bench/services", {"name": name})
    basic = base64.b64encode(f"highroad:{here.token}".encode()).decode()
    url = f"http://localhost:{here.port}/git/bench/{name}.git"
    environ = {**here.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.extraHeader"}
    environ["GIT_CONFIG_VALUE_0"] = f"Authorization: Basic {basic}"  # in the environment, where no `ps` shows it
    try:
        call(("git", "push", "--quiet", url, "main"), repository, environ)
    except subprocess.SubprocessError as error:
        raise RuntimeError(f"{name} was not deployed.") from error
    return number
