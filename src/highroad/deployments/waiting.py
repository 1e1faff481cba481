"""Waiting until started instances are healthy, and giving up early when there is no hope. Used by the workflow's step
`health`; tests mirror it in `test_waiting`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from highroad.deployments.model import Instance
from highroad.drivers.contract import Checked, Driver
from highroad.errors import Unavailable
from highroad.workload.model import Process

SETTLE_SECONDS = 1.0
"""How long a process without a health check must keep running before it counts as started."""
QUIET_SECONDS = 2.0
"""How long a start may take before people are told what it waits for."""
REMIND_SECONDS = 10.0
LOOK_SECONDS = 0.2
"""How often the engine and the cancel flag are looked at; the instances themselves are asked more often."""
LAST_LINES = 12


class Unhealthy(Unavailable):
    code = "instance-unhealthy"
    title = "An instance did not become healthy"


class Waiting:
    """`say` tells people; `interrupt` raises when there is a reason to stop waiting."""

    def __init__(self, driver: Driver, say: Callable[[str], None], interrupt: Callable[[], None]) -> None:
        self._driver = driver
        self._say = say
        self._interrupt = interrupt

    def until_healthy(self, instances: Sequence[Instance], processes: Mapping[str, Process]) -> None:
        """Return when all are healthy. Raises `Unhealthy` with the reason, after telling the instance's last lines."""
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
                self._refuse_if_hopeless(each, processes[each.process], checked, waited)
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
        return checked

    def _refuse_if_hopeless(self, instance: Instance, process: Process, checked: Checked, waited: float) -> None:
        """Fail at once when the instance has crashed, and at the end of its grace when it is not healthy yet."""
        observed = self._driver.observe([instance.id])[instance.id]
        crashed = observed.restarts > 0 or observed.state in {"backing-off", "given-up", "exited"}
        if not crashed and waited < process.health.grace:
            return
        self._say_last_lines(instance)
        if crashed:
            why = f"{instance.label} ended: {observed.why or checked.why}."
            next_step = f"Its last lines stand above. Try the command yourself: {process.command}"
        else:
            why = f"{instance.label} was not healthy within {process.health.grace:g} s: {checked.why}."
            next_step = _advice(process)
        raise Unhealthy(f"{why} The old version serves untouched.", next_step=next_step)

    def _say_last_lines(self, instance: Instance) -> None:
        page = self._driver.read_logs(instance.spec.stream, tail=400)
        lines = [line.text for line in page.lines if line.instance == instance.id][-LAST_LINES:]
        self._say(f"       Last lines of {instance.label}:" if lines else f"       {instance.label} wrote nothing.")
        for line in lines:
            self._say(f"         {line}")


def _advice(process: Process) -> str:
    health = process.health
    if health.kind == "http":
        return f"Does it answer GET {health.path} on $PORT with 2xx or 3xx? Change the path: `health:` in highroad.yaml"
    if health.kind == "tcp":
        return "Does it listen on 127.0.0.1:$PORT? Read PORT from the environment; a slow start: `health: {grace: 120}`"
    return f"Run the check yourself: {health.command}"
