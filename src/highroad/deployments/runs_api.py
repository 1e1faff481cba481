"""Pipeline runs over HTTP. They stand here because a run is followed through its deployments to the end."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from highroad.access.model import Actor
from highroad.access.permissions import allowed, require, require_scope
from highroad.db.engine import Transaction
from highroad.deployments.answers import RunAnswer, run_answer
from highroad.deployments.desk import Desk
from highroad.deployments.streaming import run_stream
from highroad.errors import Conflict, FieldError, Invalid, NotFound
from highroad.kit.paging import PageRequest
from highroad.pipelines import actions, store
from highroad.pipelines.actions import NoSuchRun, PushedCommit
from highroad.pipelines.model import PipelineRun
from highroad.projects import store as projects
from highroad.projects.actions import find_service
from highroad.projects.model import Service
from highroad.web.api import Answer, Body, Listing, api_router, does, listing, paging
from highroad.web.auth import signed_in
from highroad.web.streams import wants_stream


class NoTests(NotFound):
    code = "no-tests"


class NothingPushed(Conflict):
    code = "nothing-pushed"
    title = "Nothing was pushed yet"


class NotOnBranch(Invalid):
    code = "commit-not-on-branch"
    title = "The commit is not on this branch"


class RunRequest(Body):
    branch: str | None = Field(
        default=None, max_length=255, description="Its head is run; the default branch if left out."
    )
    commit: str | None = Field(
        default=None, max_length=64, description="A commit of the branch: its head or one before it."
    )


class TestCaseAnswer(Answer):
    __test__ = False
    suite: str
    name: str
    seconds: float
    outcome: str
    message: str


class TestsAnswer(Answer):
    __test__ = False
    items: list[TestCaseAnswer]
    totals: dict[str, int]
    complete: bool


def router(desk: Desk) -> APIRouter:
    api = api_router("runs")
    _add_of_service(api, desk)
    _add_single(api, desk)
    return api


def _add_of_service(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))
    base = "/projects/{project}/services/{service}/runs"

    @api.get(base, openapi_extra=does("project:read"))
    def list_runs(
        actor: Annotated[Actor, actor_of], project: str, service: str, page: Annotated[PageRequest, Depends(paging)]
    ) -> Listing[RunAnswer]:
        """Newest first."""
        with desk.context.db.read() as tx:
            found = find_service(tx, actor, project, service)
            runs = store.list_runs(tx, found.id, page)
            return Listing(**listing(runs, lambda each: run_answer(tx, found, each, actor)))

    @api.post(base, status_code=202, openapi_extra=does("run:write"))
    def start_run(actor: Annotated[Actor, actor_of], project: str, service: str, body: RunRequest) -> RunAnswer:
        """Run the pipeline again without a push."""
        with desk.context.db.read() as tx:
            found = find_service(tx, actor, project, service)
        require(actor, "run:write", found.place)
        pushed = pushed_commit(desk, found, body)
        with desk.context.db.begin() as tx:
            run = actions.queue_run(tx, desk.context.log, actor, found, pushed, desk.start)
            return run_answer(tx, found, run, actor)


def _add_single(api: APIRouter, desk: Desk) -> None:
    actor_of = Depends(signed_in(desk.context))

    @api.get("/runs/{id}", openapi_extra=does("project:read"))
    def get_run(actor: Annotated[Actor, actor_of], id: str) -> RunAnswer:
        """A pipeline run with its tasks and what came of it."""
        with desk.context.db.read() as tx:
            run, service = find_run(tx, actor, id)
            return run_answer(tx, service, run, actor)

    @api.get(
        "/runs/{id}/log",
        response_model=None,
        responses={200: {"content": {"text/event-stream": {}}}},
        openapi_extra=does("project:read"),
    )
    def run_log(request: Request, actor: Annotated[Actor, actor_of], id: str, cursor: str | None = None) -> Response:
        """What the run and its deployments say; `text/event-stream` follows them to the end."""
        with desk.context.db.read() as tx:
            find_run(tx, actor, id)
        if wants_stream(request):
            return run_stream(desk, request, id, actor)
        followed = desk.follower.run(id, cursor, actor)
        items = [{"at": each.at, "task": each.task, "text": each.text} for each in followed.lines]
        return JSONResponse({"items": items, "cursor": followed.cursor})

    @api.get("/runs/{id}/tests", openapi_extra=does("project:read"))
    def run_tests(actor: Annotated[Actor, actor_of], id: str) -> TestsAnswer:
        """Every test case of the run, with its outcome and duration."""
        with desk.context.db.read() as tx:
            find_run(tx, actor, id)
            tests = store.tests_of(tx, id)
        if tests is None:
            raise NoTests("This run has no test results.", next_step="How tests are found: `test:` in highroad.yaml.")
        totals = Counter(case.outcome for case in tests.cases)
        items = [TestCaseAnswer.model_validate(case) for case in tests.cases]
        return TestsAnswer(
            items=items, totals={str(outcome): count for outcome, count in totals.items()}, complete=tests.complete
        )

    @api.post("/runs/{id}/cancel", status_code=202, openapi_extra=does("run:write"))
    def cancel_run(actor: Annotated[Actor, actor_of], id: str) -> RunAnswer:
        """End the run at its next moment; only until it has made its release."""
        require_scope(actor, "run:write")
        with desk.context.db.begin() as tx:
            run, service = find_run(tx, actor, id)
            actions.cancel_run(tx, desk.context.log, actor, service, run, desk.start)
            changed, _ = find_run(tx, actor, id)
            return run_answer(tx, service, changed, actor)


def find_run(tx: Transaction, actor: Actor, id: str) -> tuple[PipelineRun, Service]:
    """One that the actor may see; any other is as good as not there."""
    require_scope(actor, "project:read")
    run = store.run(tx, id)
    service = projects.service_by_id(tx, run.service_id) if run else None
    if run is None or service is None or not allowed(actor, "project:read", service.place):
        raise NoSuchRun("There is no such run.", next_step="highroad runs")
    return run, service


def pushed_commit(desk: Desk, service: Service, body: RunRequest) -> PushedCommit:
    """What `body` names. Raises `NothingPushed`, `NotOnBranch`, `UnknownRevision`."""
    repository = desk.repository_of(service.id)
    heads = repository.heads() if repository.exists() else {}
    branch = body.branch or (repository.default_branch() if heads else None)
    if branch is None or branch not in heads:
        raise NothingPushed(
            f"The repository has no branch {branch}." if branch and heads else f"{service.name} has no commits yet.",
            next_step="git push highroad main",
        )
    sha = repository.resolve(body.commit) if body.commit else heads[branch]
    if body.commit and not repository.is_ancestor(sha, heads[branch]):
        raise NotOnBranch(
            f"The commit {sha[:12]} is not on the branch {branch}.",
            next_step="Name the branch that has it: git branch --contains COMMIT, then push it.",
            errors=[FieldError("/commit", f"is not on {branch}")],
        )
    commit = repository.commit_info(sha)
    return PushedCommit(branch, sha, sha, commit.message[:4000], f"{commit.author} <{commit.email}>")
