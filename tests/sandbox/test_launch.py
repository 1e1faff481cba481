"""The launcher as supervisord starts it: a real process from real orders."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from highroad.sandbox import launch
from highroad.sandbox.prepare import Orders, encode, launcher


def start(directory: Path, orders: Orders) -> subprocess.Popen[bytes]:
    file = directory / "orders"
    file.write_bytes(encode(orders))
    return subprocess.Popen(
        launcher(str(file)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def wait(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_orders_survive_their_way_through_the_file(tmp_path: Path) -> None:
    orders = Orders(argv=("sh", "-c", "a\nb 'c'"), env=("A=b=c", "E="), rlimits=("CORE=0",), pipe="/p", record="/r")
    (tmp_path / "orders").write_bytes(encode(orders))
    read = launch.read_orders(str(tmp_path / "orders"))
    assert tuple(read["argv"]) == orders.argv
    assert read["env"] == ["A=b=c", "E="]
    assert (read["pipe"], read["record"], read["stdin"]) == (["/p"], ["/r"], ["null"])


def test_it_becomes_the_command_with_exactly_its_environment(tmp_path: Path) -> None:
    process = start(tmp_path, Orders(argv=("/usr/bin/env",), env=("ONLY=this",)))
    assert process.communicate(timeout=10)[0] == b"ONLY=this\n"


def test_the_command_has_ordinary_signals_and_limits(tmp_path: Path) -> None:
    script = "grep SigIgn /proc/self/status; ulimit -c; umask"
    process = start(tmp_path, Orders(argv=("/bin/sh", "-c", script), env=("PATH=/usr/bin:/bin",), rlimits=("CORE=0",)))
    ignored, core, mask = process.communicate(timeout=10)[0].splitlines()
    assert int(ignored.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0
    assert (core, mask) == (b"0", b"0022")


BINDING = """
import socket, sys
for host, port in (("127.0.0.1", 0), *((host, int(port)) for port in sys.argv[1:] for host in ("127.0.0.1", "::1"))):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        try:
            listener.bind((host, port))
        except OSError as error:
            print(port, type(error).__name__)
        else:
            print(port, "bound")
"""


def bound(directory: Path, ports: tuple[int, ...] | None, *tried: int) -> list[str]:
    """What a command that may bind `ports` says of port 0, and of each other at both loopback addresses."""
    command = (sys.executable, "-c", BINDING, *map(str, tried))
    return start(directory, Orders(argv=command, ports=ports)).communicate(timeout=20)[0].decode().splitlines()


@pytest.mark.skipif(launch.landlock_version() < launch.PORTS_VERSION, reason="this kernel does not confine ports")
def test_a_command_binds_the_ports_that_it_was_given_alone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        own, foreign = one.getsockname()[1], other.getsockname()[1]
    said = bound(tmp_path, (0, own), own, foreign)
    assert said[:2] == ["0 bound", f"{own} bound"]
    assert said[3:] == [f"{foreign} PermissionError"] * 2
    assert bound(tmp_path, ())[0] == "0 PermissionError"
    assert f"{foreign} bound" in bound(tmp_path, None, foreign)


def test_the_record_names_the_process_while_it_lives(tmp_path: Path) -> None:
    record = tmp_path / "record"
    process = start(tmp_path, Orders(argv=("/bin/sleep", "60"), record=str(record)))
    wait(record.exists)
    assert launch.recorded(str(record)) == process.pid
    process.kill()
    process.communicate()
    assert launch.recorded(str(record)) == 0


def test_a_second_start_ends_the_first_process_group(tmp_path: Path) -> None:
    record = tmp_path / "record"
    first = start(
        tmp_path, Orders(argv=("/bin/sh", "-c", "sleep 61 & sleep 61"), env=("PATH=/bin",), record=str(record))
    )
    wait(record.exists)
    second = start(tmp_path, Orders(argv=("/bin/echo", "second"), record=str(record)))
    assert second.communicate(timeout=10)[0] == b"second\n"
    assert first.wait(timeout=5) == -signal.SIGTERM
    first.communicate()


def test_a_record_of_another_boot_or_process_is_nobody(tmp_path: Path) -> None:
    record = tmp_path / "record"
    own = f"{os.getpid()} {launch.started(os.getpid())}"
    record.write_text(f"{own} {launch.boot()}\n")
    assert launch.recorded(str(record)) == os.getpid()
    record.write_text(f"{own} 00000000-0000-0000-0000-000000000000\n")
    assert launch.recorded(str(record)) == 0
    record.write_text(f"{os.getpid()} 1 {launch.boot()}\n")
    assert launch.recorded(str(record)) == 0


def test_output_goes_to_the_pipe_and_nobody_needs_to_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = start(tmp_path, Orders(argv=("/bin/sh", "-c", "echo out; echo err >&2"), pipe=str(pipe)))
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert process.wait(timeout=10) == 0
    assert os.read(reader, 100) == b"out\nerr\n"
    os.close(reader)
    process.communicate()


def test_what_cannot_start_says_why_and_ends_with_126(tmp_path: Path) -> None:
    process = start(tmp_path, Orders(argv=("/no/such/program",)))
    said = process.communicate(timeout=10)[0]
    assert process.returncode == 126
    assert said.startswith(b"highroad: starting /no/such/program failed:")
