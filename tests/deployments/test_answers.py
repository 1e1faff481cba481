"""Runs and placements as the API answers them."""

from __future__ import annotations

from dataclasses import replace

from highroad.access.model import SYSTEM
from highroad.deployments import store
from highroad.deployments.answers import PlacementAnswer, placement_answer, run_answer
from highroad.deployments.model import Deployment
from highroad.pipelines import store as pipelines
from highroad.pipelines.model import Release
from highroad.workload.model import Build, Workload
from tests.deployments.stage import WEB, WORKER, Stage

BROKEN = replace(WEB, command="broken")


def place(stage: Stage) -> PlacementAnswer:
    platform, driver = stage.platform, stage.driver
    with platform.context.db.read() as tx:
        return placement_answer(
            tx, stage.service, stage.environment, driver.observe(), driver.abilities(), platform.context.settings
        )


def deploy_broken(stage: Stage) -> Deployment:
    stage.script("broken", crashes="exited with code 1")
    return stage.do(release=stage.release(BROKEN))


def of_run(stage: Stage, release: Release, deployment: Deployment) -> None:
    with stage.platform.context.db.begin() as tx:
        store.update_deployment(tx, deployment.id, run_id=release.run_id)


def test_a_run_says_how_each_of_its_deployments_stands(stage: Stage) -> None:
    stage.script("broken", crashes="exited with code 1")
    release = stage.release(BROKEN)
    failed = stage.do(release=release)
    of_run(stage, release, failed)
    with stage.platform.context.db.read() as tx:
        run = pipelines.run(tx, release.run_id)
        assert run is not None
        answer = run_answer(tx, stage.service, run, SYSTEM)
    assert answer.state == "succeeded"
    assert [(each.environment, each.state, each.number) for each in answer.deployed] == [("production", "failed", 1)]
    assert "exited with code 1" in answer.deployed[0].reason
    assert answer.deployments == [failed.id]


def test_a_placement_says_that_the_newest_deployment_failed_while_another_serves(stage: Stage) -> None:
    stage.do(release=stage.release())
    failed = deploy_broken(stage)
    answer = place(stage)
    assert answer.state == "live"
    assert answer.last is not None
    assert (answer.last.id, answer.last.state) == (failed.id, "failed")
    assert answer.deployment != failed.id


def test_what_does_not_listen_has_no_address(stage: Stage) -> None:
    assert place(stage).url == "http://web.production.shop.localhost:8080"
    stage.do(release=stage.release(WORKER))
    assert place(stage).url is None
    stage.do(release=stage.release_of(Workload(processes=(), build=Build(publish="."))))
    assert place(stage).url is not None


def test_after_a_rollback_the_configuration_is_an_earlier_one(stage: Stage) -> None:
    stage.configure(KEY="1")
    stage.do(release=stage.release())
    stage.configure(KEY="2")
    stage.do(release=stage.release())
    assert place(stage).configuration == "current"
    stage.do("rollback")
    assert place(stage).configuration == "earlier"
    stage.do("restart")
    assert place(stage).configuration == "current"
