"""Several control planes on one PostgreSQL database: the living take over from the dead, and zombies record nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from highroad.workflows import lease
from highroad.workflows.engine import Engine
from highroad.workflows.run import Run

# A control plane that begins a deployment and hangs in its second step until a file `go on` appears.
OTHER = """
import sys, time
from pathlib import Path
from highroad.workflows.engine import Engine
url, directory = sys.argv[1], Path(sys.argv[2])
def second():
    (directory / "hangs").touch()
    while not (directory / "go on").exists():
        time.sleep(0.01)
    (directory / "zombie acted").touch()
def deploy(run, subject_id):
    run.step("first", (directory / "first").open("a").write, "x")
    run.step("second", second)
    run.step("third", (directory / "zombie went on").touch)
engine = Engine(url, version="1.0", executor="other", heartbeat=0.2)
engine.register("deployment", deploy)
engine.launch()
engine.start("deployment", "dep_1")
time.sleep(60)
"""


def _until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)


@contextmanager
def _other(url: str, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", OTHER, url, str(directory)])
    try:
        _until((directory / "hangs").exists)
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _taking_over(url: str, effects: list[str]) -> Iterator[Engine]:
    def deploy(run: Run, subject_id: str) -> None:
        for name in ("first", "second", "third"):
            run.step(name, effects.append, name)

    engine = Engine(url, version="1.0", executor="one", heartbeat=0.2)
    engine.register("deployment", deploy)
    engine.launch()
    try:
        yield engine
    finally:
        engine.destroy()


@pytest.fixture
def leases(postgres_database: str) -> Iterator[sa.Engine]:
    database = sa.create_engine(postgres_database.replace("postgresql://", "postgresql+psycopg://"))
    with database.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA dbos"))
        connection.execute(sa.text("CREATE TABLE dbos.workflow_status (executor_id text, status text)"))
    lease.prepare(database)
    yield database
    database.dispose()


def _pending(database: sa.Engine, *executors: str) -> None:
    with database.begin() as connection:
        for executor in executors:
            connection.execute(sa.text("INSERT INTO dbos.workflow_status VALUES (:e, 'PENDING')"), {"e": executor})


def test_an_executor_with_pending_work_and_no_fresh_lease_is_dead(leases: sa.Engine) -> None:
    _pending(leases, "alive", "dead", "dead")
    lease.renew(leases, "alive", 60)
    lease.renew(leases, "idle", 60)
    assert lease.dead(leases, 60) == ["dead"]


def test_a_lease_that_was_given_up_or_has_lapsed_is_no_lease(leases: sa.Engine) -> None:
    _pending(leases, "one", "two")
    lease.renew(leases, "one", 60)
    lease.renew(leases, "two", 60)
    lease.release(leases, "two")
    assert lease.dead(leases, 60) == ["two"]
    assert sorted(lease.dead(leases, 0)) == ["one", "two"]


def test_renewing_tells_whether_the_lease_was_still_held(leases: sa.Engine) -> None:
    assert [lease.renew(leases, "one", 60), lease.renew(leases, "one", 60), lease.renew(leases, "one", 0)] == [
        False,
        True,
        False,
    ]


def test_preparing_twice_is_harmless(leases: sa.Engine) -> None:
    lease.prepare(leases)


def test_the_work_of_a_killed_control_plane_is_continued_by_another(postgres_database: str, tmp_path: Path) -> None:
    effects: list[str] = []
    with _other(postgres_database, tmp_path) as other, _taking_over(postgres_database, effects) as engine:
        assert engine.state("deployment", "dep_1") == "running"
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert engine.wait("deployment", "dep_1", seconds=20) == "done"
    assert effects == ["second", "third"]
    assert (tmp_path / "first").read_text() == "x"


def test_the_work_of_a_living_control_plane_is_left_alone(postgres_database: str, tmp_path: Path) -> None:
    effects: list[str] = []
    with _other(postgres_database, tmp_path), _taking_over(postgres_database, effects) as engine:
        engine.start("deployment", "dep_2")
        assert engine.wait("deployment", "dep_2", seconds=20) == "done"
        assert engine.wait("deployment", "dep_1", seconds=2.0) == "running"
    assert effects == ["first", "second", "third"]


def test_a_zombie_finishes_its_step_and_goes_no_further(postgres_database: str, tmp_path: Path) -> None:
    effects: list[str] = []
    with _other(postgres_database, tmp_path) as other, _taking_over(postgres_database, effects) as engine:
        os.kill(other.pid, signal.SIGSTOP)
        assert engine.wait("deployment", "dep_1", seconds=20) == "done"
        (tmp_path / "go on").touch()
        os.kill(other.pid, signal.SIGCONT)
        _until((tmp_path / "zombie acted").exists)
        assert engine.wait("deployment", "dep_1", seconds=1.0) == "done"
    assert effects == ["second", "third"]
    assert not (tmp_path / "zombie went on").exists()
