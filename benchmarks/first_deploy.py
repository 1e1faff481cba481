"""The first deploy of a small Python web application, against a bare `pip install` into a new environment and a start.

Cold: nobody has downloaded the packages; pip goes without its cache. Warm: the packages are in both caches (pip's own,
filled by an install before; Highroad's, filled by another service with the same packages and another lock file).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.installation import Installation, ask, call, installation
from benchmarks.push import EXAMPLE, TESTS, start_bare

RATIO = 1.3


def measure() -> list[Figure]:
    with installation() as here:
        cold = _first_push(here, "cold", "")
        bare_cold = _pip_install(here, "--no-cache-dir") + start_bare(here, "cold")
        warm = _first_push(here, "warm", "# another lock file, the same packages\n")
        cache = ("--cache-dir", str(here.place / "pip"))
        _pip_install(here, *cache)
        bare_warm = _pip_install(here, *cache) + start_bare(here, "warm")
    return [_figure("first deploy, nothing cached", cold, bare_cold), _figure("first deploy", warm, bare_warm)]


def _figure(name: str, seconds: float, bare: float) -> Figure:
    return Figure(
        name=name,
        measured=seconds,
        unit="s",
        target=RATIO,
        of_ratio=True,
        peer=bare,
        against="new venv + pip install + start",
    )


def _first_push(here: Installation, service: str, more: str) -> float:
    """Seconds from the start of the first `git push` of a service to its answer."""
    source = here.place / f"{service}-source"
    call(("cp", "-R", str(EXAMPLE), str(source)), here.place, here.environ)
    with (source / "requirements.txt").open("a") as requirements:
        requirements.write(more)
    repository = here.repository(service, source, without=TESTS)
    return here.push_until(repository, lambda: b" 200 OK" in ask(here.port, here.host(service)))


def _pip_install(here: Installation, *options: str) -> float:
    environment: Path = here.place / "fresh"
    began = time.perf_counter()
    call((sys.executable, "-m", "venv", "--clear", str(environment)), here.place, here.environ)
    pip = (str(environment / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *options)
    call((*pip, "-r", str(EXAMPLE / "requirements.txt")), here.place, here.environ)
    return time.perf_counter() - began
