"""The installation's supervisord: start it, keep it, add and remove its programs while it runs.

Called by the composition root (`highroad up`, `down`, and the control plane's loop) and by the driver. Each program is
written down under `run/`, so that a supervisord started again after a crash or a reboot finds all of them:

    run/programs/NAME.conf   its section            run/orders/PROCESS   what the launcher does
    run/records/PROCESS      its process, to end it when the supervisord that started it is gone
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import highroad
from highroad.drivers.errors import SupervisorFailed
from highroad.drivers.process import rpc
from highroad.drivers.process.program import Definition, Program, define
from highroad.errors import Temporary
from highroad.sandbox import launch
from highroad.sandbox.prepare import PATH, encode
from highroad.settings import Settings

_SOCKET_PATH_LIMIT = 100  # sockaddr_un holds 107, and supervisord binds a temporary name with its process id behind
_START_SECONDS = 20.0
_KILL_SECONDS = 10.0
_TICK = 0.01
_CONTROL_PLANE = "control-plane"
_YOUNG = 2.0  # seconds after which even a loaded machine has brought an app to its first instruction

State = Literal["stopped", "starting", "running", "backing-off", "stopping", "exited", "given-up"]
_STATES: Mapping[int, State] = {  # supervisor.states.ProcessStates
    0: "stopped",
    10: "starting",
    20: "running",
    30: "backing-off",
    40: "stopping",
    100: "exited",
    200: "given-up",
    1000: "given-up",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One process as supervisord sees it. `exits` counts ends that nobody asked for; `code` is the last one's exit code
    (128 + n for signal n; None before the first) and `ended` its Unix time; `tries` counts quick ends in a row."""

    program: str
    process: str
    state: State
    pid: int | None
    since: float
    tries: int
    exits: int
    code: int | None
    ended: float
    error: str


class Supervisor:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.run = settings.run
        self.socket = settings.run / "supervisor.sock"
        self.pid_file = settings.run / "supervisord.pid"

    # Its own life

    def ensure(self) -> bool:
        """Have supervisord run; True when it had to be started. Programs defined so far are started with it.

        What an earlier one left behind is ended first where it holds a listening socket; every other program's
        launcher ends its own predecessor. Raises `SupervisorFailed`.
        """
        self._prepare()
        if self.alive():
            return False
        with self._lock():
            if self.alive():
                return False
            self._end_hung()
            for file in self._records():
                if self._holds_socket(file.name):
                    self._end_recorded(file)
            self._start()
        return True

    def alive(self) -> bool:
        """Whether it answers."""
        try:
            return bool(rpc.call(self.socket, "supervisor.getPID"))
        except Temporary:
            return False

    def pid(self) -> int | None:
        """supervisord's process, None when it does not run."""
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if launch.started(pid) and b"highroad.drivers.process.daemon" in _command_line(pid) else None

    def shut_down(self) -> None:
        """Stop all programs, then supervisord itself. The control plane goes first, for it would bring back whatever is
        stopped before it; the collector last, so that it takes everybody's last words. The definitions stay: the next
        `ensure` starts them again."""
        self._prepare()
        with self._lock():
            self._end_control_plane()
            if self.alive():
                names = sorted({each.program for each in self.statuses()} - {"collector"})
                self._stop(names)
                pid = self.pid()
                with contextlib.suppress(Temporary):
                    rpc.call(self.socket, "supervisor.shutdown")
                _wait(lambda: pid is None or not launch.started(pid), _KILL_SECONDS)
            self._end_hung()
            for file in self._records():
                self._end_recorded(file)

    # Its programs

    def define(self, program: Program) -> None:
        """Write a platform program down, for the next start of supervisord."""
        self._prepare()
        self._write(define(program, self.settings))

    def add(self, program: Program) -> None:
        """Have a platform program run as defined, now: one that runs by another definition is replaced."""
        definition = define(program, self.settings)
        self._prepare()
        known = any(each.program == program.name for each in self.statuses([program.name]))
        if known and not self._same(definition):
            self.remove(program.name, grace=program.stop_grace)
        self.add_definition(definition)

    def add_definition(self, definition: Definition) -> None:
        """Write down and start; nothing happens when it runs already."""
        self._prepare()
        self._write(definition)
        self._call("add", definition.name, str(self._conf(definition.name)))

    def remove(self, name: str, *, grace: float) -> None:
        """SIGTERM, after `grace` seconds SIGKILL, and forget it. Returns when it is gone; unknown names are gone."""
        if self._call("stop", [name], float(grace)):
            self._wait_stopped([name], grace)
            if not _wait(lambda: bool(self._call("remove", name)), _KILL_SECONDS):
                raise Temporary(f"{name} does not end, not even by SIGKILL.")
        for process in (name, f"{name}-0", f"{name}-1"):
            record = self.run / "records" / process
            self._end_recorded(record)
            record.unlink(missing_ok=True)
            (self.run / "orders" / process).unlink(missing_ok=True)
        self._conf(name).unlink(missing_ok=True)

    def restart(self, name: str, *, grace: float) -> None:
        """Stop a known program and start it again."""
        self._call("stop", [name], float(grace))
        self._wait_stopped([name], grace)
        self._call("start", name)

    def statuses(self, names: Sequence[str] = ()) -> list[Status]:
        """These programs' processes, or everybody's. Unknown ones are absent. Raises `Temporary`."""
        return [_status(each) for each in json.loads(str(self._call("observe", list(names))))]

    def defined(self) -> list[str]:
        """Names of all programs written down."""
        return sorted(path.stem for path in (self.run / "programs").glob("*.conf"))

    # Inside

    def _end_control_plane(self) -> None:
        if self.alive():
            self._stop([_CONTROL_PLANE])
        else:  # it outlives a killed supervisord, and waits for our lock to start that again
            self._end_recorded(self.run / "records" / _CONTROL_PLANE)

    def _stop(self, names: Sequence[str]) -> None:
        """Stop programs, each within its own grace."""
        self._call("stop", list(names), -1.0)
        self._wait_stopped(names, max((_stop_seconds(self._conf(name)) for name in names), default=0.0))

    def _call(self, method: str, *arguments: object) -> object:
        return rpc.call(self.socket, f"highroad.{method}", *arguments)

    def _wait_stopped(self, names: Sequence[str], grace: float) -> None:
        if not names or self._wait_young(names, grace) or _wait(lambda: not self._unstopped(names), grace):
            return
        for name in self._unstopped(names):
            self._call("kill", name, int(signal.SIGKILL))
        if not _wait(lambda: not self._unstopped(names), _KILL_SECONDS):
            raise Temporary(f"{', '.join(sorted(self._unstopped(names)))} did not end within {_KILL_SECONDS:g} s.")

    def _wait_young(self, names: Sequence[str], grace: float) -> bool:
        """Repeat SIGTERM for what was started a moment ago: on its way to the app it is deaf (see `launch._become`)."""
        now = time.time()
        young = {each.program for each in self.statuses(names) if each.pid and now - each.since < _YOUNG}
        for pause in (each for each in (0.25, 0.75) if young and each < grace):
            if _wait(lambda: not self._unstopped(names), pause):
                return True
            for name in young & self._unstopped(names):
                self._call("kill", name, int(signal.SIGTERM))
        return False

    def _unstopped(self, names: Sequence[str]) -> set[str]:
        return {each.program for each in self.statuses(names) if each.pid is not None}

    def _prepare(self) -> None:
        for name in ("programs", "orders", "records", "pipes"):
            (self.run / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.settings.logs.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _conf(self, name: str) -> Path:
        return self.run / "programs" / f"{name}.conf"

    def _write(self, definition: Definition) -> None:
        for name, orders in definition.orders.items():
            _replace(self.run / "orders" / name, encode(orders))
        _replace(self._conf(definition.name), definition.section.encode())

    def _same(self, definition: Definition) -> bool:
        wanted = {self.run / "orders" / name: encode(orders) for name, orders in definition.orders.items()}
        wanted[self._conf(definition.name)] = definition.section.encode()
        return all(path.exists() and path.read_bytes() == content for path, content in wanted.items())

    def _start(self) -> None:
        if len(os.fsencode(self.socket)) > _SOCKET_PATH_LIMIT:
            raise SupervisorFailed(
                f"The path {self.socket} is longer than a Unix socket's may be.",
                next_step="Choose a data directory with a shorter path (`--data`).",
            )
        conf = self.run / "supervisord.conf"
        _replace(conf, self._configuration().encode())
        self.socket.unlink(missing_ok=True)
        root = str(Path(highroad.__file__).parents[1])
        code = f"import sys; sys.path.append({root!r}); from highroad.drivers.process.daemon import main; main()"
        env = {"PATH": PATH, "LANG": "C.UTF-8"}  # nothing of ours: every program would inherit it
        words = [sys.executable, "-I", "-c", code, "-c", str(conf)]
        try:
            started = subprocess.run(
                words,
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_START_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._failed(str(error)) from error
        if started.returncode != 0:
            raise self._failed((started.stderr + started.stdout).decode(errors="replace").strip()[-1000:])
        if not _wait(self.alive, _START_SECONDS):
            raise self._failed("it does not answer")

    def _failed(self, why: str) -> SupervisorFailed:
        log = self.settings.logs / "supervisord.log"
        return SupervisorFailed(f"supervisord did not start: {why}", next_step=f"Read {log}, then run `highroad up`.")

    def _configuration(self) -> str:
        escaped = {name: str(path).replace("%", "%%") for name, path in self._paths().items()}
        user = "user=root\n" if os.geteuid() == 0 else ""
        return (
            f"[unix_http_server]\nfile={escaped['socket']}\nchmod=0600\n\n"
            f"[supervisord]\nlogfile={escaped['log']}\nlogfile_maxbytes=5MB\nlogfile_backups=2\nloglevel=info\n"
            f"pidfile={escaped['pid']}\nchildlogdir={escaped['logs']}\nnodaemon=false\nnocleanup=true\n"
            f"umask=077\ndirectory=/\nminfds=4096\nminprocs=64\n{user}\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\n"
            "[rpcinterface:highroad]\n"
            "supervisor.rpcinterface_factory=highroad.drivers.process.daemon:make_interface\n\n"
            "[include]\nfiles=programs/*.conf\n"
        )

    def _paths(self) -> dict[str, Path]:
        logs = self.settings.logs
        return {"socket": self.socket, "log": logs / "supervisord.log", "pid": self.pid_file, "logs": logs}

    def _end_hung(self) -> None:
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _wait(lambda: not launch.started(pid), _KILL_SECONDS)

    def _records(self) -> list[Path]:
        return [path for path in (self.run / "records").iterdir() if path.suffix != ".partial"]

    def _holds_socket(self, process: str) -> bool:
        conf = self._conf(process.rpartition("-")[0])
        return conf.exists() and conf.read_text().startswith("[fcgi-program:")

    def _end_recorded(self, record: Path) -> None:
        pid = launch.recorded(str(record))
        if pid and pid not in (os.getpid(), os.getpgid(0)):
            launch.end_group(pid, 2.0)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.run / "supervisor.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _status(each: Mapping[str, object]) -> Status:
    raw = int(str(each["status"]))
    code = os.waitstatus_to_exitcode(raw) if raw >= 0 else None
    return Status(
        program=str(each["group"]),
        process=str(each["name"]),
        state=_STATES[int(str(each["state"]))],
        pid=int(str(each["pid"])) or None,
        since=float(str(each["since"])),
        tries=int(str(each["tries"])),
        exits=int(str(each["exits"])),
        code=128 - code if code is not None and code < 0 else code,
        ended=float(str(each["ended"])),
        error=str(each["error"]),
    )


def _stop_seconds(conf: Path) -> float:
    try:
        lines = conf.read_text().splitlines()
    except FileNotFoundError:
        return 0.0
    return float(next((line.partition("=")[2] for line in lines if line.startswith("stopwaitsecs=")), "10"))


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")  # of two writers at once, each its own
    partial.touch(mode=0o600)
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_TICK)
    return True
