"""Rows of runs, tasks, tests and releases."""

from __future__ import annotations

from highroad.builds.junit import TestCase, TestRun
from highroad.builds.model import Artifact
from highroad.db.engine import Transaction
from highroad.kit.paging import page_request
from highroad.pipelines import store
from highroad.pipelines.model import PipelineRun
from highroad.workload.model import Process, Workload
from tests.pipelines.yard import Yard

ARTIFACT = Artifact("sha256:1", "/artifact", env={"A": "1"}, mounts=("/m",), dependencies=("key",))
WORKLOAD = Workload(processes=(Process(name="web", command="serve", http=True),))


def add(tx: Transaction, yard: Yard, commit: str = "a" * 40) -> PipelineRun:
    return store.add_run(
        tx, yard.stage.service.id, commit=commit, branch="main", message="m" * 9000, author="Ann", actor="ann"
    )


def test_runs_are_numbered_within_their_service(yard: Yard) -> None:
    with yard.stage.platform.context.db.begin() as tx:
        assert [add(tx, yard).number for _ in range(3)] == [1, 2, 3]


def test_a_move_is_won_by_one(yard: Yard) -> None:
    with yard.stage.platform.context.db.begin() as tx:
        run = add(tx, yard)
        assert store.move_run(tx, run.id, ["queued"], "running")
        assert not store.move_run(tx, run.id, ["queued"], "cancelled")


def test_a_run_is_asked_to_stop_once_and_only_before_its_release(yard: Yard) -> None:
    with yard.stage.platform.context.db.begin() as tx:
        run, other = add(tx, yard), add(tx, yard)
        assert not store.ask_to_stop(tx, run.id, "cancelled", "queued runs are ended instead")
        for each in (run, other):
            store.move_run(tx, each.id, ["queued"], "running")
        assert store.ask_to_stop(tx, run.id, "cancelled", "why")
        assert not store.ask_to_stop(tx, run.id, "superseded", "too late")
        assert store.stop_asked(tx, run.id) == "cancelled"
        store.add_release(tx, other, ARTIFACT, WORKLOAD)
        assert not store.ask_to_stop(tx, other.id, "cancelled", "it has its release")


def test_a_run_has_one_release_however_often_it_is_made(yard: Yard) -> None:
    with yard.stage.platform.context.db.begin() as tx:
        run = add(tx, yard)
        assert store.add_release(tx, run, ARTIFACT, WORKLOAD) == store.add_release(tx, run, ARTIFACT, WORKLOAD)
        kept = store.release_by_number(tx, run.service_id, 1)
        assert kept is not None
        assert (kept.artifact, kept.workload, kept.run_id) == (ARTIFACT, WORKLOAD, run.id)


def test_a_task_that_is_begun_again_stands_once(yard: Yard) -> None:
    with yard.stage.platform.context.db.begin() as tx:
        run = add(tx, yard)
        for _ in range(2):
            store.begin_task(tx, run.id, "build", 1)
        store.begin_task(tx, run.id, "checkout", 0)
        store.end_task(tx, run.id, "checkout", "succeeded", 0.25)
        store.end_open_tasks(tx, run.id, "cancelled")
        found = store.run(tx, run.id)
    assert found is not None
    assert [(task.name, task.state) for task in found.tasks] == [("checkout", "succeeded"), ("build", "cancelled")]


def test_results_of_tests_replace_those_of_an_earlier_try(yard: Yard) -> None:
    results = TestRun(
        (TestCase("suite", "adds", 0.1, "passed", ""), TestCase("suite", "divides", 0.2, "failed", "1/0")), True
    )
    with yard.stage.platform.context.db.begin() as tx:
        run = add(tx, yard)
        assert store.tests_of(tx, run.id) is None
        for _ in range(2):
            store.set_tests(tx, run.id, results)
        assert store.tests_of(tx, run.id) == results


def test_pages_of_runs_go_back_in_time_without_gaps(yard: Yard) -> None:
    with yard.stage.platform.context.db.begin() as tx:
        numbers = [add(tx, yard).number for _ in range(5)][::-1]
        seen, token = [], None
        while True:
            page = store.list_runs(tx, yard.stage.service.id, page_request(2, token))
            seen += [run.number for run in page.items]
            token = page.next_page_token
            if token is None:
                break
    assert seen == numbers


def test_heads_of_branches_are_remembered_and_forgotten(yard: Yard) -> None:
    service = yard.stage.service.id
    with yard.stage.platform.context.db.begin() as tx:
        for commit in ("a" * 40, "b" * 40):
            store.record_head(tx, service, "main", commit)
        assert store.recorded_heads(tx, service) == {"main": "b" * 40}
        store.record_head(tx, service, "main", None)
        assert store.recorded_heads(tx, service) == {}
