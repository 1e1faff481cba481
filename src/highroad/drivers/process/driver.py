"""The target `process`: every instance is a sandboxed process under the installation's supervisord.

Called by deployments through `drivers.contract.Driver`. An instance is the program `app.ID`; its placed files, orders,
pipe and cgroup carry the same name, so that each verb finds what an earlier, interrupted one left.
"""

from __future__ import annotations

import base64
import binascii
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn
from weakref import WeakValueDictionary

from highroad.drivers.contract import Abilities, Checked, Finished, InstanceSpec, InstanceState, LogPage, Observed
from highroad.drivers.process import health as checks
from highroad.drivers.process import logs, pipes
from highroad.drivers.process.program import Definition, section
from highroad.drivers.process.supervisor import State, Status, Supervisor
from highroad.drivers.recovery import STOP_GRACE, agree
from highroad.errors import HighroadError, Permanent, Temporary
from highroad.kit.disguises import NOTHING, Mask, mask_of
from highroad.sandbox import cgroups
from highroad.sandbox.model import Confinement, Level, Placed
from highroad.sandbox.prepare import prepare
from highroad.sandbox.run import never, run, signal_name, size
from highroad.settings import Settings
from highroad.workload.model import File, Health

_PREFIX = "app."
_FED = "run."  # of pipes that Highroad itself writes into
_STATES: Mapping[State, InstanceState] = {
    "stopped": "exited",
    "starting": "starting",
    "running": "running",
    "backing-off": "backing-off",
    "stopping": "running",
    "exited": "backing-off",  # for at most one tick, then supervisord starts it again
    "given-up": "given-up",
}
_CHECK_OUTPUT = 4096


class ProcessDriver:
    """`settled` is after how many seconds a running instance counts as started: an end before that makes supervisord
    back off (1 s, 2 s, 3 s, ...) and give up after `retries` times in a row; a later end restarts it at once."""

    def __init__(
        self, settings: Settings, supervisor: Supervisor, level: Level, *, settled: int = 5, retries: int = 5
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._level = level
        self._settled = settled
        self._retries = retries
        # Threads of workflows and the caretaker change instances at the same time; one lock for each instance, as
        # stopping one may take its whole grace.
        self._turns: WeakValueDictionary[str, threading.RLock] = WeakValueDictionary()
        self._asking = threading.Lock()
        self._fed: set[Path] = set()

    def abilities(self) -> Abilities:
        return Abilities("process", images=False, isolation=self._level.features, warnings=self._level.warnings)

    def start(self, spec: InstanceSpec) -> None:
        with _translated(mask_of(spec.secrets)), self._turn(spec.id):
            name = _PREFIX + spec.id
            if any(each.state not in ("stopped", "exited", "given-up") for each in self._supervisor.statuses([name])):
                return
            self._connect_log(spec, self._pipe(spec.id))
            self._supervisor.add_definition(self._definition(spec))

    def stop(self, instance_id: str, *, grace: float) -> None:
        name = _PREFIX + instance_id
        pipe = self._pipe(instance_id)
        with _translated(), self._turn(instance_id):
            with pipes.held(pipe):
                self._supervisor.remove(name, grace=grace)
                if not cgroups.remove(name, self._level):
                    raise Temporary(f"Processes of {instance_id} do not end, not even by SIGKILL.")
            pipes.remove(pipe)
            shutil.rmtree(self._placed(instance_id), ignore_errors=True)

    def observe(self, instance_ids: Sequence[str] | None = None) -> Mapping[str, Observed]:
        if instance_ids is not None and not instance_ids:
            return {}
        names = [] if instance_ids is None else [_PREFIX + each for each in instance_ids]
        found = [each for each in self._supervisor.statuses(names) if each.program.startswith(_PREFIX)]
        known = {each.program.removeprefix(_PREFIX): self._observed(each) for each in found}
        missing = {each: Observed(each, "missing") for each in instance_ids or () if each not in known}
        return {**known, **missing}

    def check(self, spec: InstanceSpec, health: Health) -> Checked:
        checked = self._checked(spec, health)
        return replace(checked, why=mask_of(spec.secrets).text(checked.why)) if checked.why else checked

    def _checked(self, spec: InstanceSpec, health: Health) -> Checked:
        seen = self.observe([spec.id])[spec.id]
        if seen.state == "missing":
            return Checked(False, "not started")
        if seen.pid is None:
            return Checked(False, seen.why or f"not running ({seen.state})")
        if health.kind == "none":
            return Checked(True)
        if health.kind == "command":
            return self._check_command(spec, health)
        if spec.port is None:
            return Checked(False, f"a {health.kind} check needs a port, and this process has none")
        checked = (checks.over_http if health.kind == "http" else checks.over_tcp)(spec.port, health)
        return self._vouched(spec, seen, spec.port) if checked.healthy else checked

    def run(
        self, spec: InstanceSpec, emit: Callable[[bytes], None], *, seconds: float, cancelled: Callable[[], bool]
    ) -> Finished:
        mask = mask_of(spec.secrets)
        with _translated(mask), mask.over(emit) as veiled:
            ended = run(
                replace(self._confinement(spec, "run." + spec.id), ports=None),  # may have test servers of its own
                veiled,
                level=self._level,
                seconds=seconds,
                output_limit=self._settings.build_output,
                cancelled=cancelled,
            )
        return Finished(ended.exit_code, ended.why)

    @contextmanager
    def logged(self, spec: InstanceSpec) -> Iterator[Callable[[bytes], None]]:
        pipe = self._pipe(_FED + spec.id)
        self._fed.add(pipe)
        try:
            with _translated(mask_of(spec.secrets)):
                self._connect_log(spec, pipe)
                feed = pipes.Feed(pipe)
            with pipes.held(pipe):
                try:
                    yield feed.write
                finally:
                    feed.close()
        finally:
            pipes.remove(pipe)
            self._fed.discard(pipe)

    def read_logs(
        self, stream: str, *, cursor: str | None = None, tail: int | None = None, limit: int = 1000
    ) -> LogPage:
        directory = logs.directory_of(self._settings.logs, stream)
        if cursor is None and tail is not None:
            return logs.read_tail(directory, tail)
        return logs.read_after(directory, cursor, limit)

    def recover(self, wanted: Callable[[], Sequence[InstanceSpec]]) -> None:
        with _translated():
            self._supervisor.ensure()
            for pipe in set(self._pipe(_FED + "*").parent.glob(f"{_FED}*.pipe")) - self._fed:
                pipes.remove(pipe)  # of a command that ended with an earlier control plane
        known = {name for name in self._supervisor.defined() if name.startswith(_PREFIX)}
        known |= {each.program for each in self._supervisor.statuses() if each.program.startswith(_PREFIX)}
        agree(
            wanted,
            [name.removeprefix(_PREFIX) for name in known],
            absent=lambda ids: [id for id, seen in self.observe(ids).items() if seen.state in ("missing", "exited")],
            start=self.start,
            stop=lambda id: self.stop(id, grace=STOP_GRACE),
            turn=self._turn,
        )

    def forget_logs(self, stream: str) -> None:
        shutil.rmtree(logs.directory_of(self._settings.logs, stream), ignore_errors=True)

    # Inside

    def _turn(self, instance_id: str) -> threading.RLock:
        """Held while an instance is started or stopped."""
        with self._asking:
            return self._turns.setdefault(instance_id, threading.RLock())

    def _vouched(self, spec: InstanceSpec, before: Observed, port: int) -> Checked:
        """Whether it was the instance that answered on its port, and not a stranger who took that meanwhile."""
        after = self.observe([spec.id])[spec.id]
        if after.pid != before.pid:
            return Checked(False, after.why or f"not running ({after.state})")
        # Without root all apps are one user, and only a stranger that outlives the instance is told apart.
        listening = checks.listeners(port) if self._level.root else set()
        if listening - {self._settings.first_uid + spec.identity}:
            return Checked(False, f"port {port} is taken by another program on this machine")
        return Checked(True)

    def _definition(self, spec: InstanceSpec) -> Definition:
        name = _PREFIX + spec.id
        orders = prepare(
            self._confinement(spec, name),
            self._level,
            placed=self._placed(spec.id),
            standing=True,
            pipe=self._pipe(spec.id),
            record=self._settings.run / "records" / name,
            grace=spec.stop_grace,
        )
        words = [("process_name", name), ("stdout_logfile", "NONE"), ("priority", "500")]
        words += [("startsecs", str(self._settled)), ("startretries", str(self._retries))]
        text = section("program", name, self._settings.run / "orders", name, spec.stop_grace, words)
        return Definition(name=name, section=text, orders={name: orders})

    def _confinement(self, spec: InstanceSpec, name: str) -> Confinement:
        limits, settings = spec.limits, self._settings
        uid = settings.first_uid + spec.identity if self._level.root else None
        port = {} if spec.port is None else {"PORT": str(spec.port)}
        return Confinement(
            argv=("/bin/sh", "-c", spec.command),
            cwd=spec.artifact,
            name=name,
            env={**spec.env, **port},
            uid=uid,
            gid=uid,
            readable=(spec.artifact, *spec.mounts),
            files=tuple(_placed(each) for each in spec.files),
            memory=settings.instance_memory if limits.memory is None else limits.memory,
            cpu=limits.cpu,
            processes=settings.instance_processes if limits.processes is None else limits.processes,
            disk=settings.instance_disk if limits.disk is None else limits.disk,
            ports=(0,) if spec.port is None else (0, spec.port),
        )

    def _connect_log(self, spec: InstanceSpec, pipe: Path) -> None:
        directory = logs.directory_of(self._settings.logs, spec.stream)
        words = [str(directory), spec.label, spec.id]
        if any(any(space in word for space in " \n\r\t") for word in words[1:]):
            raise Permanent(f"{spec.label!r} or {spec.id!r} cannot mark log lines: it holds a space.")
        owner = self._settings.first_uid + spec.identity if self._level.root else None
        pipes.make(pipe, words, owner=owner, hidden=mask_of(spec.secrets).written)

    def _check_command(self, spec: InstanceSpec, health: Health) -> Checked:
        said: list[bytes] = []
        probe = replace(spec, command=health.command)
        confinement = self._confinement(probe, "check." + spec.id)
        with _translated(mask_of(spec.secrets)):
            ended = run(
                confinement,
                said.append,
                level=self._level,
                seconds=health.timeout,
                output_limit=_CHECK_OUTPUT,
                cancelled=never,
            )
        if ended.exit_code == 0:
            return Checked(True)
        last = b"".join(said).decode(errors="replace").strip().splitlines()[-1:]
        return Checked(False, ": ".join([f"`{health.command}` ended with {ended.why}", *last]))

    def _observed(self, status: Status) -> Observed:
        state = _STATES[status.state]
        if state == "starting" and not status.tries:
            state = "running"  # it has never failed; whether it serves is what health checks say
        since = status.since if status.pid else status.ended
        return Observed(
            status.program.removeprefix(_PREFIX),
            state,
            pid=status.pid,
            restarts=status.exits if status.pid else max(status.exits - 1, 0),
            since=datetime.fromtimestamp(since, UTC) if since else None,
            why=self._why(status),
        )

    def _why(self, status: Status) -> str:
        if status.code is None:
            return status.error
        if status.code > 128 and cgroups.out_of_memory(status.program, self._level):
            limit = cgroups.memory_limit(status.program, self._level)
            return f"killed: out of memory (limit {size(limit)})"
        if status.code > 128:
            return f"ended by {signal_name(status.code - 128)}"
        return f"exited with code {status.code}"

    def _pipe(self, instance_id: str) -> Path:
        return self._settings.run / "pipes" / f"{instance_id}.pipe"

    def _placed(self, instance_id: str) -> Path:
        return self._settings.run / "instances" / instance_id


def _placed(file: File) -> Placed:
    try:
        content = base64.b64decode(file.content, validate=True) if file.binary else file.content.encode()
        return Placed(file.target, content, int(file.mode, 8))
    except (binascii.Error, ValueError) as error:
        raise Permanent(f"The file {file.target} cannot be placed: {error}.") from error


@contextmanager
def _translated(mask: Mask = NOTHING) -> Iterator[None]:
    """Only `Temporary` and `Permanent` leave a driver, masked. Causes that show a secret stay inside: whoever logs an
    error logs its causes, too."""
    try:
        yield
    except HighroadError as error:
        _raise(Permanent(error.detail, next_step=error.next_step), error, mask)
    except OSError as error:
        _raise(Temporary(f"The machine refused: {error}"), error, mask)
    except (Temporary, Permanent) as error:
        if not mask.shows(error):
            raise
        _raise(error, error, mask)


def _raise(error: Temporary | Permanent, cause: Exception, mask: Mask) -> NoReturn:
    if not mask.shows(cause):
        raise error from cause
    raise mask.error(error) from None
