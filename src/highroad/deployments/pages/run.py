"""A pipeline run: its commit, tasks, test results, deployments and log, and what became of it."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access.permissions import require
from highroad.builds.junit import TestCase, TestRun
from highroad.deployments import store
from highroad.deployments.answers import deployment_answer, run_answer
from highroad.deployments.api import find_deployment
from highroad.deployments.desk import Desk
from highroad.deployments.pages.logs import shown_log
from highroad.deployments.runs_api import find_run
from highroad.errors import HighroadError
from highroad.pipelines import actions
from highroad.pipelines import store as pipelines
from highroad.pipelines.actions import PushedCommit
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit

MOST_CASES = 500
_FIRST = {"error": 0, "failed": 0, "skipped": 1, "passed": 2}


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    visitor, context = Depends(visit(desk.context)), desk.context

    @pages.get("/runs/{id}")
    def show_run(visit: Annotated[Visit, visitor], id: str) -> Response:
        return _run(visit, desk, id)

    @pages.post("/runs/{id}/cancel")
    def cancel_run(visit: Annotated[Visit, visitor], id: str) -> Response:
        try:
            with context.db.begin() as tx:
                run, service = find_run(tx, id)
                actions.cancel_run(tx, context.log, visit.actor, service, run, desk.start)
        except HighroadError as error:
            return _run(visit, desk, id, visit.refusal("run", error))
        return visit.go(f"/runs/{id}")

    @pages.post("/runs/{id}/again")
    def run_again(visit: Annotated[Visit, visitor], id: str) -> Response:
        """The same commit once more, as a run of its own."""
        require(visit.actor, "run:write")
        with context.db.begin() as tx:
            run, service = find_run(tx, id)
            pushed = PushedCommit(run.branch, run.commit, run.commit, run.message, run.author)
            queued = actions.queue_run(tx, context.log, visit.actor, service, pushed, desk.start)
        return visit.go(f"/runs/{queued.id}")

    return pages


def _run(visit: Visit, desk: Desk, id: str, refused: Refusal | None = None) -> Response:
    require(visit.actor, "project:read")
    with desk.context.db.read() as tx:
        run, service = find_run(tx, id)
        answer = run_answer(tx, service, run)
        tests = pipelines.tests_of(tx, id)
        deployments = []
        for each in store.deployments_of_run(tx, id):
            _, _, environment = find_deployment(tx, each.id)
            deployments.append(deployment_answer(tx, service, environment, each, desk.context.settings))
    ended = run.ended and all(each.finished_at is not None for each in deployments)
    return visit.page(
        "run.html",
        refused=refused,
        run=answer,
        deployments=deployments,
        tests=tests,
        cases=_failures_first(tests)[:MOST_CASES] if tests else (),
        ended=ended,
        log=shown_log(desk.follower.run(id, None)),
    )


def _failures_first(tests: TestRun) -> list[TestCase]:
    return sorted(tests.cases, key=lambda case: _FIRST[case.outcome])
