"""The command line's help, the start of the control plane, and what an idle installation takes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import processes
from benchmarks.figures import Figure, summary
from benchmarks.installation import Installation, ask, installation, until
from benchmarks.push import EXAMPLE, TESTS
from highroad.drivers.process.supervisor import Supervisor
from highroad.settings import load

STARTS = 20
RESTARTS = 5
IDLE_SECONDS = 60.0
HELP_MS, READY_SECONDS, MEMORY_MIB, CPU_PERCENT = 100.0, 1.5, 200.0, 1.0


def measure() -> list[Figure]:
    figures = [_help()]
    with installation() as here:
        figures.append(_ready(here))
        here.push(here.repository("web", EXAMPLE, without=TESTS))  # memory of an installation that has worked
        figures += _idle(here)
    return figures


def _help() -> Figure:
    program = str(Path(sys.executable).with_name("highroad"))
    shown = [_start(program, "--help") for _ in range(STARTS)]
    bare = [_start(sys.executable, "-c", "pass") for _ in range(STARTS)]
    return Figure(
        name="highroad --help",
        measured=statistics.median(shown) * 1000,
        unit="ms",
        target=HELP_MS,
        peer=statistics.median(bare) * 1000,
        against="python -c pass",
        split=summary(shown),
    )


def _start(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _ready(here: Installation) -> Figure:
    """From the start of the control plane's process until it answers 204, asked through the router."""
    seconds = [_restart(here) for _ in range(RESTARTS)]
    imports = [_start(sys.executable, "-c", "import highroad.app.serve, dbos") for _ in range(RESTARTS)]
    return Figure(
        name="control plane ready",
        measured=statistics.median(seconds),
        unit="s",
        target=READY_SECONDS,
        peer=statistics.median(imports),
        against="importing it",
        split=summary(seconds),
    )


def _restart(here: Installation) -> float:
    supervisor = Supervisor(load(here.data))
    supervisor.restart("control-plane", grace=10.0)
    (status,) = supervisor.statuses(["control-plane"])
    until(lambda: b" 204 " in ask(here.port, f"localhost:{here.port}", "/api/v1/health"))
    return time.time() - status.since


def _idle(here: Installation) -> list[Figure]:
    programs = here.programs()
    time.sleep(5)  # the push's last work
    used = processes.over(programs, IDLE_SECONDS)
    held = {name: processes.memory(pid) for name, pid in programs.items()}
    own = [name for name in programs if name != processes.ROUTER]
    rss = processes.told({name: each.rss for name, each in held.items()}, ".0f")
    pss = processes.told({name: each.pss for name, each in held.items()}, ".0f")
    percent = {name: 100 * seconds / IDLE_SECONDS for name, seconds in used.items()}
    return [
        _memory("idle memory, Caddy apart", [held[name].pss for name in own], f"PSS {pss}\nRSS {rss}"),
        Figure(
            name="idle CPU, Caddy apart",
            measured=sum(percent[name] for name in own),
            unit="%",
            target=CPU_PERCENT,
            split=f"{processes.told(percent, '.2f')}; of one core, {os.cpu_count()} there are",
        ),
    ]


def _memory(name: str, mebibytes: Sequence[float], split: str) -> Figure:
    return Figure(name=name, measured=sum(mebibytes), unit="MiB", target=MEMORY_MIB, split=split)
