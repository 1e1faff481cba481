"""A run without a database: its recorder is a list, as the durable engine's table is."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from highroad.errors import NotFound, Permanent, Temporary
from highroad.kit.clock import now
from highroad.workflows.outcome import Envelope, StepBroken
from highroad.workflows.run import Halted, Observer, RetriesExhausted, Retry, Run, Step, Unobserved

QUICK = Retry(attempts=3, first=0.001)


class Recording:
    """Envelopes by place; `replayed` gives a run that finds them."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Envelope]] = []
        self.stopping = threading.Event()

    def run(self, observer: Observer | None = None, retry: Retry = QUICK, cancelled: bool = False) -> Run:
        places = iter(range(1_000))

        def record(name: str, execute: Callable[[], Envelope]) -> Envelope:
            place = next(places)
            if place == len(self.rows):
                self.rows.append((name, execute()))
            return self.rows[place][1]

        return Run(
            "deployment",
            "dep_1",
            attempt=1,
            begun_by="1.0",
            record=record,
            retry=retry,
            observer=observer or Unobserved(),
            stopping=self.stopping,
            cancelled=lambda name, subject_id: cancelled,
        )


class Seen(Unobserved):
    def __init__(self) -> None:
        self.moments: list[tuple[str, Step]] = []

    def before(self, run: Run, step: Step) -> None:
        self.moments.append(("before", step))

    def after(self, run: Run, step: Step, seconds: float) -> None:
        assert seconds >= 0
        self.moments.append(("after", step))


def _failing(times: int, error: Exception, result: Any = "done") -> Callable[[], Any]:
    left = iter(range(times))

    def function() -> Any:
        if next(left, None) is not None:
            raise error
        return result

    return function


def test_a_step_returns_what_its_function_returned() -> None:
    assert Recording().run().step("add", lambda a, b: a + b, 1, b=2) == 3


def test_a_replayed_step_is_not_executed_again() -> None:
    recording = Recording()
    recording.run().step("build", lambda: "first")
    assert recording.run().step("build", lambda: "second") == "first"


def test_a_temporary_failure_is_tried_again_until_it_works() -> None:
    seen = Seen()
    assert Recording().run(seen).step("pull", _failing(2, Temporary("busy"))) == "done"
    assert [step.attempt for moment, step in seen.moments if moment == "before"] == [1, 2, 3]


def test_a_step_that_stays_temporary_ends_as_permanent_and_says_how_often_it_was_tried() -> None:
    with pytest.raises(RetriesExhausted, match="pull failed 3 times, the last time with: busy") as caught:
        Recording().run().step("pull", _failing(9, Temporary("busy")))
    assert caught.value.next_step


def test_a_policy_of_its_own_overrides_the_engines() -> None:
    with pytest.raises(RetriesExhausted, match="failed once"):
        Recording().run().step_retrying(Retry(attempts=1), "pull", _failing(1, Temporary("busy")))


@pytest.mark.parametrize("error", [Permanent("no image"), NotFound("no image", next_step="Build it.")])
def test_a_final_failure_reaches_the_workflow_at_once_and_in_every_replay(error: Exception) -> None:
    recording, seen = Recording(), Seen()
    for _ in range(2):
        with pytest.raises(type(error), match="no image"):
            recording.run(seen).step("pull", _failing(9, error))
    assert len(seen.moments) == 2


def test_a_bug_in_a_step_becomes_a_failure_that_the_workflow_can_undo(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(StepBroken, match="pull raised KeyError"):
        Recording().run().step("pull", _failing(1, KeyError("image")))
    assert "Traceback" in caplog.text


def test_a_result_that_is_no_json_is_a_bug() -> None:
    with pytest.raises(StepBroken, match="NotPlain"):
        Recording().run().step("pull", lambda: (1, 2))


def test_what_an_observer_raises_counts_as_raised_by_the_step() -> None:
    class Refusing(Unobserved):
        def after(self, run: Run, step: Step, seconds: float) -> None:
            raise Permanent("refused")

    with pytest.raises(Permanent, match="refused"):
        Recording().run(Refusing()).step("pull", lambda: 1)


def test_steps_are_numbered_in_order_whether_executed_or_replayed() -> None:
    recording, seen = Recording(), Seen()
    recording.run().step("first", lambda: 1)
    run = recording.run(seen)
    run.step("first", lambda: 1)
    run.step("second", lambda: 2)
    assert seen.moments[0] == ("before", Step(1, "second", 1))


def test_now_is_the_same_instant_in_every_replay() -> None:
    recording = Recording()
    first = recording.run().now()
    assert abs(now() - first) < timedelta(seconds=10)
    assert recording.run().now() == first


def test_a_sleep_that_has_passed_while_highroad_was_down_does_not_wait_again() -> None:
    recording = Recording()
    recording.run().sleep(0.01)
    began = time.monotonic()
    recording.run().sleep(3600)  # the instant of the first execution counts, not this number
    assert time.monotonic() - began < 10


def test_a_sleeping_run_halts_when_the_engine_stops() -> None:
    recording = Recording()
    run = recording.run()
    threading.Timer(0.01, recording.stopping.set).start()
    with pytest.raises(Halted):
        run.sleep(3600)


def test_no_step_begins_when_the_engine_stops_and_nothing_is_recorded() -> None:
    recording = Recording()
    recording.stopping.set()
    with pytest.raises(Halted):
        recording.run().step("pull", lambda: 1)
    assert recording.rows == []


def test_a_cancelled_run_is_not_tried_again() -> None:
    seen = Seen()
    with pytest.raises(RetriesExhausted, match="once"):
        Recording().run(seen, Retry(attempts=9, first=0.001), cancelled=True).step("pull", _failing(9, Temporary("x")))
    assert len(seen.moments) == 2


def test_a_run_knows_whether_it_was_cancelled() -> None:
    assert Recording().run(cancelled=True).cancelled
    assert not Recording().run().cancelled


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 3.0), (100_000, 3.0)])
def test_pauses_grow_by_a_factor_up_to_the_longest(failures: int, seconds: float) -> None:
    assert Retry(first=0.5, factor=2.0, longest=3.0).pause(failures) == seconds
