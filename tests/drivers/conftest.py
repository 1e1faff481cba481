"""A real supervisord with its collector per test module, and the two drivers that share one contract."""

from __future__ import annotations

import itertools
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from highroad.drivers.contract import Driver, InstanceSpec, LogLine
from highroad.drivers.memory import MemoryDriver, Script
from highroad.drivers.process.driver import ProcessDriver
from highroad.drivers.process.program import collector_program
from highroad.drivers.process.supervisor import Supervisor
from highroad.errors import Permanent
from highroad.sandbox import cgroups
from highroad.sandbox.level import probe
from highroad.sandbox.model import Level
from highroad.settings import Settings

RUNTIME = str(Path(sys.executable).resolve().parents[1])
OUTPUT = 1024 * 1024
_numbers = itertools.count(1)


def wait(condition: Callable[[], object], seconds: float = 20.0) -> Any:
    """What the condition answers, as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return answer


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return cast(int, listener.getsockname()[1])


@dataclass
class Machine:
    """One installation's engine: settings, supervisord, sandbox level and a driver that gives up quickly."""

    settings: Settings
    supervisor: Supervisor
    level: Level
    driver: ProcessDriver

    def artifact(self, **files: str) -> str:
        path = self.settings.artifacts / f"artifact-{next(_numbers)}"
        path.mkdir()
        for name, text in files.items():
            (path / name.replace("_", ".", 1)).write_text(text)
        return str(path)

    def spec(self, command: str, **changes: Any) -> InstanceSpec:
        number = next(_numbers)
        values: dict[str, Any] = {
            "id": f"ins_{number}",
            "stream": f"stream-{number}",
            "label": "web.1",
            "command": command,
            "artifact": changes.pop("artifact", None) or self.artifact(),
            "mounts": (RUNTIME,),
            "identity": number,
            "env": {"PATH": f"{RUNTIME}/bin:/usr/bin:/bin", **changes.pop("env", {})},
        }
        return InstanceSpec(**{**values, **changes})

    def lines(self, spec: InstanceSpec) -> list[str]:
        return [line.text for line in self.driver.read_logs(spec.stream).lines]


def make_machine(**changes: Any) -> Machine:
    settings = Settings(Path(tempfile.mkdtemp(prefix="hr-")), **changes)
    settings.make_directories()
    supervisor = Supervisor(settings)
    supervisor.define(collector_program(settings))
    level = probe(settings)
    return Machine(settings, supervisor, level, ProcessDriver(settings, supervisor, level, settled=1, retries=1))


def dismantle(machine: Machine) -> None:
    machine.supervisor.shut_down()
    cgroups.remove_all(machine.level)
    shutil.rmtree(machine.settings.data)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    machine = make_machine(log_segment=64 * 1024, log_segments=3, build_output=OUTPUT)
    try:
        machine.supervisor.ensure()
        yield machine
    finally:
        dismantle(machine)


@dataclass
class Target:
    """A driver under the contract, and specs whose commands behave the same way on either."""

    driver: Driver
    make: Callable[..., InstanceSpec]
    commands: Mapping[str, str] = field(default_factory=dict)

    def spec(self, behaviour: str, **changes: Any) -> InstanceSpec:
        return self.make(self.commands[behaviour], **changes)

    def break_(self, spec: InstanceSpec) -> InstanceSpec:
        """The spec as it can never be started."""
        if isinstance(self.driver, MemoryDriver):
            self.driver.failures["start"].append(Permanent("no such directory"))
        return replace(spec, artifact="/no/such/artifact")

    def lines(self, spec: InstanceSpec, count: int) -> tuple[LogLine, ...]:
        """The stream's lines, once there are at least `count`."""
        found: tuple[LogLine, ...] = wait(
            lambda: lines if len(lines := self.driver.read_logs(spec.stream).lines) >= count else ()
        )
        return found


_SERVER = (
    "import http.server, os\n"
    "class Answer(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response(int(os.environ['STATUS'])); self.end_headers()\n"
    "http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Answer).serve_forever()\n"
)
_COMMANDS = {
    "serves": f'STATUS=204 exec python -c "{_SERVER}"',
    "refuses": f'STATUS=503 exec python -c "{_SERVER}"',
    "sleeps": "exec sleep 600",
    "crashes": "exit 3",
    "speaks": "printf 'one\\ntwo\\nthree\\n'; exec sleep 600",
    "fails": "echo oops; exit 4",
    "hangs": "echo begun; sleep 600",
    "floods": "yes 0123456789",
    "tells": "echo $TOLD; printf '%s' $TOLD | base64; exec sleep 600",
    "tells once": "printf hunter2; sleep 0.1; printf '%s\n' -is-long",
}
_SCRIPTS = {
    "refuses": Script(unhealthy="GET / answered 503"),
    "crashes": Script(crashes="exited with code 3"),
    "speaks": Script(says=("one", "two", "three")),
    "fails": Script(says=("oops",), exit_code=4),
    "tells": Script(says=("hunter2-is-long", "aHVudGVyMi1pcy1sb25n"), unhealthy="it says hunter2-is-long"),
    "tells once": Script(says=("hunter2-is-long",)),
    "hangs": Script(says=("begun",), hangs=True),
    "floods": Script(says=("0123456789",) * 200_000, hangs=True),
}


@pytest.fixture(params=["memory", "process"])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    if request.param == "process":
        machine = cast(Machine, request.getfixturevalue("machine"))
        yield Target(machine.driver, machine.spec, _COMMANDS)
        machine.driver.recover(list)
        return
    numbers = itertools.count(1)

    def make(command: str, **changes: Any) -> InstanceSpec:
        number = next(numbers)
        values = {"id": f"ins_{number}", "stream": f"s{number}", "label": "web.1", "artifact": "/nowhere", **changes}
        return InstanceSpec(command=command, **values)

    yield Target(MemoryDriver(_SCRIPTS, output_limit=OUTPUT), make, {name: name for name in _COMMANDS})
