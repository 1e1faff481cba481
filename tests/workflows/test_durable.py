"""The durable engine underneath does what is used of it, and only that."""

from __future__ import annotations

import inspect
import logging
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dbos._dbos as dbos_launch
import pytest
from dbos._queue import Queue, queue_worker_thread

from highroad.errors import NotFound
from highroad.kit.clock import now
from highroad.workflows.durable import DaemonThreads, Durable, PlainJSON
from highroad.workflows.engine import Engine

if TYPE_CHECKING:
    from tests.workflows.conftest import Build


def _run_one(engine: Engine, subject_id: str = "dep_1") -> None:
    engine.launch()
    engine.start("deployment", subject_id)
    assert engine.wait("deployment", subject_id, seconds=20) in ("done", "lost")


def test_the_private_names_that_are_replaced_are_where_the_launch_looks_them_up() -> None:
    launch = inspect.getsource(dbos_launch.DBOS._launch)
    for name in ("ThreadPoolExecutor(", "queue_thread,", "background_jobs_thread,", "dynamic_scheduler_loop,"):
        assert name in launch
    assert "_sys_db.run_notification_listener" in launch
    assert list(inspect.signature(queue_worker_thread).parameters) == ["stop_event", "dbos", "queue"]
    assert "queue._polling_interval_sec" in inspect.getsource(queue_worker_thread)
    assert "polling_interval_sec" in inspect.signature(Queue.__init__).parameters


def test_a_launched_engine_keeps_no_poller_besides_its_own(build: Build) -> None:
    before = set(threading.enumerate())
    build().launch()
    names = sorted(thread.name for thread in set(threading.enumerate()) - before)
    assert len(names) == 3, names
    assert [
        name for name in names if "_claim_recovered" in name or "_run_event_loop" in name or "keeper" in name
    ] == names


def test_the_process_is_quiet_about_ordinary_work(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        engine = build()
        engine.register("deployment", lambda run, subject_id: run.step("build", lambda: 1))
        _run_one(engine)
        engine.destroy()
    assert caplog.records == []


def test_nothing_is_pickled_and_what_is_stored_reads_as_json(tmp_path: Path) -> None:
    engine = Engine(f"sqlite:///{tmp_path}/highroad.sqlite", version="1.0", executor="one")
    engine.register("deployment", lambda run, subject_id: run.step("build", lambda: {"artifact": "abc"}))
    _run_one(engine)
    engine.destroy()
    connection = sqlite3.connect(tmp_path / "workflows.sqlite")
    stored = connection.execute("SELECT output, serialization FROM operation_outputs").fetchall()
    mode = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    assert stored == [('{"result": {"artifact": "abc"}}', "highroad_json")]
    assert mode == ("wal",)


def test_an_exception_is_stored_as_its_text() -> None:
    stored = PlainJSON().serialize(NotFound("no moon", next_step="Look elsewhere."))
    assert "no moon" in PlainJSON().deserialize(stored)["lost"]


def test_old_finished_workflows_are_forgotten_and_running_ones_kept(build: Build) -> None:
    go_on, waits = threading.Event(), threading.Event()

    def wait() -> None:
        waits.set()
        go_on.wait(60)

    engine = build()
    engine.register("deployment", lambda run, subject_id: run.step("build", lambda: 1))
    engine.register("build", lambda run, subject_id: run.step("build", wait))
    _run_one(engine)
    engine.start("build", "b1")
    assert waits.wait(20)
    durable = engine._require_durable()
    assert durable.forget(now() - timedelta(days=1)) == 0
    assert durable.forget(now() + timedelta(days=1)) == 1
    assert (engine.state("deployment", "dep_1"), engine.state("build", "b1")) == ("unknown", "running")
    go_on.set()


def test_one_engine_in_a_process_at_a_time(build: Build, tmp_path: Path) -> None:
    build().launch()
    with pytest.raises(RuntimeError, match="launched in this process already"):
        Durable(f"sqlite:///{tmp_path}/other.sqlite", executor="two", bodies={})


def test_a_task_of_a_daemon_thread_ends_in_its_future() -> None:
    threads = DaemonThreads()
    assert threads.submit(lambda: threading.current_thread().daemon).result(10)
    with pytest.raises(SystemExit):
        threads.submit(_exit).result(10)


def _exit() -> None:
    raise SystemExit
