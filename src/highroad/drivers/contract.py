"""What a target can do, as one short contract. `deployments` calls it; `memory` and `process` implement it.

All verbs are idempotent by instance id, because a workflow step that died is run again. A verb raises `Temporary`
(retry may help) or `Permanent` (it will not); no other exception leaves a driver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from highroad.workload.model import File, Health, Limits

InstanceState = Literal["starting", "running", "backing-off", "given-up", "exited", "missing"]


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """Everything a driver needs to run one instance.

    `id` names it for ever. `stream` is the log stream it writes to (one per service and environment), `label` how its
    lines are marked there (`web.1`). `artifact` is the directory to run in; `mounts` are further directories that it
    must be able to read (dependencies, runtimes). `identity` is a small number, unique per service and environment,
    from which the driver derives the operating-system user. `port` is injected as `PORT`, on loopback.

    `secrets` are values that nothing of this instance may show: the driver masks them (`kit.disguises`) in its log, in
    what `run` emits, in the words of checks and in errors, from its start to its end, whatever is in force meanwhile.
    """

    id: str
    stream: str
    label: str
    command: str
    artifact: str
    mounts: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: tuple[File, ...] = field(default=(), repr=False)
    port: int | None = None
    identity: int = 0
    limits: Limits = field(default_factory=Limits)
    stop_grace: float = 10.0
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Observed:
    """What the engine says of an instance. `restarts` counts restarts after a crash; `why` is for people:
    "exit code 1", "killed: out of memory (limit 512 MiB)"."""

    id: str
    state: InstanceState
    pid: int | None = None
    restarts: int = 0
    since: datetime | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """One health check: `healthy`, and why not in words for a developer ("GET /healthz answered 503")."""

    healthy: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    at: datetime
    label: str
    instance: str
    text: str


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines in order and the cursor behind them; pass it back to read on. `dropped`: lines before were rotated away."""

    lines: tuple[LogLine, ...]
    cursor: str
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """How a one-off command ended. `exit_code` is None when a limit ended it; then `why` says which."""

    exit_code: int | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the target can and cannot do; the plan refuses early what it cannot. `isolation` lists what protects one
    app from another on this machine, strongest first, for people."""

    name: str
    images: bool
    isolation: tuple[str, ...]
    warnings: tuple[str, ...] = ()


class Driver(Protocol):
    def abilities(self) -> Abilities: ...

    def start(self, spec: InstanceSpec) -> None:
        """Have the instance run and be restarted when it crashes. Returns once handed over, before it is healthy."""

    def stop(self, instance_id: str, *, grace: float) -> None:
        """SIGTERM, after `grace` seconds SIGKILL to all its processes; forget it. Returns when it is gone, as unknown
        ids are."""

    def observe(self, instance_ids: Sequence[str] | None = None) -> Mapping[str, Observed]:
        """State of these instances (unknown ones as `missing`), or of all the driver knows. One call to the engine."""

    def check(self, spec: InstanceSpec, health: Health) -> Checked:
        """One health check, now."""

    def run(
        self, spec: InstanceSpec, emit: Callable[[bytes], None], *, seconds: float, cancelled: Callable[[], bool]
    ) -> Finished:
        """Run `spec.command` once in the same sandbox and wait; output (both streams) goes to `emit` as it comes. One
        that writes more than an installation keeps of a build (`Settings.build_output`) is ended."""

    def logged(self, spec: InstanceSpec) -> AbstractContextManager[Callable[[bytes], None]]:
        """A feed into the stream of `spec`, under its label, for what `run` emits of it. What it took can be read soon
        after the context has ended."""

    def read_logs(
        self, stream: str, *, cursor: str | None = None, tail: int | None = None, limit: int = 1000
    ) -> LogPage:
        """Lines of a stream after `cursor`, or its last `tail` lines. Never waits."""

    def recover(self, wanted: Callable[[], Sequence[InstanceSpec]]) -> None:
        """Make the engine agree with `wanted` after a crash or reboot: start what is missing, end what is unwanted.

        `wanted` is asked again before each change, because others start and stop instances meanwhile. What cannot be
        helped is raised when everything else has been done."""

    def forget_logs(self, stream: str) -> None:
        """Delete a stream's lines, when its service is deleted."""
