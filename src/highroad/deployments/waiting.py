"""Waiting until started instances are healthy, and giving up early when there is no hope. Used by the workflow's step
`health`; tests mirror it in `test_waiting`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from highroad.deployments.model import Instance
from highroad.deployments.symptoms import advice
from highroad.drivers.contract import Checked, Driver
from highroad.errors import Unavailable
from highroad.workload.model import Process, Workload

SETTLE_SECONDS = 1.0
"""How long a process without a health check must keep running before it counts as started."""
QUIET_SECONDS = 2.0
"""How long a start may take before people are told what it waits for."""
REMIND_SECONDS = 10.0
LOOK_SECONDS = 0.2
"""How often the engine and the cancel flag are looked at; the instances themselves are asked more often."""
LAST_LINES = 12
STEADY_SECONDS = 10.0
"""How long an answer may stay one that waiting does not mend before it counts as final."""
_FINAL = re.compile(r"answered (?:404|405|501)$")


class Unhealthy(Unavailable):
    code = "instance-unhealthy"
    title = "An instance did not become healthy"


class Waiting:
    """`say` tells people; `interrupt` raises when there is a reason to stop waiting. `meanwhile` says what serves when
    this fails; `steady` are the seconds after which a 404 is final."""

    def __init__(
        self,
        driver: Driver,
        say: Callable[[str], None],
        interrupt: Callable[[], None],
        *,
        meanwhile: str = "",
        steady: float = STEADY_SECONDS,
    ) -> None:
        self._driver = driver
        self._say = say
        self._interrupt = interrupt
        self._meanwhile = meanwhile
        self._steady = steady
        self._since: dict[str, float] = {}

    def until_healthy(self, instances: Sequence[Instance], workload: Workload) -> None:
        """Return when all are healthy. Raises `Unhealthy` with the reason, after telling the instance's last lines."""
        processes = {process.name: process for process in workload.processes}
        began = told = time.monotonic()
        looked, said = -LOOK_SECONDS, ""
        waiting = list(instances)
        while waiting:
            waited = time.monotonic() - began
            if look := waited - looked >= LOOK_SECONDS:
                looked = waited
                self._interrupt()
            unhealthy = [(each, self._check(each, processes[each.process], waited)) for each in waiting]
            unhealthy = [(each, checked) for each, checked in unhealthy if not checked.healthy]
            for each, checked in unhealthy if look else ():
                self._refuse_if_hopeless(each, processes[each.process], workload, checked, waited)
            waiting = [each for each, _ in unhealthy]
            if not waiting:
                return
            why = f"{waiting[0].label}: {unhealthy[0][1].why}"
            if waited > QUIET_SECONDS and (why != said or time.monotonic() - told > REMIND_SECONDS):
                said, told = why, time.monotonic()
                self._say(f"       waiting for {why} ({waited:.0f} s)")
            # Soon at first, so that a quick app does not wait to be seen and a slow one is not asked in vain.
            time.sleep(min(processes[waiting[0].process].health.interval, 1.0, max(0.015, waited / 10)))

    def _check(self, instance: Instance, process: Process, waited: float) -> Checked:
        checked = self._driver.check(instance.spec, process.health)
        if checked.healthy and process.health.kind == "none" and waited < SETTLE_SECONDS:
            return Checked(False, "is running; seeing whether it stays")
        if _FINAL.search(checked.why):
            self._since.setdefault(instance.id, waited)
        else:
            self._since.pop(instance.id, None)
        return checked

    def _refuse_if_hopeless(
        self, instance: Instance, process: Process, workload: Workload, checked: Checked, waited: float
    ) -> None:
        """Fail at once when the instance has crashed, soon when it steadily answers what no waiting mends, and at the
        end of its grace when it is not healthy yet."""
        observed = self._driver.observe([instance.id])[instance.id]
        crashed = observed.restarts > 0 or observed.state in {"backing-off", "given-up", "exited"}
        steady = waited - self._since.get(instance.id, waited) >= self._steady
        if not crashed and not steady and waited < process.health.grace:
            return
        lines = self._last_lines(instance)
        self._say(f"       Last lines of {instance.label}:" if lines else f"       {instance.label} wrote nothing.")
        for line in lines:
            self._say(f"         {line}")
        if crashed:
            why = f"{instance.label} ended: {observed.why or checked.why}."
            next_step = f"Its last lines stand above. Try the command yourself: {process.command}"
        elif waited < process.health.grace:
            why = f"{instance.label} runs, but {checked.why} for {self._steady:g} s."
            next_step = _advice(process)
        else:
            why = f"{instance.label} was not healthy within {process.health.grace:g} s: {checked.why}."
            next_step = _advice(process)
        raise Unhealthy(
            f"{why} {self._meanwhile}".rstrip(), next_step=advice(process, workload.build, lines) or next_step
        )

    def _last_lines(self, instance: Instance) -> list[str]:
        page = self._driver.read_logs(instance.spec.stream, tail=400)
        return [line.text for line in page.lines if line.instance == instance.id][-LAST_LINES:]


def _advice(process: Process) -> str:
    health = process.health
    if health.kind == "http":
        return f"Does it answer GET {health.path} on $PORT with 2xx or 3xx? Change the path: `health:` in highroad.yaml"
    if health.kind == "tcp":
        return "Does it listen on 127.0.0.1:$PORT? Read PORT from the environment; a slow start: `health: {grace: 120}`"
    return f"Run the check yourself: {health.command}"
