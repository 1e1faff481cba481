"""The durable way of one commit: check out and detect, build, test, release.

Every step can die and be run again: the work directory is made anew, an artifact that is whole is not built twice, the
release is found by its run. A run that was superseded or cancelled ends at the next poll of its stop flag, which builds
and tests see within a quarter of a second.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol

from highroad.access.model import SYSTEM
from highroad.builds.build import Builder
from highroad.builds.failures import BuildCancelled
from highroad.builds.model import Artifact, BuildRequest
from highroad.builds.testing import Tested, hidden, run_tests
from highroad.builds.trees import remove
from highroad.db.engine import Database, Transaction
from highroad.errors import Conflict, HighroadError, Invalid, NotFound, Permanent
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.pipelines import store
from highroad.pipelines.actions import advance, finish_run, run_event
from highroad.pipelines.journal import DEPLOY_TASK, Journal
from highroad.pipelines.model import TASKS, PipelineRun, Release, RunState, TaskName
from highroad.projects import store as projects
from highroad.projects.model import Service
from highroad.sources.repository import Repository
from highroad.workflows.run import Run
from highroad.workload.describe import describe
from highroad.workload.detect import detect
from highroad.workload.model import Workload
from highroad.workload.paths import concerns
from highroad.workload.source import Source

POLL_SECONDS = 0.25
TEST_ENVIRONMENT = "pipeline"
"""Where tests run, as their event says it: in the pipeline's sandbox, which is none of the project's environments."""


class Stopped(Conflict):
    code = "run-stopped"
    title = "The run was stopped"


_STOPPED = (Stopped, BuildCancelled)


class TestsFailed(Invalid):
    __test__ = False
    code = "tests-failed"
    title = "Tests failed"


class NothingConcerned(Conflict):
    code = "nothing-concerned"
    title = "No change concerns this service"


class ServiceGone(NotFound):
    code = "service-gone"


@dataclass(frozen=True, slots=True)
class Sent:
    """The names of the environments that a release goes to, and of those where whoever pushed may not deploy; `ask`
    are people who may, by environment."""

    environments: list[str] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    ask: dict[str, list[str]] = field(default_factory=dict)


class OnRelease(Protocol):
    """What follows a release, in its transaction: deployments to the environments whose rule matches. It returns
    the names of those environments."""

    def __call__(self, tx: Transaction, run: PipelineRun, service: Service, release: Release) -> Sent: ...


@dataclass(slots=True)
class StopFlag:
    """Asks the database at most every quarter of a second whether the run shall end."""

    db: Database
    run_id: str
    asked: float = field(default=0.0)
    answer: bool = False

    def __call__(self) -> bool:
        if not self.answer and time.monotonic() - self.asked > POLL_SECONDS:
            self.asked = time.monotonic()
            with self.db.read() as tx:
                self.answer = store.stop_asked(tx, self.run_id) is not None
        return self.answer


class Pipeline:
    """`repository_of` gives a service's repository, `work` is where runs check out."""

    def __init__(
        self,
        db: Database,
        log: EventLog,
        journal: Journal,
        *,
        repository_of: Callable[[str], Repository],
        builder: Builder,
        work: Path,
        on_release: OnRelease,
        start: Callable[[str, str], None],
    ) -> None:
        self._db = db
        self._log = log
        self._journal = journal
        self._repository_of = repository_of
        self._builder = builder
        self._work = work
        self._on_release = on_release
        self._start = start
        self._slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))

    def __call__(self, run: Run, run_id: str) -> None:
        """The workflow function; `run_id` is a run whose turn it is."""
        try:
            run.step("checkout", self._checkout, run_id)
            run.step("build", self._build, run_id)
            run.step("test", self._test, run_id)
            run.step("release", self._release, run_id)
        except NothingConcerned as error:
            run.step("skip", self._skip, run_id, error.detail)
        except (HighroadError, Permanent) as error:
            run.step("fail", self._fail, run_id, error.detail, error.next_step, isinstance(error, _STOPPED))

    # Steps

    def _checkout(self, run_id: str) -> None:
        with self._task(run_id, "checkout") as flag:
            record, service = self._read(run_id)
            self._refuse_if_stopped(flag)
            source = self._fresh_source(record)
            workload = detect(Source.at(source, service.path), self._builder.tools().versions())
            self._refuse_unconcerned(record, workload)
            with self._db.begin() as tx:
                store.set_workload(tx, run_id, workload)
            self._say(run_id, "checkout", f"-----> {record.commit[:7]} {_title(record)}")
            for line in describe(workload):
                self._say(run_id, "checkout", f"       {line}")

    def _build(self, run_id: str) -> None:
        with self._task(run_id, "build") as flag:
            record, service = self._read(run_id)
            self._refuse_if_stopped(flag)
            with self._db.read() as tx:
                workload = store.workload_of(tx, run_id)
            assert workload is not None, "the step before wrote it"
            commit = self._repository_of(record.service_id).commit_info(record.commit)
            source = self._source(run_id)
            if not source.exists():  # taken over by a build that died, or by an earlier life of this machine
                source = self._fresh_source(record)
            request = BuildRequest(
                source=source,
                tree=commit.tree,
                workload=workload,
                subdirectory=service.path,
                epoch=int(commit.committed.timestamp()),
            )
            self._append(record, service, events.BUILD_STARTED, {})
            with self._slot(run_id, "build", flag):
                artifact = self._builder.build(request, lambda line: self._say(run_id, "build", line), cancelled=flag)
            self._refuse_if_stopped(flag)
            with self._db.begin() as tx:
                store.set_artifact(tx, run_id, artifact)
                event = _event(events.BUILD_FINISHED, record, service, _made(record, service, artifact))
                self._log.append(tx, event, SYSTEM)
            remove(self._work / run_id)

    def _test(self, run_id: str) -> None:
        with self._db.read() as tx:
            workload, artifact = store.workload_of(tx, run_id), store.artifact_of(tx, run_id)
        assert workload is not None, "written by the step checkout"
        assert artifact is not None, "written by the step build"
        if workload.test is None:
            return
        with self._task(run_id, "test") as flag:
            record, service = self._read(run_id)
            self._refuse_if_stopped(flag)
            commit = self._repository_of(record.service_id).commit_info(record.commit)
            with self._slot(run_id, "test", flag):
                tested = run_tests(
                    self._builder,
                    artifact,
                    workload,
                    lambda line: self._say(run_id, "test", line),
                    cancelled=flag,
                    epoch=int(commit.committed.timestamp()),
                )
            self._refuse_if_stopped(flag)
            tested = hidden(tested, self._journal.mask_of(run_id))
            with self._db.begin() as tx:
                if tested.run is not None:
                    store.set_tests(tx, run_id, tested.run)
                content = {
                    "outcome": "success" if tested.passed else "failure",
                    "environment": {"id": TEST_ENVIRONMENT},
                    "testSuite": {"id": service.id, "name": f"{service.project}/{service.name}"},
                }
                event = _event(events.TESTSUITERUN_FINISHED, record, service, content, summary=_summary(tested))
                self._log.append(tx, event, SYSTEM)
            if not tested.passed and workload.test.required:
                raise TestsFailed(
                    f"Tests failed: {_summary(tested)}. Nothing was deployed.",
                    next_step="Mend the tests and push again; to release in spite of red ones: "
                    "`test: {command: ..., required: false}` in highroad.yaml",
                )

    def _refuse_unconcerned(self, record: PipelineRun, workload: Workload) -> None:
        """End here when `paths` says that nothing of this service changed since the branch's last release."""
        if not workload.paths:
            return
        with self._db.read() as tx:
            before = store.last_release_on(tx, record.service_id, record.branch)
        if before is None or before.commit == record.commit:  # a run of the same commit was asked for by hand
            return
        repository = self._repository_of(record.service_id)
        known = repository.has(before.commit)
        if known and not concerns(workload.paths, repository.changed_paths(before.commit, record.commit)):
            raise NothingConcerned(
                f"No file that concerns this service changed since release {before.number} (`paths` in highroad.yaml).",
                next_step="",
            )

    def _skip(self, run_id: str, reason: str) -> None:
        with self._db.begin() as tx:
            record, service = self._in(tx, run_id)
            finish_run(tx, self._log, service, record, ("running",), "succeeded", reason, "")
            advance(tx, self._log, service, record.branch, self._start)
            self._say(run_id, "release", f"-----> {reason} Nothing was deployed.")
        remove(self._work / run_id)

    def _release(self, run_id: str) -> None:
        with self._task(run_id, "release"), self._db.begin() as tx:
            record, service = self._in(tx, run_id)
            if record.ended:
                return
            if record.stop is not None:
                raise Stopped(record.reason, next_step="")
            artifact, workload = store.artifact_of(tx, run_id), store.workload_of(tx, run_id)
            assert artifact is not None, "written by the step build"
            assert workload is not None, "written by the step checkout"
            release = store.add_release(tx, record, artifact, workload)
            event = _event(events.RELEASE_CREATED, record, service, _made(record, service, artifact))
            self._log.append(tx, event, SYSTEM)
            sent = self._on_release(tx, record, service, release)
            finish_run(tx, self._log, service, record, ("running",), "succeeded", "", "")
            advance(tx, self._log, service, record.branch, self._start)
            self._say(run_id, "release", f"-----> Release {release.number} of {service.name}")
            for name in sent.withheld:
                about = f"{DEPLOY_TASK}{name}"
                self._journal.write(
                    run_id, about, f" !     Not deployed to {name}: {record.actor} may not deploy there."
                )
                helpers = ", ".join(sent.ask.get(name, ())) or "Somebody who may"
                here = f"-p {service.project} -s {service.name}"
                ask = f" !     {helpers} can: highroad deploy --branch {record.branch} {here}"
                self._journal.write(run_id, about, ask)
            if not sent.environments and not sent.withheld:
                self._say(run_id, "release", f"       No environment deploys the branch {record.branch}.")
                self._say(run_id, "release", f"       highroad environments create NAME --branch {record.branch}")

    def _fail(self, run_id: str, reason: str, next_step: str, stopped: bool) -> None:
        with self._db.begin() as tx:
            record, service = self._in(tx, run_id)
            final: RunState = "failed"
            if stopped:
                final = "superseded" if record.stop == "superseded" else "cancelled"
                reason, next_step = record.reason, ""
            if finish_run(tx, self._log, service, record, ("running",), final, reason, next_step):
                advance(tx, self._log, service, record.branch, self._start)
                self._tell_end(record, final, reason, next_step)
        remove(self._work / run_id)

    def _tell_end(self, record: PipelineRun, state: RunState, reason: str, next_step: str) -> None:
        self._say(record.id, "release", f" !     Run {record.number} {state}: {reason}")
        if next_step:
            self._say(record.id, "release", f" !     {next_step}")

    # What steps share

    def _source(self, run_id: str) -> Path:
        return self._work / run_id / "source"

    def _fresh_source(self, record: PipelineRun) -> Path:
        remove(self._work / record.id)
        source = self._source(record.id)
        source.parent.mkdir(parents=True)
        checkout = self._repository_of(record.service_id).checkout(record.commit, source)
        for path in checkout.submodules:
            self._say(record.id, "checkout", f"       The submodule {path} stays empty: submodules are not fetched.")
        return source

    def _read(self, run_id: str) -> tuple[PipelineRun, Service]:
        with self._db.read() as tx:
            return self._in(tx, run_id)

    def _in(self, tx: Transaction, run_id: str) -> tuple[PipelineRun, Service]:
        record = store.run(tx, run_id)
        service = projects.service_by_id(tx, record.service_id) if record else None
        if record is None or service is None:
            raise ServiceGone("The service was deleted while this run went on.", next_step="")
        return record, service

    def _refuse_if_stopped(self, flag: StopFlag) -> None:
        if flag():
            raise Stopped("The run was asked to stop.", next_step="")

    @contextmanager
    def _slot(self, run_id: str, task: TaskName, flag: StopFlag) -> Iterator[None]:
        """As many builds and tests at once as the machine has cores: each may use the memory of a whole build."""
        if not self._slots.acquire(blocking=False):
            self._say(run_id, task, "       Waiting for another build to end.")
            while not self._slots.acquire(timeout=POLL_SECONDS):
                self._refuse_if_stopped(flag)
        try:
            yield
        finally:
            self._slots.release()

    def _append(
        self, record: PipelineRun, service: Service, type: events.EventType, content: dict[str, object]
    ) -> None:
        with self._db.begin() as tx:
            self._log.append(tx, _event(type, record, service, content), SYSTEM)

    def _say(self, run_id: str, task: TaskName, text: str) -> None:
        self._journal.write(run_id, task, text)

    def _task(self, run_id: str, name: TaskName) -> _Task:
        return _Task(self._db, self._journal, run_id, name)


class _Task:
    """Marks a task as running, then as succeeded or failed with its seconds; gives the run's stop flag."""

    def __init__(self, db: Database, journal: Journal, run_id: str, name: TaskName) -> None:
        self._db, self._journal, self._run_id, self._name = db, journal, run_id, name

    def __enter__(self) -> StopFlag:
        self._began = time.perf_counter()
        with self._db.begin() as tx:
            store.begin_task(tx, self._run_id, self._name, TASKS.index(self._name))
            tx.after_commit(self._journal.bell.ring)
        return StopFlag(self._db, self._run_id)

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._db.begin() as tx:
            state = "succeeded" if kind is None else "cancelled" if issubclass(kind, _STOPPED) else "failed"
            store.end_task(tx, self._run_id, self._name, state, time.perf_counter() - self._began)  # type: ignore[arg-type]


def _event(
    type: events.EventType, record: PipelineRun, service: Service, content: Mapping[str, object], **custom: object
) -> Event:
    whole = run_event(type, service, record)
    return Event(
        type,
        record.id,
        content,
        project=whole.project,
        service=whole.service,
        chain=record.id,
        custom={**whole.custom, **custom},
    )


def _made(record: PipelineRun, service: Service, artifact: Artifact) -> dict[str, object]:
    return {"artifactId": events.package_url(service.project, service.name, record.commit, artifact.digest)}


def _title(record: PipelineRun) -> str:
    """The first line of the commit's message, which may be empty."""
    return next(iter(record.message.splitlines()), "(no message)")[:72]


def _summary(tested: Tested) -> str:
    """`12 passed, 1 failed`, else what is known without a report."""
    if tested.run is not None and tested.run.cases:
        return tested.run.summary
    return tested.why or tested.note or "no report"
