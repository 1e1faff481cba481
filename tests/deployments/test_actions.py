"""What people ask of deployments: order, superseding, cancelling, and how each ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from highroad.deployments import actions
from highroad.deployments.actions import BadDeployment, DeploymentHasEnded, NoEarlierRelease, NothingDeployed
from tests.deployments.stage import HOST, WEB, WORKER, Stage


def test_a_release_goes_live(stage: Stage) -> None:
    done = stage.do(release=stage.release())
    assert done.state == "succeeded"
    assert [each.label for each in stage.serving()] == ["web.1"]
    assert f"live in production at http://{HOST}" in stage.said(done)
    stage.require_sound()


def test_one_deployment_works_at_a_time_in_the_order_they_were_asked_for(stage: Stage) -> None:
    stage.do(release=stage.release())
    asked = [stage.ask("restart"), stage.ask("scale", counts={"web": 2}), stage.ask("configure")]
    assert [stage.deployment(each.id).state for each in asked] == ["running", "queued", "queued"]
    stage.work()
    ended = [stage.deployment(each.id) for each in asked]
    assert [each.state for each in ended] == ["succeeded"] * 3
    assert sorted(ended, key=lambda each: str(each.finished_at)) == ended
    assert len(stage.serving()) == 2


def test_a_newer_deploy_supersedes_queued_ones_and_nothing_else(stage: Stage) -> None:
    stage.do(release=stage.release())
    stage.ask("restart")
    older, scale = stage.ask(release=stage.release()), stage.ask("scale", counts={"web": 2})
    newer = stage.ask(release=stage.release())
    assert stage.deployment(older.id).state == "superseded"
    stage.work()
    assert stage.deployment(scale.id).state == "succeeded"
    assert stage.placement().release_id == stage.deployment(newer.id).release_id
    assert len(stage.serving()) == 2
    stage.require_sound()


def test_a_queued_deployment_is_cancelled_at_once(stage: Stage) -> None:
    stage.do(release=stage.release())
    stage.ask("restart")
    queued = stage.ask("scale", counts={"web": 3})
    stage.cancel(queued)
    stage.work()
    assert stage.deployment(queued.id).state == "cancelled"
    assert len(stage.serving()) == 1


def test_a_deployment_is_cancelled_before_it_plans_its_start(stage: Stage) -> None:
    stage.do(release=stage.release())
    asked = stage.ask(release=stage.release())
    stage.cancel(asked)
    stage.work()
    assert stage.deployment(asked.id).state == "cancelled"
    assert stage.deployment(asked.id).reason == "Cancelled by highroad."
    stage.require_sound()


def test_a_deployment_is_cancelled_while_it_waits_to_be_healthy(stage: Stage) -> None:
    first = stage.do(release=stage.release())
    asked = stage.ask(release=stage.release())
    stage.while_checking(lambda: stage.cancel(stage.deployment(asked.id)))
    stage.script("serve", unhealthy="GET / answered 503")
    stage.work()
    assert stage.deployment(asked.id).state == "cancelled"
    assert stage.placement().deployment_id == first.id
    stage.require_sound()


def test_a_deployment_is_cancelled_during_its_release_command(stage: Stage) -> None:
    stage.do(release=stage.release())
    asked = stage.ask(release=stage.release(release_command="migrate"))
    stage.while_running_a_command(lambda: stage.cancel(stage.deployment(asked.id)))
    stage.work()
    assert stage.deployment(asked.id).state == "cancelled"
    stage.require_sound()


def test_a_deployment_that_ended_cannot_be_cancelled(stage: Stage) -> None:
    done = stage.do(release=stage.release())
    with pytest.raises(DeploymentHasEnded, match="succeeded"):
        stage.cancel(done)


def test_a_rollback_brings_release_and_configuration_back(stage: Stage) -> None:
    stage.configure(COLOUR="red")
    first = stage.release()
    stage.do(release=first)
    stage.configure(COLOUR="blue")
    stage.do(release=stage.release())
    done = stage.do("rollback")
    assert (done.state, done.release_id) == ("succeeded", first.id)
    assert stage.serving()[0].spec.env["COLOUR"] == "red"


def test_a_second_rollback_goes_forward_again(stage: Stage) -> None:
    releases = [stage.release(), stage.release()]
    for release in releases:
        stage.do(release=release)
    stage.do("rollback")
    assert stage.do("rollback").release_id == releases[1].id


def test_a_rollback_skips_a_release_that_failed(stage: Stage) -> None:
    first, second = stage.release(), stage.release()
    stage.do(release=first)
    stage.script("broken", crashes="exited with code 1")
    stage.do(release=stage.release(replace(WEB, command="broken")))
    stage.do(release=second)
    assert stage.do("rollback").release_id == first.id


def test_there_is_nothing_to_roll_back_to_after_one_release(stage: Stage) -> None:
    stage.do(release=stage.release())
    with pytest.raises(NoEarlierRelease, match="one release"):
        stage.ask("rollback")


@pytest.mark.parametrize("kind", ["restart", "scale", "configure", "stop", "start", "deploy"])
def test_nothing_can_be_done_before_there_is_a_release(stage: Stage, kind: str) -> None:
    with pytest.raises(NothingDeployed):
        stage.ask(kind)  # type: ignore[arg-type]  # each is a Kind


def test_an_unknown_kind_is_refused_with_the_known_ones(stage: Stage) -> None:
    with pytest.raises(BadDeployment) as caught:
        stage.ask("explode")  # type: ignore[arg-type]  # that is the test
    assert "rollback" in caught.value.next_step


def test_a_changed_value_reaches_new_instances_only_by_a_deployment(stage: Stage) -> None:
    stage.do(release=stage.release())
    stage.configure(COLOUR="blue")
    assert "COLOUR" not in stage.serving()[0].spec.env
    stage.do("configure")
    assert stage.serving()[0].spec.env["COLOUR"] == "blue"


def test_scaling_keeps_the_instances_there_are(stage: Stage) -> None:
    stage.do(release=stage.release())
    kept = stage.serving()[0].id
    stage.configure(COLOUR="blue")
    stage.do("scale", counts={"web": 3})
    assert kept in {each.id for each in stage.serving()}
    assert [each.label for each in stage.serving()] == ["web.1", "web.2", "web.3"]
    assert all("COLOUR" not in each.spec.env for each in stage.serving()), "all run with one configuration"
    stage.do("scale", counts={"web": 1})
    assert [each.id for each in stage.serving()] == [kept]
    stage.require_sound()


def test_a_scale_outlives_the_next_deploy(stage: Stage) -> None:
    stage.do(release=stage.release())
    stage.do("scale", counts={"web": 2})
    stage.do(release=stage.release())
    assert len(stage.serving()) == 2


@pytest.mark.parametrize(
    ("name", "count", "told"), [("wbe", 2, "web"), ("web", -1, "-1 instances"), ("web", 101, "101")]
)
def test_a_scale_that_cannot_be_had_is_refused_and_queues_nothing(
    stage: Stage, name: str, count: int, told: str
) -> None:
    first = stage.do(release=stage.release())
    with pytest.raises(BadDeployment, match=told) as refused:
        stage.ask("scale", counts={name: count})
    assert refused.value.status == 422
    assert stage.do("restart").number == first.number + 1
    stage.require_sound()


def test_a_stopped_service_answers_so_and_starts_as_it_was(stage: Stage) -> None:
    stage.do(release=stage.release())
    stage.do("scale", counts={"web": 2})
    stage.do("stop")
    assert stage.serving() == []
    assert "is stopped" in stage.router.route(HOST).message
    stage.do("start")
    assert len(stage.serving()) == 2
    stage.require_sound()


def test_a_process_that_left_the_workload_is_stopped(stage: Stage) -> None:
    stage.do(release=stage.release(WEB, WORKER))
    stage.do(release=stage.release(WEB))
    assert [each.process for each in stage.serving()] == ["web"]
    stage.require_sound()


def test_a_lost_deployment_frees_the_turn_and_what_it_started_is_ended(stage: Stage) -> None:
    stage.do(release=stage.release())
    lost, behind = stage.ask(release=stage.release()), stage.ask("restart")
    stage.platform.deployer._plan(lost.id)
    context = stage.platform.context
    with context.db.begin() as tx:
        actions.give_up(tx, context.log, lost.id, "its workflow was lost", stage.start)
    assert stage.deployment(lost.id).state == "failed"
    assert stage.deployment(behind.id).state == "running"
    stage.work()
    stage.platform.deployer.sweep()
    assert stage.deployment(behind.id).state == "succeeded"
    stage.require_sound()
