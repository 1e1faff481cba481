"""Runs on real databases: started once, continued after a restart, never lost in silence."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from highroad.errors import Conflict, Permanent
from highroad.workflows.engine import (
    MOST_RECOVERIES,
    AlreadyRunning,
    DatabaseUnreachable,
    Engine,
    NotRunning,
    workflow_database,
)
from highroad.workflows.run import Run, Step, Unobserved

if TYPE_CHECKING:
    from tests.workflows.conftest import Build


class Died(BaseException):
    """A process's end, as a workflow's thread sees it."""


class DiesBefore(Unobserved):
    def __init__(self, name: str) -> None:
        self.name = name
        self.died = threading.Event()

    def before(self, run: Run, step: Step) -> None:
        if step.name == self.name:
            self.died.set()
            raise Died


def test_what_was_lost_can_be_begun_anew_and_what_is_at_work_is_left_alone(build: Build) -> None:
    goes_well, calls = threading.Event(), list[str]()

    def function(run: Run, subject_id: str) -> None:
        run.step("only", calls.append, subject_id)
        if not goes_well.is_set():
            raise Permanent("not this time")

    engine = build()
    engine.register("removal", function)
    engine.launch()
    engine.start_anew("removal", "a")
    assert engine.wait("removal", "a", seconds=20) == "lost"
    engine.start("removal", "a")
    assert engine.state("removal", "a") == "lost"
    goes_well.set()
    engine.start_anew("removal", "a")
    assert engine.wait("removal", "a", seconds=20) == "done"
    assert calls == ["a", "a"]


class Lost:
    """Hears of lost workflows; refuses the first `deaf` times."""

    def __init__(self, deaf: int = 0) -> None:
        self.heard: list[tuple[str, str, str]] = []
        self.deaf = deaf

    def __call__(self, name: str, subject_id: str, error: Exception) -> None:
        if self.deaf:
            self.deaf -= 1
            raise ConnectionError("database gone")
        self.heard.append((name, subject_id, type(error).__name__))


def _two_steps(effects: list[str]) -> Callable[[Run, str], None]:
    def function(run: Run, subject_id: str) -> None:
        run.step("build", effects.append, f"build {subject_id}")
        run.step("start", effects.append, f"start {subject_id}")

    return function


def _until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.005)


def _die_before(build: Build, step: str, function: Callable[[Run, str], None], **options: object) -> None:
    """A process that begins `deployment:dep_1` and dies before a step."""
    observer = DiesBefore(step)
    engine = build(observer=observer, **options)
    engine.register("deployment", function)
    engine.launch()
    engine.start("deployment", "dep_1")
    assert observer.died.wait(20)
    engine.destroy()


def test_a_run_executes_its_steps_in_order_and_is_done(build: Build) -> None:
    effects: list[str] = []
    engine = build()
    engine.register("deployment", _two_steps(effects))
    engine.launch()
    engine.start("deployment", "dep_1")
    assert engine.wait("deployment", "dep_1", seconds=20) == "done"
    assert effects == ["build dep_1", "start dep_1"]


def test_starting_twice_at_once_executes_once(build: Build) -> None:
    effects: list[str] = []
    engine = build()
    engine.register("deployment", _two_steps(effects))
    engine.launch()
    starters = [threading.Thread(target=engine.start, args=("deployment", "dep_1")) for _ in range(4)]
    for each in starters:
        each.start()
    for each in starters:
        each.join()
    assert engine.wait("deployment", "dep_1", seconds=20) == "done"
    engine.start("deployment", "dep_1")
    assert effects == ["build dep_1", "start dep_1"]


def test_a_run_started_before_the_launch_has_ended_begins_with_it(build: Build) -> None:
    effects: list[str] = []
    engine = build()
    engine.register("deployment", _two_steps(effects))
    engine.start("deployment", "dep_1")
    engine.launch()
    assert engine.wait("deployment", "dep_1", seconds=20) == "done"


def test_a_run_started_from_within_a_step_is_a_run_of_its_own(build: Build) -> None:
    effects: list[str] = []
    engine = build()
    engine.register("deployment", _two_steps(effects))
    engine.register("pipeline", lambda run, subject_id: run.step("deploy", engine.start, "deployment", "dep_1"))
    engine.launch()
    engine.start("pipeline", "run_1")
    assert engine.wait("pipeline", "run_1", seconds=20) == "done"
    assert engine.wait("deployment", "dep_1", seconds=20) == "done"


def test_after_a_death_the_run_continues_from_the_last_completed_step(build: Build) -> None:
    effects: list[str] = []
    _die_before(build, "start", _two_steps(effects))
    assert effects == ["build dep_1"]
    engine = build()
    engine.register("deployment", _two_steps(effects))
    engine.launch()
    assert engine.wait("deployment", "dep_1", seconds=20) == "done"
    assert effects == ["build dep_1", "start dep_1"]


def test_a_newer_version_continues_what_an_older_one_began(build: Build) -> None:
    effects: list[str] = []
    _die_before(build, "start", _two_steps(effects), version="1.0")
    begun_by: list[str] = []

    def appended(run: Run, subject_id: str) -> None:
        _two_steps(effects)(run, subject_id)
        run.step("tell", begun_by.append, run.begun_by)

    engine = build(version="2.0")
    engine.register("deployment", appended)
    engine.launch()
    assert engine.wait("deployment", "dep_1", seconds=20) == "done"
    assert effects == ["build dep_1", "start dep_1"]
    assert begun_by == ["1.0"]


def test_a_run_whose_steps_changed_is_begun_again_by_the_newer_version(build: Build) -> None:
    effects: list[str] = []
    _die_before(build, "start", _two_steps(effects), version="1.0")
    taken: list[tuple[int, str]] = []

    def changed(run: Run, subject_id: str) -> None:
        run.step("scan", taken.append, (run.attempt, "scan"))
        run.step("start", taken.append, (run.attempt, "start"))

    engine = build(version="2.0")
    engine.register("deployment", changed)
    engine.launch()
    _until(lambda: len(taken) == 2)
    assert engine.wait("deployment", "dep_1", seconds=20) == "done"
    assert taken == [(2, "scan"), (2, "start")]


def test_an_error_that_escapes_is_reported_and_recorded(build: Build) -> None:
    lost = Lost()
    engine = build(on_lost=lost)

    def function(run: Run, subject_id: str) -> None:
        run.step("pull", _refuse)

    engine.register("deployment", function)
    engine.launch()
    engine.start("deployment", "dep_1")
    assert engine.wait("deployment", "dep_1", seconds=20) == "lost"
    assert lost.heard == [("deployment", "dep_1", "Permanent")]


def test_a_loss_that_could_not_be_reported_is_reported_later(build: Build) -> None:
    lost = Lost(deaf=1)
    engine = build(on_lost=lost, heartbeat=0.02)
    engine.register("deployment", lambda run, subject_id: run.step("pull", _refuse))
    engine.launch()
    engine.start("deployment", "dep_1")
    assert engine.wait("deployment", "dep_1", seconds=20) == "lost"
    assert lost.heard == [("deployment", "dep_1", "Permanent")]


def test_a_run_that_no_release_knows_any_more_is_reported(build: Build) -> None:
    _die_before(build, "start", _two_steps([]))
    lost = Lost()
    engine = build(on_lost=lost, heartbeat=0.02)
    engine.launch()
    assert engine.wait("deployment", "dep_1", seconds=20) == "lost"
    assert lost.heard == [("deployment", "dep_1", "Outgrown")]


def test_a_run_that_kills_its_process_again_and_again_is_given_up(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("highroad.workflows.engine.MOST_RECOVERIES", 1)
    _die_before(build, "start", _two_steps([]))
    lost = Lost()
    engine = build(on_lost=lost)
    engine.register("deployment", _two_steps([]))
    engine.launch()
    assert engine.wait("deployment", "dep_1", seconds=20) == "lost"
    assert lost.heard == [("deployment", "dep_1", "GaveUp")]
    assert MOST_RECOVERIES > 50


def test_a_run_left_without_a_thread_is_taken_up_without_a_restart(build: Build) -> None:
    effects: list[str] = []
    observer = DiesBefore("start")
    engine = build(observer=observer, heartbeat=0.02)
    engine.register("deployment", _two_steps(effects))
    engine.launch()
    engine.start("deployment", "dep_1")
    assert observer.died.wait(20)
    observer.name = "nothing more"
    assert engine.wait("deployment", "dep_1", seconds=20) == "done"
    assert effects == ["build dep_1", "start dep_1"]


def test_destroy_does_not_wait_for_a_sleeping_run_and_the_next_start_continues_it(build: Build) -> None:
    waiting, effects = threading.Event(), list[str]()

    def patient(seconds: float) -> Callable[[Run, str], None]:
        def function(run: Run, subject_id: str) -> None:
            run.step("begin", waiting.set)
            run.sleep(seconds)
            run.step("end", effects.append, "end")

        return function

    engine = build()
    engine.register("deployment", patient(0.5))
    engine.launch()
    engine.start("deployment", "dep_1")
    assert waiting.wait(20)
    engine.destroy()
    following = build()
    following.register("deployment", patient(0.5))
    following.launch()
    assert following.wait("deployment", "dep_1", seconds=20) == "done"
    assert effects == ["end"]


def test_destroy_leaves_a_long_step_behind_after_its_grace(build: Build) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def long() -> None:
        begun.set()
        go_on.wait(60)

    engine = build()
    engine.register("deployment", lambda run, subject_id: run.step("build", long))
    engine.launch()
    engine.start("deployment", "dep_1")
    assert begun.wait(20)
    began = time.monotonic()
    engine.destroy(grace=0.1)
    assert time.monotonic() - began < 5
    go_on.set()


def test_nothing_starts_after_destroy(build: Build) -> None:
    engine = build()
    engine.register("deployment", _two_steps([]))
    engine.launch()
    engine.destroy()
    with pytest.raises(NotRunning) as caught:
        engine.start("deployment", "dep_1")
    assert caught.value.next_step


def test_cancelled_asks_the_product(build: Build) -> None:
    asked: list[tuple[str, str]] = []
    answers: list[bool] = []

    def cancelled(name: str, subject_id: str) -> bool:
        asked.append((name, subject_id))
        return True

    engine = build(cancelled=cancelled)
    engine.register("deployment", lambda run, sid: run.step("ask", lambda: answers.append(run.cancelled)))
    engine.launch()
    engine.start("deployment", "dep_1")
    assert engine.wait("deployment", "dep_1", seconds=20) == "done"
    assert (asked, answers) == ([("deployment", "dep_1")], [True])


def test_an_unknown_run_is_unknown(build: Build) -> None:
    engine = build()
    engine.launch()
    assert engine.state("deployment", "dep_1") == "unknown"


@pytest.mark.parametrize("name", ["with:colon", "taken"])
def test_a_name_that_cannot_be_registered_is_refused(name: str) -> None:
    engine = Engine("sqlite:///x/highroad.sqlite", version="1", executor="one")
    engine.register("taken", _two_steps([]))
    with pytest.raises(ValueError, match=name):
        engine.register(name, _two_steps([]))


def test_a_second_process_on_the_same_sqlite_file_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("highroad.workflows.engine.LOCK_PATIENCE", 0.05)
    url = f"sqlite:///{tmp_path}/highroad.sqlite"
    first, second = (Engine(url, version="1", executor="one") for _ in range(2))
    first.launch()
    try:
        with pytest.raises(AlreadyRunning, match=str(tmp_path)) as caught:
            second.launch()
        assert isinstance(caught.value, Conflict)
        assert "highroad down" in caught.value.next_step
    finally:
        first.destroy()


def test_sqlite_workflows_live_in_a_file_beside_the_database_readable_by_the_owner_alone(tmp_path: Path) -> None:
    engine = Engine(f"sqlite:///{tmp_path}/highroad.sqlite", version="1", executor="one")
    engine.launch()
    engine.destroy()
    assert {file.name for file in tmp_path.iterdir()} == {"workflows.sqlite", "workflows.lock"}
    assert (tmp_path / "workflows.sqlite").stat().st_mode & 0o777 == 0o600


def test_memory_is_refused_as_a_place_for_workflows() -> None:
    with pytest.raises(ValueError, match="not memory"):
        workflow_database("sqlite://")


def test_importing_the_package_does_not_load_the_durable_engine() -> None:
    code = "import sys, highroad.workflows.engine; sys.exit('dbos' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_process_exits_although_a_step_is_still_running(tmp_path: Path) -> None:
    code = f"""
import threading
from highroad.workflows.engine import Engine
begun = threading.Event()
def long():
    begun.set()
    threading.Event().wait(600)
engine = Engine("sqlite:///{tmp_path}/highroad.sqlite", version="1", executor="one")
engine.register("build", lambda run, subject_id: run.step("build", long))
engine.launch()
engine.start("build", "b1")
begun.wait(20)
engine.destroy(grace=0.05)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def _refuse() -> None:
    raise Permanent("refused")


def test_an_unreachable_database_is_reported_without_its_password_and_the_launch_can_be_tried_again(
    tmp_path: Path,
) -> None:
    engine = Engine(f"postgresql://highroad:hunter2@/none?host={tmp_path}", version="1", executor="one")
    for _ in range(2):
        with pytest.raises(DatabaseUnreachable) as caught:
            engine.launch()
        assert "hunter2" not in str(caught.value)
        assert caught.value.next_step
