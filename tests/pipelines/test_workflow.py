"""A pipeline run fails and dies at every step, on a real repository and the real builder: one release, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from highroad.access.model import SYSTEM
from highroad.app.composition import Platform
from highroad.builds.trees import remove
from highroad.db.engine import DatabaseUnavailable
from highroad.drivers.memory import MemoryDriver
from highroad.kit.paging import PageRequest
from highroad.pipelines import actions, store
from highroad.pipelines.actions import PushedCommit
from highroad.pipelines.model import PipelineRun, Release
from highroad.routing.memory import MemoryRouter
from highroad.workflows.engine import Engine
from highroad.workflows.run import Observer, Run, Step, Unobserved
from tests.deployments.stage import composed, found, settings_in, staged
from tests.pipelines.yard import PROCFILE, Yard, pushed
from tests.workflows.saga import Saga, every_step_dies, every_step_fails, every_step_is_killed, steps_of

STEPS = ["checkout", "build", "test", "release"]


def _open(directory: Path, observer: Observer | None = None) -> Platform:
    return composed(directory, MemoryDriver(), MemoryRouter(settings_in(directory)), observer)


def _prepare(directory: Path) -> None:
    """A run has its turn; no environment deploys its branch."""
    driver, router = MemoryDriver(), MemoryRouter(settings_in(directory))
    stage = staged(composed(directory, driver, router), driver, router, branch=None)
    run = pushed(stage, directory / "clone", PROCFILE)
    (directory / "subject").write_text(run.id)
    stage.platform.context.db.close()


def _outcome(directory: Path) -> tuple[PipelineRun, list[Release]]:
    """What became of the run; and whatever that is, the branch goes on and the work directory is empty."""
    platform = _open(directory)
    service = found(platform, MemoryDriver(), MemoryRouter(platform.settings)).service
    with platform.context.db.begin() as tx:
        run = store.run(tx, _subject(directory))
        assert run is not None
        releases = list(store.list_releases(tx, service.id, PageRequest(10)).items)
        assert store.runs_in(tx, "running") == []
        again = PushedCommit("main", run.commit, run.commit, "again", "Ann")
        assert actions.queue_run(tx, platform.context.log, SYSTEM, service, again, lambda *_: None).state == "running"
    assert list(platform.settings.work.iterdir()) == []
    platform.context.db.close()
    return run, releases


def _subject(directory: Path) -> str:
    return (directory / "subject").read_text()


def _converged(directory: Path) -> None:
    run, releases = _outcome(directory)
    assert run.state == "succeeded"
    assert [each.run_id for each in releases] == [run.id]
    assert Path(releases[0].artifact.directory, "Procfile").exists()
    assert {task.state for task in run.tasks} == {"succeeded"}


def _put_back(directory: Path) -> None:
    run, releases = _outcome(directory)
    assert run.state == ("succeeded" if releases else "failed")
    assert all(task.state != "running" for task in run.tasks)


def _build(directory: Path, observer: Observer) -> Engine:
    return _open(directory, observer).engine


SAGA = Saga(actions.WORKFLOW, _subject, build=_build, prepare=_prepare, converged=_converged, put_back=_put_back)


def test_an_undisturbed_run_takes_its_steps(tmp_path: Path) -> None:
    assert steps_of(SAGA, tmp_path) == STEPS


def test_a_run_whose_step_fails_ends_and_the_branch_goes_on(tmp_path: Path) -> None:
    every_step_fails(SAGA, tmp_path)


def test_a_run_makes_one_release_when_highroad_dies_at_any_step(tmp_path: Path) -> None:
    every_step_dies(SAGA, tmp_path)


@pytest.mark.parametrize("step", ["build", "release"])
def test_a_run_makes_one_release_after_kill_9(tmp_path: Path, step: str) -> None:
    every_step_is_killed("tests.pipelines.test_workflow:SAGA", tmp_path, positions=[STEPS.index(step)])


def test_a_release_is_deployed_where_the_rule_matches(yard: Yard) -> None:
    run = yard.push(PROCFILE)
    yard.work()
    assert yard.run(run).state == "succeeded"
    assert [each.run_id for each in yard.stage.deployments("succeeded")] == [run.id]
    assert len(yard.stage.serving()) == 1


def test_a_branch_that_no_environment_deploys_says_so(yard: Yard) -> None:
    run = yard.push(PROCFILE, branch="feature")
    yard.work()
    assert yard.run(run).state == "succeeded"
    assert "No environment deploys the branch feature." in yard.said(run)


def test_red_tests_stop_the_release(yard: Yard) -> None:
    run = yard.push({**PROCFILE, "highroad.yaml": "test: 'echo broken && false'\n"})
    yard.work()
    ended = yard.run(run)
    assert (ended.state, ended.release_id) == ("failed", None)
    assert ended.reason.startswith("Tests failed")
    assert "broken" in yard.said(run)


def test_red_tests_that_are_not_required_are_told_and_released(yard: Yard) -> None:
    run = yard.push({**PROCFILE, "highroad.yaml": "test: {command: 'false', required: false}\n"})
    yard.work()
    assert yard.run(run).state == "succeeded"


def test_a_newer_commit_ends_a_build_at_once(yard: Yard) -> None:
    older = yard.push({**PROCFILE, "highroad.yaml": "build: {commands: ['echo begun; sleep 60']}\n"})
    newer: list[PipelineRun] = []
    yard.when_said(older, "begun", lambda: newer.append(yard.push({**PROCFILE, "highroad.yaml": ""})))
    yard.work()
    ended = yard.run(older)
    assert ended.state == "superseded"
    assert ended.reason.startswith(f"Superseded by run {newer[0].number}")
    assert {task.name: task.state for task in ended.tasks} == {"checkout": "succeeded", "build": "cancelled"}
    assert yard.run(newer[0]).state == "succeeded"


def test_a_failing_build_ends_with_its_cause_and_what_to_do(yard: Yard) -> None:
    run = yard.push({**PROCFILE, "highroad.yaml": "build: {commands: ['echo no such thing; exit 3']}\n"})
    yard.work()
    ended = yard.run(run)
    assert ended.state == "failed"
    assert "exit 3" in ended.reason
    assert ended.next_step
    assert yard.said(run).rstrip().endswith(ended.next_step)


def test_a_commit_without_a_message_is_built(yard: Yard) -> None:
    run = yard.push(PROCFILE, message="")
    yard.work()
    assert yard.run(run).state == "succeeded"


def test_an_unreadable_workload_fails_with_file_and_line(yard: Yard) -> None:
    run = yard.push({**PROCFILE, "highroad.yaml": "health: [\n"})
    yard.work()
    assert "highroad.yaml" in yard.run(run).reason


def test_a_source_that_is_gone_is_checked_out_again(yard: Yard) -> None:
    class Cleaner(Unobserved):
        def before(self, run: Run, step: Step) -> None:
            if step.name == "build":
                remove(yard.stage.platform.settings.work)

    run = yard.push(PROCFILE)
    yard.work(Cleaner())
    assert yard.run(run).state == "succeeded"


def test_a_database_that_is_away_for_a_moment_is_waited_for(yard: Yard) -> None:
    class Outage(Unobserved):
        def before(self, run: Run, step: Step) -> None:
            if step.attempt == 1:
                raise DatabaseUnavailable("gone", next_step="wait")

    run = yard.push(PROCFILE)
    yard.work(Outage())
    assert yard.run(run).state == "succeeded"
