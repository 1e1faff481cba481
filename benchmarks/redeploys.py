"""Twenty redeploys under a steady load: what fails (nothing may), and what waiting they add."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from benchmarks.figures import Figure, percentile
from benchmarks.installation import ROOT, Installation, installation, until

APP = ROOT / "benchmarks" / "apps" / "steady"
RATE = 200
REDEPLOYS = 20
QUIET_SECONDS = 10.0
DRAIN_SECONDS = 10.0
"""A little more than the app's own: so long the last old instance may finish what it was asked."""


def measure() -> list[Figure]:
    with installation() as here:
        here.push(here.repository("steady", APP))
        with subprocess.Popen(
            (sys.executable, "-m", "benchmarks.traffic", str(here.port), here.host("steady"), str(RATE)),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as traffic:
            time.sleep(QUIET_SECONDS)
            began = time.time()
            for _ in range(REDEPLOYS):
                redeploy(here, "steady")
            ended = time.time()
            time.sleep(DRAIN_SECONDS)
            output, _ = traffic.communicate("")
    return _figures(json.loads(output), began, ended)


def redeploy(here: Installation, service: str) -> float:
    """Start all instances anew, as a deployment of its own; seconds until it has succeeded."""
    began = time.perf_counter()
    place = f"/projects/bench/services/{service}/environments/production/deployments"
    id = here.api("POST", place, {"kind": "restart"})["id"]
    state = ""

    def ended() -> bool:
        nonlocal state
        state = here.api("GET", f"/deployments/{id}")["state"]
        return state not in ("queued", "running")

    seconds = until(ended, pause=0.02) - began
    if state != "succeeded":
        raise RuntimeError(f"A redeploy of {service} ended {state}.")
    return seconds


def _figures(result: dict[str, Any], began: float, ended: float) -> list[Figure]:
    quiet = [seconds for due, seconds in result["answered"] if began - QUIET_SECONDS + 1 < due < began - 0.5]
    during = [seconds for due, seconds in result["answered"] if began <= due < ended]
    failures = Counter(result["failed"])
    told = "\n".join(f"{count} x {what}" for what, count in failures.most_common(5))
    counted = f"{len(result['answered'])} requests, {result['slow']} of 5 s, {result['echoes']} WebSocket echoes"
    split = f"{counted} on {result['reconnects'] + 1} connections\n{REDEPLOYS} redeploys in {ended - began:.1f} s"
    figures = [
        Figure(
            name=f"requests failed at {RATE}/s",
            measured=float(failures.total()),
            unit="",
            target=0,
            split=f"{split}\n{told}".strip(),
        )
    ]
    for name, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
        before, now = percentile(quiet, share) * 1000, percentile(during, share) * 1000
        added = f"added {now - before:.1f} ms"
        figures.append(
            Figure(
                name=f"{name} during redeploys",
                measured=now,
                unit="ms",
                peer=before,
                against="without redeploys",
                split=added,
            )
        )
    return figures
