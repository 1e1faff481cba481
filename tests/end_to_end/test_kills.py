"""Processes of Highroad are killed: apps serve on or again, and what was under way comes to its end."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from tests.end_to_end.apps import web
from tests.end_to_end.installation import Developer, Installation, read, wait

SLOW_BUILD = {"highroad.yaml": "build: {commands: ['echo building; sleep 1']}\n"}
SPEAKS = """
def speak():
    number = 0
    while True:
        number += 1
        print("line", number, flush=True)
        time.sleep(0.05)
threading.Thread(target=speak, daemon=True).start()
"""


@pytest.fixture
def developer(installation: Installation) -> Developer:
    return installation.developer(web("one"))


def test_a_run_goes_on_when_the_control_plane_is_killed(developer: Developer) -> None:
    developer.commit({**web("two"), **SLOW_BUILD})
    with developer.pushing() as push:
        push.until("building")
        developer.installation.kill("control-plane")
        push.end()
    wait(lambda: developer.answers("two"))
    wait(lambda: developer.last_run()["state"] == "succeeded")
    assert developer.last_run()["number"] == 2


def test_a_deployment_goes_on_when_the_control_plane_is_killed(developer: Developer) -> None:
    developer.commit(web("two", "time.sleep(1)"))
    with developer.pushing() as push:
        push.until("Starting web.1")
        developer.installation.kill("control-plane")
        push.end()
    wait(lambda: developer.answers("two"))


def test_apps_serve_while_the_control_plane_is_gone(developer: Developer) -> None:
    installation = developer.installation
    os.kill(installation.pid("control-plane"), signal.SIGKILL)
    assert developer.get() == (200, "one")


def test_apps_serve_again_when_the_router_is_killed(developer: Developer) -> None:
    statuses = developer.installation.supervisor.statuses(["router"])
    router = next(each.pid for each in statuses if each.process == "router-0")
    assert router is not None
    os.kill(router, signal.SIGKILL)
    assert developer.get() == (200, "one"), "the socket outlives the router, so requests only wait"
    assert "is live" in developer.ship(web("two"))


def test_logs_go_on_when_the_collector_is_killed(installation: Installation) -> None:
    speaks = "import threading\n" + SPEAKS
    developer = installation.developer(web("one", speaks))
    wait(lambda: "line 3" in developer.logs())
    installation.kill("collector")
    before = developer.logs().count("line")
    wait(lambda: developer.logs().count("line") > before + 10)
    numbers = [int(line.split()[-1]) for line in developer.logs().splitlines() if "line " in line]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "lines were lost"


def test_everything_comes_back_when_the_supervisor_is_killed(developer: Developer) -> None:
    supervisor = developer.installation.supervisor
    pid = supervisor.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait(lambda: supervisor.pid() not in (None, pid))
    wait(lambda: developer.answers("one"))
    wait(developer.installation.answers)
    assert "is live" in developer.ship(web("two"))


def test_a_rebooted_machine_serves_again_after_up(developer: Developer) -> None:
    installation = developer.installation
    developer.commit({**web("two"), **SLOW_BUILD})
    with developer.pushing() as push:
        push.until("building")
        while left := [pid for pid in installation.processes() if not _is_push(pid)]:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        push.end()
    assert not installation.answers()
    installation.up()
    wait(lambda: developer.answers("two"))
    assert developer.last_run()["state"] == "succeeded"


def test_up_and_down_are_repeatable(developer: Developer) -> None:
    installation = developer.installation
    assert "is stopped" in installation.run("highroad", "down")
    assert "was not running" in installation.run("highroad", "down")
    assert installation.processes() == []
    installation.up()
    wait(lambda: developer.answers("one"))
    assert "running already" in installation.run("highroad", "up")


def test_another_port_is_not_taken_while_it_runs(installation: Installation) -> None:
    said = installation.run("highroad", "up", "--port", "1")
    assert f"running already at {installation.url}" in said
    assert installation.settings.port == installation.port


def _is_push(pid: int) -> bool:
    return b"git" in read(pid, "cmdline").split(b"\0")[0]
