"""supervisord with an interface of our own, run as the installation's supervisor (started by `supervisor.py`).

Why not plain supervisord: adding a program there re-reads every configuration file, it forgets how a process ended
when that was quick, and it notices an end only at its next tick, up to a second late. The interface `highroad`
(supervisord's documented extension point, `[rpcinterface:x]`) adds and removes one program from one file, remembers
exits, and collects ended processes whenever it is asked. Only supervisord's process imports this module.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import Any

from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions, UnhosedConfigParser
from supervisor.states import ProcessStates, SupervisorStates
from supervisor.supervisord import Supervisor
from supervisor.xmlrpc import Faults, RPCError

_RUNNING = (ProcessStates.STARTING, ProcessStates.RUNNING)


@dataclass(slots=True)
class Exits:
    """How a program's process ended last, and how often it did so by itself."""

    status: int = -1
    at: float = 0.0
    count: int = 0


class Options(ServerOptions):  # type: ignore[misc]  # supervisor has no types
    """supervisord's options, which also are its hands: `waitpid` is where ends become known."""

    def __init__(self) -> None:
        super().__init__()
        self.exits: dict[str, Exits] = {}

    def waitpid(self) -> tuple[int | None, int | None]:
        pid, status = super().waitpid()
        process = self.pidhistory.get(pid) if pid else None
        if process is not None:
            exits = self.exits.setdefault(process.config.name, Exits())
            exits.status, exits.at = status, time.time()
            exits.count += 0 if process.killing else 1
        return pid, status


class Interface:
    """The XML-RPC namespace `highroad`. A program is a group of its own name with one or more processes."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord

    def add(self, name: str, file: str) -> bool:
        """Add the program of a configuration file and start it; False when it exists and runs."""
        self._accept()
        if name not in self._supervisord.process_groups:
            parser = UnhosedConfigParser()
            parser.read(file)
            try:
                for config in self._supervisord.options.process_groups_from_parser(parser):
                    self._supervisord.add_process_group(config)
            except ValueError as error:
                raise RPCError(Faults.CANT_REREAD, str(error)) from error
        return self.start(name)

    def start(self, name: str) -> bool:
        """Start those of the program's processes that do not run; False when all do."""
        self._accept()
        stopped = [each for each in self._processes(name) if self._resting(each)]
        for process in stopped:
            process.spawn()
            process.transition()
        self._supervisord.reap()
        return bool(stopped)

    def stop(self, names: list[str], seconds: float) -> bool:
        """SIGTERM; SIGKILL follows after `seconds`, negative: what the program says. Unknown names are skipped."""
        known = [name for name in names if name in self._supervisord.process_groups]
        for process in (each for name in known for each in self._processes(name)):
            if seconds >= 0:
                process.config.stopwaitsecs = seconds
            if process.state in _RUNNING or process.state == ProcessStates.BACKOFF:
                process.stop()
            elif process.state == ProcessStates.EXITED:
                process.change_state(ProcessStates.STOPPED)  # else it would be started again at the next tick
        self._supervisord.reap()
        return bool(known)

    def kill(self, name: str, number: int) -> bool:
        """A signal to all that is left of a program that `stop` was called for."""
        for process in self._processes(name):
            if process.pid and process.state == ProcessStates.STOPPING:
                until = process.delay  # `kill` would begin the patience anew
                process.kill(number)
                process.delay = until
        return True

    def remove(self, name: str) -> bool:
        """Forget a program whose processes have all ended; False while one has not."""
        self._supervisord.reap()
        if name not in self._supervisord.process_groups:
            return True
        removed = bool(self._supervisord.remove_process_group(name))
        if removed:
            self._supervisord.options.exits.pop(name, None)
        return removed

    def observe(self, names: list[str]) -> str:
        """State of these programs, or of all when the list is empty: a JSON list with one object per process, because
        200 of them as XML-RPC structures keep supervisord busy for 100 ms."""
        self._supervisord.reap()
        wanted = names or list(self._supervisord.process_groups)
        groups = [self._supervisord.process_groups[name] for name in wanted if name in self._supervisord.process_groups]
        return json.dumps([self._describe(group, process) for group in groups for process in group.processes.values()])

    def _describe(self, group: Any, process: Any) -> dict[str, Any]:
        exits = self._supervisord.options.exits.get(process.config.name, Exits())
        return {
            "group": group.config.name,
            "name": process.config.name,
            "state": int(process.state),
            "pid": process.pid,
            "since": float(process.laststart),
            "tries": process.backoff,
            "exits": exits.count,
            "status": exits.status,
            "ended": exits.at,
            "error": process.spawnerr or "",
        }

    def _accept(self) -> None:
        if self._supervisord.options.mood < SupervisorStates.RUNNING:
            raise RPCError(Faults.SHUTDOWN_STATE)

    def _resting(self, process: Any) -> bool:
        return process.state in (ProcessStates.STOPPED, ProcessStates.EXITED, ProcessStates.FATAL)

    def _processes(self, name: str) -> list[Any]:
        group = self._supervisord.process_groups.get(name)
        if group is None:
            raise RPCError(Faults.BAD_NAME, name)
        return list(group.processes.values())


def make_interface(supervisord: Any) -> Interface:
    return Interface(supervisord)


def main() -> None:
    """Run until told to stop; as `supervisor.supervisord.main`, with our options and without its reload loop."""
    options = Options()
    options.realize(sys.argv[1:])
    options.first = True
    options.test = False
    try:
        Supervisor(options).main()
    except ExitNow:
        return  # told to stop, and every program has
    finally:
        options.close_httpservers()
        options.close_logger()
