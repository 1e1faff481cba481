"""Apps that behave badly, and what keeps them apart: real processes under a real supervisord."""

from __future__ import annotations

import http.server
import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from highroad.drivers.contract import Observed
from highroad.errors import Permanent
from highroad.sandbox import launch
from highroad.sandbox.run import never
from highroad.workload.model import File, Health, Limits
from tests.drivers.conftest import free_port, wait

if TYPE_CHECKING:
    from tests.drivers.conftest import Machine

MIB = 1024**2


@pytest.fixture(autouse=True)
def clean(machine: Machine) -> object:
    yield
    machine.driver.recover(list)


def seen(machine: Machine, instance_id: str) -> Observed:
    return machine.driver.observe([instance_id])[instance_id]


def test_the_port_is_injected(machine: Machine) -> None:
    spec = machine.spec("echo port=$PORT; exec sleep 600", port=free_port())
    machine.driver.start(spec)
    wait(lambda: machine.lines(spec) == [f"port={spec.port}"])


def test_an_app_that_heeds_sigterm_ends_by_itself(machine: Machine) -> None:
    spec = machine.spec("trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    machine.driver.start(spec)
    wait(lambda: machine.lines(spec) == ["ready"])
    machine.driver.stop(spec.id, grace=10)
    wait(lambda: machine.lines(spec)[-1] == "goodbye")


def test_an_app_that_ignores_sigterm_is_killed_after_the_grace(machine: Machine) -> None:
    spec = machine.spec("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    machine.driver.start(spec)
    wait(lambda: machine.lines(spec) == ["ready"])
    begun = time.monotonic()
    machine.driver.stop(spec.id, grace=0.5)
    assert 0.4 < time.monotonic() - begun < 8
    assert seen(machine, spec.id).state == "missing"


def test_children_end_with_their_app(machine: Machine) -> None:
    spec = machine.spec("setsid sleep 700.5 & sleep 700.5 & echo $!; exec sleep 600")
    machine.driver.start(spec)
    wait(lambda: machine.lines(spec))
    pid = seen(machine, spec.id).pid
    assert pid is not None
    machine.driver.stop(spec.id, grace=5)
    left = [each for each in os.listdir("/proc") if each.isdigit() and launch.started(int(each))]  # noqa: PTH208
    assert not [each for each in left if b"700.5" in _command_line(each)]


def _command_line(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""


def test_an_endless_log_is_rotated_and_starves_nobody(machine: Machine) -> None:
    flood = machine.spec("yes 0123456789012345678901234567890123456789")
    quiet = machine.spec("sleep 0.3; echo still here; exec sleep 600")
    machine.driver.start(flood)
    machine.driver.start(quiet)
    wait(lambda: machine.lines(quiet) == ["still here"], seconds=10)
    directory = next(machine.settings.logs.glob(f"apps/{flood.stream}"))
    wait(lambda: max(int(file.stem) for file in directory.iterdir()) > 20)
    assert sum(file.stat().st_size for file in directory.iterdir()) <= 4 * 96 * 1024
    machine.driver.stop(flood.id, grace=1)


def test_a_full_scratch_disk_is_the_apps_own_problem(machine: Machine) -> None:
    command = "dd if=/dev/zero of=/tmp/x bs=1M count=64; exec sleep 600"
    spec = machine.spec(command, limits=Limits(disk=8 * MIB))
    machine.driver.start(spec)
    wait(lambda: any("No space left on device" in line for line in machine.lines(spec)))
    assert seen(machine, spec.id).state == "running"


def test_an_app_that_eats_memory_is_killed_and_said_so(machine: Machine) -> None:
    if "memory" not in machine.level.cgroups.parents:
        pytest.skip("no memory cgroup can be written on this machine")
    spec = machine.spec("exec python -c 'x = b\"x\" * 300_000_000'", limits=Limits(memory=64 * MIB))
    machine.driver.start(spec)
    wait(lambda: seen(machine, spec.id).why == "killed: out of memory (limit 64 MiB)")


def test_a_crash_after_a_while_is_restarted_and_counted(machine: Machine) -> None:
    spec = machine.spec("test -e /tmp/x || sleep 1.5; exit 5")
    machine.driver.start(spec)
    wait(lambda: seen(machine, spec.id).restarts >= 1)
    assert seen(machine, spec.id).why == "exited with code 5"


def test_one_app_cannot_see_another_or_the_platform(machine: Machine) -> None:
    secret = machine.spec("echo up; exec sleep 600", env={"SECRET": "s3cret"}, artifact=machine.artifact(own="s3cret"))
    machine.driver.start(secret)
    wait(lambda: machine.lines(secret))
    pid = seen(machine, secret.id).pid
    data, other = machine.settings.data, secret.artifact
    said: list[bytes] = []
    command = f"cat /proc/{pid}/environ /proc/*/environ {other}/own; ls -R {data}; cat {data}/run/orders/*; kill {pid}"
    machine.driver.run(machine.spec(command), said.append, seconds=20, cancelled=never)
    output = b"".join(said)
    assert b"s3cret" not in output
    assert b"orders" not in output.replace(b"run/orders/*", b"")
    assert seen(machine, secret.id).pid == pid


@pytest.mark.skipif(os.geteuid() != 0, reason="a user of its own takes root")
def test_services_run_as_different_users(machine: Machine) -> None:
    one, two = machine.spec("id -u; exec sleep 600"), machine.spec("id -u; exec sleep 600")
    for spec in (one, two):
        machine.driver.start(spec)
    wait(lambda: machine.lines(one) and machine.lines(two))
    for spec in (one, two):
        assert machine.lines(spec) == [str(machine.settings.first_uid + spec.identity)]


def test_files_are_placed_as_asked(machine: Machine) -> None:
    files = (File("/etc/app/plain.txt", "plain"), File("/run/key", "a2V5", mode="0400", binary=True))
    spec = machine.spec("cat /etc/app/plain.txt /run/key; echo; stat -c %a /run/key; exec sleep 600", files=files)
    machine.driver.start(spec)
    wait(lambda: machine.lines(spec) == ["plainkey", "400"])


def test_a_file_that_is_not_base64_is_a_permanent_failure(machine: Machine) -> None:
    with pytest.raises(Permanent, match="cannot be placed"):
        machine.driver.start(machine.spec("true", files=(File("/x", "%", binary=True),)))


def test_a_missing_artifact_is_a_permanent_failure(machine: Machine) -> None:
    with pytest.raises(Permanent, match="does not exist"):
        machine.driver.start(replace(machine.spec("true"), artifact="/no/such/artifact"))


def test_a_health_command_runs_in_the_sandbox(machine: Machine) -> None:
    spec = machine.spec("exec sleep 600")
    machine.driver.start(spec)
    assert machine.driver.check(spec, Health("command", command="test -d $HOME")).healthy
    refused = machine.driver.check(spec, Health("command", command="echo not yet; exit 2"))
    assert refused.why == "`echo not yet; exit 2` ended with exit code 2: not yet"


def test_dev_stdout_can_be_opened_anew(machine: Machine) -> None:
    spec = machine.spec("echo reopened > /dev/stdout; exec sleep 600")
    machine.driver.start(spec)
    wait(lambda: machine.lines(spec) == ["reopened"])


def test_a_killed_supervisor_comes_back_with_its_apps(machine: Machine) -> None:
    spec = machine.spec("exec python -m http.server --bind 127.0.0.1 $PORT", port=free_port())
    machine.driver.start(spec)
    wait(lambda: machine.driver.check(spec, Health("tcp")).healthy)
    before, supervisor = seen(machine, spec.id).pid, machine.supervisor.pid()
    assert before is not None
    assert supervisor is not None
    os.kill(supervisor, 9)
    wait(lambda: not machine.supervisor.alive())
    assert launch.started(before)
    machine.driver.recover(lambda: [spec])
    wait(lambda: machine.driver.check(spec, Health("tcp")).healthy)
    wait(lambda: not launch.started(before))
    assert seen(machine, spec.id).state == "running"


def test_lines_written_while_the_collector_is_away_are_kept(machine: Machine) -> None:
    spec = machine.spec("i=0; while [ $i -lt 400 ]; do echo $i; i=$((i+1)); sleep 0.003; done; exec sleep 600")
    machine.driver.start(spec)
    wait(lambda: len(machine.lines(spec)) > 20)
    collector = machine.supervisor.statuses(["collector"])[0].pid
    assert collector is not None
    os.kill(collector, 15)
    wait(lambda: machine.lines(spec) == [str(number) for number in range(400)])


def test_dropped_lines_are_told(machine: Machine) -> None:
    spec = machine.spec("echo first; sleep 0.5; yes | head -n 400000; exec sleep 600")
    machine.driver.start(spec)
    wait(lambda: machine.lines(spec))
    cursor = machine.driver.read_logs(spec.stream, limit=1).cursor
    wait(lambda: machine.driver.read_logs(spec.stream, cursor=cursor).dropped)


def test_starting_costs_little_more_than_the_process(machine: Machine) -> None:
    spec = machine.spec("exec sleep 600")
    begun = time.monotonic()
    machine.driver.start(spec)
    assert time.monotonic() - begun < 1.0  # 15 ms on an idle machine


def test_whoever_took_an_instances_port_does_not_answer_for_it(machine: Machine) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as stranger:
        serving = threading.Thread(target=stranger.serve_forever)
        serving.start()
        spec = machine.spec("sleep 0.7; exit 1", port=stranger.server_port)
        machine.driver.start(spec)
        checked = []
        while seen(machine, spec.id).state != "given-up":
            checked += [machine.driver.check(spec, Health(kind)) for kind in ("http", "tcp")]
        stranger.shutdown()
        serving.join()
    assert not any(each.healthy for each in checked)
    assert {each.why for each in checked} & {f"port {spec.port} is taken by another program on this machine"}


def test_an_instance_listens_on_its_own_port_and_free_ones_alone(machine: Machine) -> None:
    if not machine.level.confines_ports:
        pytest.skip("this kernel does not confine ports")
    own, foreign = free_port(), free_port()
    script = (
        "import os, socket, time\n"
        f"for port in (int(os.environ['PORT']), 0, {foreign}):\n"
        "    try:\n"
        "        socket.create_server(('127.0.0.1', port)).close()\n"
        "    except PermissionError:\n"
        "        print('refused', flush=True)\n"
        "    else:\n"
        "        print('listens', flush=True)\n"
        "time.sleep(600)\n"
    )
    spec = machine.spec("exec python app.py", artifact=machine.artifact(app_py=script), port=own)
    machine.driver.start(spec)
    wait(lambda: len(machine.lines(spec)) == 3)
    assert machine.lines(spec) == ["listens", "listens", "refused"]
    machine.driver.stop(spec.id, grace=1)
    said: list[bytes] = []
    once = machine.spec(f"python -c 'import socket; socket.create_server((\"127.0.0.1\", {foreign}))'")
    assert machine.driver.run(once, said.append, seconds=20, cancelled=lambda: False).exit_code == 0, said


def test_a_large_output_is_fed_whole_and_leaves_no_pipe(machine: Machine) -> None:
    spec = machine.spec("true")
    with machine.driver.logged(spec) as feed:
        feed(b"0123456789\n" * 10_000)
    wait(lambda: machine.driver.read_logs(spec.stream, tail=1).lines)
    assert list((machine.settings.run / "pipes").glob("run.*")) == []


def test_the_pipe_of_a_command_that_highroad_left_behind_is_removed(machine: Machine) -> None:
    left = machine.settings.run / "pipes" / "run.ins_gone.pipe"
    os.mkfifo(left)
    left.with_suffix(".meta").write_text("x")
    with machine.driver.logged(machine.spec("true")) as feed:
        machine.driver.recover(list)
        feed(b"still there\n")
    assert not left.exists()
