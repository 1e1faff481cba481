"""Following runs and deployments to their ends: every line once, in order, and the last one too."""

from __future__ import annotations

import asyncio
import threading

import pytest

from highroad.access.model import SYSTEM, Actor
from highroad.access.policy.engine import built_in
from highroad.access.policy.standing import Grant, Standing
from highroad.deployments.answers import run_answer
from highroad.deployments.follow import BadCursor, Follower, lines_of
from highroad.kit.clock import now
from highroad.pipelines.model import PipelineRun
from tests.deployments.stage import Stage
from tests.pipelines.yard import PROCFILE, Yard


def follower(stage: Stage) -> Follower:
    return Follower(stage.platform.context.db, stage.platform.journal)


async def told(stage: Stage, run: PipelineRun) -> list[str]:
    follow = follower(stage)
    return [text async for text in lines_of(lambda cursor: follow.run(run.id, cursor, SYSTEM), follow.journal)]


def test_a_run_is_followed_through_its_deployment_to_the_last_line(yard: Yard) -> None:
    run = yard.push(PROCFILE)
    worker = threading.Thread(target=yard.work)
    worker.start()
    lines = asyncio.run(asyncio.wait_for(told(yard.stage, run), 30))
    worker.join()
    assert lines[0].startswith("-----> ")
    assert lines[-1] == "-----> Release 1 is live in production"
    assert len(lines) == len(set(lines))


def test_whoever_comes_late_reads_the_same(yard: Yard) -> None:
    run = yard.push(PROCFILE)
    yard.work()
    first, second = (asyncio.run(told(yard.stage, run)) for _ in range(2))
    assert first == second


def test_a_run_that_never_began_says_why_it_ended(yard: Yard) -> None:
    yard.push({**PROCFILE})
    queued, _newest = yard.push(PROCFILE), yard.push(PROCFILE)
    lines = asyncio.run(asyncio.wait_for(told(yard.stage, queued), 10))
    assert lines == [f" !     Run 2 superseded: Superseded by run 3 ({_newest.commit[:7]})."]


def test_reading_goes_on_behind_the_cursor(stage: Stage) -> None:
    done = stage.do(release=stage.release())
    follow = follower(stage)
    whole = follow.deployment(done.id, None)
    assert whole.ended
    assert whole.lines
    assert follow.deployment(done.id, whole.cursor).lines == ()


@pytest.mark.parametrize("cursor", ["{", "[1]", '{"a": "x"}', '{"a": Infinity}', '{"a": []}', "[" * 100_000, "null"])
def test_a_forged_cursor_is_refused(stage: Stage, cursor: str) -> None:
    done = stage.do(release=stage.release())
    with pytest.raises(BadCursor):
        follower(stage).deployment(done.id, cursor)


STAGING = Grant("grt", "user", "usr_1", None, "staging", "viewer", now(), "test")
OF_STAGING = Actor(
    "usr_1",
    "x@example.com",
    "user",
    "api",
    scopes=frozenset({"read"}),
    standing=Standing(built_in(), grants=(STAGING,)),
)


def test_whoever_does_not_see_production_reads_nothing_of_it(yard: Yard) -> None:
    run = yard.push(PROCFILE)
    yard.work()
    yard.stage.platform.journal.write(run.id, "deploy production", "Not deployed to production: ask ann")
    for actor, shown in ((SYSTEM, True), (OF_STAGING, False)):
        followed = follower(yard.stage).run(run.id, None, actor)
        assert followed.ended
        assert any("production" in f"{each.task} {each.text}" for each in followed.lines) is shown
        with yard.stage.platform.context.db.read() as tx:
            assert bool(run_answer(tx, yard.stage.service, run, actor).deployed) is shown
