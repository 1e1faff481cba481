"""From a planned instance to all that a driver needs to run it: its port, its variables, its directories."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from highroad.deployments.model import PlannedInstance
from highroad.drivers.contract import InstanceSpec
from highroad.errors import Invalid, Unavailable
from highroad.kit.ids import new_id
from highroad.projects.references import Delivered
from highroad.settings import Settings
from highroad.workload.model import File, Limits, Process, Workload
from highroad.workload.placeholders import substitute

if TYPE_CHECKING:
    from highroad.deployments.subject import Subject


class NoFreePort(Unavailable):
    code = "no-free-port"
    title = "No port is free for another instance"


class UnfilledPlaceholder(Invalid):
    code = "unfilled-placeholder"
    title = "A placeholder of the Score file has no value"


class Ports:
    """Hands out loopback ports from a range: one that no instance has and that nobody listens on now."""

    def __init__(self, first: int, last: int) -> None:
        self._first, self._last = first, last
        self._next = first

    def take(self, taken: set[int]) -> int:
        """A free port, also added to `taken`. It goes round the range, so that a port rests before it is used again."""
        size = self._last - self._first + 1
        for offset in range(size):
            port = self._first + (self._next - self._first + offset) % size
            if port not in taken and nobody_listens(port):
                taken.add(port)
                self._next = port + 1
                return port
        raise NoFreePort(
            f"All ports from {self._first} to {self._last} are in use.",
            next_step="Scale something down, or widen HIGHROAD_FIRST_APP_PORT and HIGHROAD_LAST_APP_PORT.",
        )


def nobody_listens(port: int) -> bool:
    """Whether a loopback port can be bound now."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def stream_of(service_id: str, environment_id: str) -> str:
    """The name of the log stream of a service in an environment."""
    return f"{service_id}.{environment_id}"


def specification(
    subject: Subject,
    process: Process,
    planned: PlannedInstance | None,
    port: int | None,
    configuration: Delivered,
    settings: Settings,
    label: str | None = None,
) -> InstanceSpec:
    """Variables, weakest first: the artifact's, the workload's, the process's, the configuration, Highroad's own. Names
    in the configuration that are absolute paths are files, for the app's user alone."""
    artifact, workload = subject.release.artifact, subject.release.workload
    id = new_id("ins")
    fill = _filler(workload)
    env = {
        **artifact.env,
        **{name: fill(value) for name, value in {**workload.variables, **process.variables}.items()},
        **{name: value for name, value in configuration.items() if not name.startswith("/")},
        "HIGHROAD_PROJECT": subject.service.project,
        "HIGHROAD_SERVICE": subject.service.name,
        "HIGHROAD_ENVIRONMENT": subject.environment.name,
        "HIGHROAD_PROCESS": process.name,
        "HIGHROAD_INSTANCE": id,
        "HIGHROAD_RELEASE": str(subject.release.number),
        "HIGHROAD_COMMIT": subject.release.commit,
    }
    return InstanceSpec(
        id=id,
        stream=stream_of(subject.service.id, subject.environment.id),
        label=label or (planned.label if planned else process.name),
        command=process.command,
        artifact=artifact.directory,
        mounts=artifact.mounts,
        env=env,
        files=(
            *(
                each if each.binary else replace(each, content=fill(each.content))
                for each in (*workload.files, *process.files)
                if each.target not in configuration
            ),
            *(File(name, text, mode="0400") for name, text in configuration.items() if name.startswith("/")),
        ),
        port=port,
        identity=subject.placement.identity,
        limits=_limits(process.limits, settings),
        stop_grace=process.stop_grace,
        secrets=tuple(sorted(configuration.secret_values)),
    )


def _filler(workload: Workload) -> Callable[[str], str]:
    """Fills placeholders, which only a Score file has; in all else `${...}` is the app's own business."""
    if workload.name is None:
        return lambda text: text

    def lookup(keys: tuple[str, ...]) -> str:
        raise UnfilledPlaceholder(
            f"Nothing gives a value for ${{{'.'.join(keys)}}}.",
            next_step="Set the variable itself: highroad config set NAME=value, and take the placeholder out.",
        )

    return lambda text: substitute(text, lookup)


def largest(settings: Settings) -> Limits:
    """The most that a workload may ask for one instance."""
    return Limits(
        memory=settings.largest_memory,
        cpu=settings.largest_cores,
        processes=settings.largest_processes,
        disk=settings.largest_disk,
    )


def _limits(limits: Limits, settings: Settings) -> Limits:
    """The installation's limits where the workload says nothing."""
    return replace(
        limits,
        memory=limits.memory or settings.instance_memory,
        processes=limits.processes or settings.instance_processes,
        disk=limits.disk or settings.instance_disk,
    )
