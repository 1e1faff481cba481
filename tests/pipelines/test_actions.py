"""Runs in their queues: the newest commit of a branch wins, and everybody is told."""

from __future__ import annotations

import pytest

from highroad.access.model import SYSTEM
from highroad.pipelines import actions
from highroad.pipelines.actions import RunHasEnded
from highroad.pipelines.model import PipelineRun
from tests.pipelines.yard import PROCFILE, Yard


def cancel(yard: Yard, run: PipelineRun) -> None:
    context = yard.stage.platform.context
    with context.db.begin() as tx:
        actions.cancel_run(tx, context.log, SYSTEM, yard.stage.service, yard.run(run), yard.stage.start)


def test_the_newest_push_waits_and_the_one_between_is_superseded(yard: Yard) -> None:
    first, second, third = (yard.push(PROCFILE) for _ in range(3))
    assert [yard.run(run).state for run in (first, second, third)] == ["running", "superseded", "queued"]
    assert yard.run(second).reason == f"Superseded by run 3 ({third.commit[:7]})."
    yard.work()
    assert [yard.run(run).state for run in (first, third)] == ["superseded", "succeeded"]


def test_branches_do_not_wait_for_each_other(yard: Yard) -> None:
    runs = [yard.push(PROCFILE), yard.push(PROCFILE, branch="other")]
    assert [yard.run(run).state for run in runs] == ["running", "running"]


def test_a_queued_run_is_cancelled_at_once(yard: Yard) -> None:
    first, second = yard.push(PROCFILE), yard.push(PROCFILE)
    cancel(yard, second)
    assert yard.run(second).state == "cancelled"
    yard.work()
    assert yard.run(first).state == "superseded"


def test_a_running_run_is_cancelled_at_its_next_step(yard: Yard) -> None:
    run = yard.push(PROCFILE)
    cancel(yard, run)
    yard.work()
    ended = yard.run(run)
    assert (ended.state, ended.reason, ended.release_id) == ("cancelled", "Cancelled by highroad.", None)


def test_a_run_with_its_release_made_cannot_be_cancelled(yard: Yard) -> None:
    run = yard.push(PROCFILE)
    yard.work()
    with pytest.raises(RunHasEnded) as caught:
        cancel(yard, run)
    assert "rollback" in caught.value.next_step


def test_a_lost_run_lets_the_next_one_go(yard: Yard) -> None:
    lost, next_one = yard.push(PROCFILE), yard.push(PROCFILE)
    context = yard.stage.platform.context
    with context.db.begin() as tx:
        actions.give_up(tx, context.log, lost.id, "its workflow was lost", yard.stage.start)
    assert yard.run(lost).state == "failed"
    assert yard.run(next_one).state == "running"
    assert yard.stage.started[-1] == (actions.WORKFLOW, next_one.id)
