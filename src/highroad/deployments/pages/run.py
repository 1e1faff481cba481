"""A pipeline run: its commit, tasks, test results, deployments and log, and what became of it."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access.permissions import require
from highroad.builds.junit import TestCase, TestRun
from highroad.deployments.answers import deployment_answer, run_answer, seen_deployments
from highroad.deployments.desk import Desk
from highroad.deployments.pages.logs import shown_log
from highroad.deployments.runs_api import find_run
from highroad.errors import HighroadError
from highroad.pipelines import actions
from highroad.pipelines import store as pipelines
from highroad.pipelines.actions import PushedCommit
from highroad.projects import store as projects
from highroad.web.api import does
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit

MOST_CASES = 500
_FIRST = {"error": 0, "failed": 0, "skipped": 1, "passed": 2}


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    visitor, context = Depends(visit(desk.context)), desk.context

    @pages.get("/runs/{id}", openapi_extra=does("project:read"))
    def show_run(visit: Annotated[Visit, visitor], id: str) -> Response:
        return _run(visit, desk, id)

    @pages.post("/runs/{id}/cancel", openapi_extra=does("run:write"))
    def cancel_run(visit: Annotated[Visit, visitor], id: str) -> Response:
        try:
            with context.db.begin() as tx:
                run, service = find_run(tx, visit.actor, id)
                actions.cancel_run(tx, context.log, visit.actor, service, run, desk.start)
        except HighroadError as error:
            return _run(visit, desk, id, visit.refusal("run", error))
        return visit.go(f"/runs/{id}")

    @pages.post("/runs/{id}/again", openapi_extra=does("run:write"))
    def run_again(visit: Annotated[Visit, visitor], id: str) -> Response:
        """The same commit once more, as a run of its own."""
        with context.db.begin() as tx:
            run, service = find_run(tx, visit.actor, id)
            require(visit.actor, "run:write", service.place)
            pushed = PushedCommit(run.branch, run.commit, run.commit, run.message, run.author)
            queued = actions.queue_run(tx, context.log, visit.actor, service, pushed, desk.start)
        return visit.go(f"/runs/{queued.id}")

    return pages


def _run(visit: Visit, desk: Desk, id: str, refused: Refusal | None = None) -> Response:
    with desk.context.db.read() as tx:
        run, service = find_run(tx, visit.actor, id)
        answer = run_answer(tx, service, run, visit.actor)
        tests = pipelines.tests_of(tx, id)
        deployments = []
        for each in seen_deployments(tx, id, visit.actor):
            environment = projects.environment_by_id(tx, each.environment_id)
            assert environment is not None, "deployments reference environments"
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
        log=shown_log(desk.follower.run(id, None, visit.actor)),
    )


def _failures_first(tests: TestRun) -> list[TestCase]:
    return sorted(tests.cases, key=lambda case: _FIRST[case.outcome])
