"""The installation's supervisord: kept alive, programs of the platform, sockets that outlive a killed program."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import highroad
from highroad.drivers.errors import SupervisorFailed
from highroad.drivers.process.program import Program
from highroad.drivers.process.supervisor import Supervisor
from highroad.sandbox import launch
from highroad.settings import Settings
from tests.drivers.conftest import dismantle, free_port, make_machine, wait

if TYPE_CHECKING:
    from tests.drivers.conftest import Machine

ANSWER = """
import socket, os
listener = socket.socket(fileno=0)
while True:
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""


@pytest.fixture
def own(machine: Machine) -> Iterator[Machine]:
    """A machine of the test's own, to shut down or break."""
    own = make_machine()
    try:
        yield own
    finally:
        dismantle(own)


def ask(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        return connection.recv(100).decode()


def test_ensuring_what_runs_changes_nothing(machine: Machine) -> None:
    pid = machine.supervisor.pid()
    assert pid is not None
    assert machine.supervisor.ensure() is False
    assert machine.supervisor.pid() == pid


def test_its_socket_and_files_are_for_the_owner_alone(machine: Machine) -> None:
    assert machine.supervisor.socket.stat().st_mode & 0o777 == 0o600
    assert all(file.stat().st_mode & 0o077 == 0 for file in (machine.settings.run / "orders").iterdir())


def test_programs_inherit_no_secret(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = machine.supervisor.pid()
    environ = Path(f"/proc/{pid}/environ").read_bytes()
    assert {pair.split(b"=")[0] for pair in environ.split(b"\0") if pair} <= {b"PATH", b"LANG", b"LC_CTYPE"}


def test_a_program_runs_with_its_environment_and_is_removed(machine: Machine) -> None:
    log = machine.settings.logs / "greeter.log"
    command = ("/bin/sh", "-c", "echo $GREETING; exec sleep 600")
    machine.supervisor.add(Program(name="greeter", command=command, env={"GREETING": "100% 'hi'", "PATH": "/bin"}))
    wait(lambda: log.exists() and log.read_text() == "100% 'hi'\n")
    machine.supervisor.remove("greeter", grace=5)
    assert machine.supervisor.statuses(["greeter"]) == []
    assert "greeter" not in machine.supervisor.defined()


def test_a_changed_program_is_replaced_and_an_unchanged_one_stays(machine: Machine) -> None:
    def pid() -> int | None:
        return machine.supervisor.statuses(["changing"])[0].pid

    machine.supervisor.add(Program(name="changing", command=("/bin/sleep", "600")))
    first = pid()
    machine.supervisor.add(Program(name="changing", command=("/bin/sleep", "600")))
    assert pid() == first
    machine.supervisor.add(Program(name="changing", command=("/bin/sleep", "601")))
    assert pid() != first
    machine.supervisor.remove("changing", grace=5)


def test_a_killed_program_comes_back_and_its_socket_never_left(machine: Machine) -> None:
    port = free_port()
    program = Program(name="answerer", command=(sys.executable, "-c", ANSWER), socket=("127.0.0.1", port))
    machine.supervisor.add(program)
    first = ask(port)
    os.kill(int(first), 9)
    assert ask(port) != first  # waits in the backlog until the new one accepts
    machine.supervisor.remove("answerer", grace=5)


def test_a_killed_supervisor_comes_back_with_every_program(own: Machine) -> None:
    port = free_port()
    own.supervisor.define(Program(name="answerer", command=(sys.executable, "-c", ANSWER), socket=("127.0.0.1", port)))
    own.supervisor.define(Program(name="plain", command=("/bin/sleep", "600")))
    own.supervisor.ensure()
    before = {each.process: each.pid for each in own.supervisor.statuses()}
    pid = own.supervisor.pid()
    assert pid is not None
    ask(port)
    os.kill(pid, 9)
    wait(lambda: not own.supervisor.alive())
    assert own.supervisor.ensure() is True
    ask(port)
    after = {each.process: each.pid for each in own.supervisor.statuses()}
    assert after.keys() == before.keys()
    wait(lambda: not any(launch.started(each) for each in before.values() if each))


def test_shutting_down_ends_everything_and_keeps_definitions(own: Machine) -> None:
    own.supervisor.define(Program(name="plain", command=("/bin/sleep", "600")))
    own.supervisor.ensure()
    spec = own.spec("exec sleep 600")
    own.driver.start(spec)
    pids = [each.pid for each in own.supervisor.statuses() if each.pid]
    own.supervisor.shut_down()
    assert len(pids) == 3
    assert not any(launch.started(pid) for pid in pids)
    assert own.supervisor.pid() is None
    own.supervisor.ensure()
    assert {each.program for each in own.supervisor.statuses()} == {"collector", "plain", f"app.{spec.id}"}


def test_a_busy_port_is_told(own: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        own.supervisor.define(Program(name="router", command=("/bin/true",), socket=("127.0.0.1", port)))
        with pytest.raises(SupervisorFailed, match="Address already in use"):
            own.supervisor.ensure()
    own.supervisor.ensure()


def test_too_long_a_path_is_told(tmp_path: Path) -> None:
    settings = Settings(tmp_path / ("x" * 100))
    settings.make_directories()
    with pytest.raises(SupervisorFailed, match="longer than a Unix socket"):
        Supervisor(settings).ensure()


_KEEPER = """
import signal, sys, threading
from pathlib import Path
from highroad.drivers.process.supervisor import Supervisor
from highroad.settings import Settings
supervisor = Supervisor(Settings(Path(sys.argv[1])))
asked = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: asked.set())
Path(sys.argv[1], "keeping").write_text("")
def keep():
    while True:
        supervisor.ensure()
threading.Thread(target=keep, daemon=True).start()
asked.wait()
asked.clear()
asked.wait(0.5)  # finishes its work
Path(sys.argv[1], "ended").write_text("")
"""


def keeper(own: Machine) -> Program:
    """A control plane that starts supervisord again whenever that is gone."""
    root = str(Path(highroad.__file__).parents[1])
    command = (sys.executable, "-c", _KEEPER, str(own.settings.data))
    return Program(name="control-plane", command=command, env={"PYTHONPATH": root})


def test_the_control_plane_has_ended_before_anything_else_is_told_to(own: Machine) -> None:
    ended, log = own.settings.data / "ended", own.settings.logs / "other.log"
    script = f"trap 'test -e {ended} && echo after || echo before; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    own.supervisor.define(Program(name="other", command=("/bin/sh", "-c", script), env={"PATH": "/bin:/usr/bin"}))
    own.supervisor.define(keeper(own))
    own.supervisor.ensure()
    wait(lambda: log.exists() and log.read_text() == "up\n")
    wait((own.settings.data / "keeping").exists)
    own.supervisor.shut_down()
    assert log.read_text().splitlines()[-1] == "after"


def test_what_is_shut_down_is_not_started_again_by_the_control_plane(own: Machine) -> None:
    own.supervisor.define(keeper(own))
    own.supervisor.ensure()
    wait((own.settings.data / "keeping").exists)
    keeping = own.supervisor.statuses(["control-plane"])[0].pid
    assert keeping is not None
    pid = own.supervisor.pid()
    assert pid is not None
    os.kill(pid, 9)
    own.supervisor.shut_down()
    wait(lambda: not launch.started(keeping))
    assert not own.supervisor.alive()
    assert own.supervisor.pid() is None


def test_shutting_down_waits_for_whoever_starts_it_at_the_moment(own: Machine) -> None:
    own.supervisor.ensure()
    with ThreadPoolExecutor(1) as pool:
        with (own.settings.run / "supervisor.lock").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            ending = pool.submit(own.supervisor.shut_down)
            with pytest.raises(TimeoutError):
                ending.result(timeout=0.5)
            assert own.supervisor.alive()
        ending.result()
    assert not own.supervisor.alive()


def test_two_writers_of_one_definition_do_not_disturb_each_other(machine: Machine) -> None:
    program = Program(name="shared", command=("/bin/sleep", "600"))
    with ThreadPoolExecutor(8) as pool:
        for written in [pool.submit(machine.supervisor.define, program) for _ in range(200)]:
            written.result()
    assert not list(machine.settings.run.glob("*/*.partial"))
    machine.supervisor.remove("shared", grace=1)
