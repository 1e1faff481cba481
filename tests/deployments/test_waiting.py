"""Waiting until instances are healthy: what is told, when it is given up, and what is left behind."""

from __future__ import annotations

from dataclasses import replace

from highroad.errors import Temporary
from highroad.workload.model import Health
from tests.deployments.stage import HOST, WEB, Stage


def test_a_crash_at_start_fails_at_once_with_the_last_lines(stage: Stage) -> None:
    first = stage.do(release=stage.release())
    stage.script("boom", crashes="exited with code 3", says=("loading", "KeyError: DATABASE_URL"))
    patient = replace(WEB, command="boom", health=Health(grace=600))
    done = stage.do(release=stage.release(patient))
    assert done.state == "failed"
    assert "web.1 ended: exited with code 3" in done.reason
    assert "boom" in done.next_step
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
    assert stage.do(release=stage.release()).state == "failed"
    assert stage.placement().release_id is None
    assert "was not deployed" in stage.router.route(HOST).message
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
