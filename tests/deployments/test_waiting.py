"""Waiting until instances are healthy: what is told, when it is given up, and what is left behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from highroad.deployments.waiting import Unhealthy, Waiting
from highroad.errors import Temporary
from highroad.workload.model import Build, Health, Workload
from tests.deployments.stage import HOST, WEB, WORKER, Stage


def test_a_crash_at_start_fails_at_once_with_the_last_lines(stage: Stage) -> None:
    first = stage.do(release=stage.release())
    stage.script("boom", crashes="exited with code 3", says=("loading", "KeyError: DATABASE_URL"))
    patient = replace(WEB, command="boom", health=Health(grace=600))
    done = stage.do(release=stage.release(patient))
    assert done.state == "failed"
    assert "web.1 ended: exited with code 3" in done.reason
    assert "boom" in done.next_step
    assert done.reason.endswith("The old version serves untouched.")
    assert "KeyError: DATABASE_URL" in stage.said(done)
    assert stage.placement().deployment_id == first.id
    stage.require_sound()


def test_an_instance_that_is_never_healthy_is_given_up_after_its_grace(stage: Stage) -> None:
    first = stage.do(release=stage.release())
    stage.script("mute", unhealthy="GET / answered 503")
    done = stage.do(release=stage.release(replace(WEB, command="mute")))
    assert done.state == "failed"
    assert "was not healthy within 0.3 s: GET / answered 503" in done.reason
    assert "wrote nothing" in stage.said(done)
    assert stage.placement().deployment_id == first.id
    stage.require_sound()


def test_the_first_deployment_that_fails_leaves_nothing(stage: Stage) -> None:
    stage.script("serve", crashes="exited with code 1")
    done = stage.do(release=stage.release())
    assert done.state == "failed"
    assert done.reason.endswith("Nothing is serving yet.")
    assert stage.placement().release_id is None
    assert "The last deployment of web to production failed" in stage.router.route(HOST).message
    stage.require_sound()


def test_a_failing_release_command_stops_the_deployment_before_anything_starts(stage: Stage) -> None:
    stage.do(release=stage.release())
    stage.script("migrate", exit_code=2, says=("no such table",))
    before = len(stage.driver.calls)
    done = stage.do(release=stage.release(release_command="migrate"))
    assert done.state == "failed"
    assert "exit code 2" in done.reason
    assert "no such table" in stage.said(done)
    assert "start" not in [verb for verb, _ in stage.driver.calls[before:]]
    stage.require_sound()


def test_an_engine_that_restarts_is_waited_for(stage: Stage) -> None:
    stage.driver.failures["start"].append(Temporary("the supervisor restarts"))
    stage.driver.failures["check"].append(Temporary("the supervisor restarts"))
    assert stage.do(release=stage.release()).state == "succeeded"
    stage.require_sound()


def test_a_process_without_a_check_must_stay_for_a_moment(stage: Stage) -> None:
    worker = replace(WEB, name="worker", http=False, health=Health(kind="none", grace=5))
    done = stage.do(release=stage.release(worker))
    seconds = {step.name: step.seconds for step in done.steps}
    assert done.state == "succeeded"
    assert (seconds["health"] or 0) >= 1.0


def test_the_steps_and_their_durations_are_kept(stage: Stage) -> None:
    done = stage.do(release=stage.release())
    assert [(step.name, step.state) for step in done.steps] == [
        (name, "succeeded") for name in ("plan", "start", "health", "switch")
    ]


def test_a_path_that_steadily_answers_404_is_not_waited_for_to_the_end(stage: Stage) -> None:
    done = stage.do(release=stage.release())
    [instance] = stage.serving()
    stage.script("serve", unhealthy="GET /up answered 404")
    patient = Workload(processes=(replace(WEB, health=Health(kind="http", path="/up", grace=600)),))
    waiting = Waiting(stage.driver, lambda _line: None, lambda: None, steady=0.3)
    with pytest.raises(Unhealthy, match=r"web\.1 runs, but GET /up answered 404 for 0\.3 s") as given_up:
        waiting.until_healthy([instance], patient)
    assert "Change the path" in given_up.value.next_step
    assert done.state == "succeeded"


def test_the_grace_is_for_whoever_answers_that_it_is_not_ready_yet(stage: Stage) -> None:
    stage.do(release=stage.release())
    [instance] = stage.serving()
    stage.script("serve", unhealthy="GET /up answered 503")
    patient = Workload(processes=(replace(WEB, health=Health(kind="http", path="/up", grace=0.6)),))
    waiting = Waiting(stage.driver, lambda _line: None, lambda: None, steady=0.2)
    with pytest.raises(Unhealthy, match=r"not healthy within 0\.6 s"):
        waiting.until_healthy([instance], patient)


def test_a_program_that_the_build_lacks_is_named(stage: Stage) -> None:
    stage.script("serve", crashes="exited with code 127", says=("sh: 1: flask: not found",))
    done = stage.do(release=stage.release(build=Build(language="python")))
    assert done.next_step == "`flask` is not installed in the build: add it to requirements.txt"


def test_a_service_that_nothing_reaches_is_warned_of_in_the_log(stage: Stage) -> None:
    done = stage.do(release=stage.release(replace(WORKER, name="wbe")))
    assert done.state == "succeeded"
    assert " !     Warning: There is no process named `web`. Nothing answers at" in stage.said(done)


def test_a_push_that_takes_the_service_offline_is_refused_until_it_is_stopped(stage: Stage) -> None:
    stage.do(release=stage.release())
    typo = stage.release(replace(WORKER, name="wbe"))
    assert "would be taken offline" in stage.do(release=typo).reason
    assert stage.router.route(HOST).upstreams
    stage.do("stop")
    assert stage.do(release=typo).state == "succeeded"
    stage.require_sound()
