"""Tables of pipeline runs, their tasks and tests, releases, and the branch heads that were recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from highroad.builds.junit import TestCase, TestRun
from highroad.builds.model import Artifact
from highroad.db.engine import Transaction, metadata
from highroad.db.pages import newest_first
from highroad.kit.clock import now, parse_rfc3339, rfc3339
from highroad.kit.ids import new_id
from highroad.kit.paging import Page, PageRequest
from highroad.pipelines.model import PipelineRun, Release, RunState, Task, TaskState
from highroad.projects.store import services
from highroad.workload.codec import dump, load
from highroad.workload.model import Workload

runs = Table(
    "runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("service_id", String(40), ForeignKey("services.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("commit_sha", String(64), nullable=False),
    Column("branch", String(255), nullable=False),
    Column("message", Text, nullable=False),
    Column("author", String(255), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("stop", String(16)),
    Column("workload", Text),
    Column("artifact", Text),
    Column("release_id", String(40)),
    Column("created_at", String(32), nullable=False),
    Column("started_at", String(32)),
    Column("finished_at", String(32)),
    UniqueConstraint("service_id", "number"),
    Index("ix_runs_state", "state"),
)
tasks = Table(
    "tasks",
    metadata,
    Column("run_id", String(40), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(32), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", String(32), nullable=False),
    Column("seconds", Float),
)
test_runs = Table(
    "test_runs",
    metadata,
    Column("run_id", String(40), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("complete", Boolean, nullable=False),
)
test_cases = Table(
    "test_cases",
    metadata,
    Column("run_id", String(40), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("suite", String(255), nullable=False),
    Column("name", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("message", Text, nullable=False),
)
releases = Table(
    "releases",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("service_id", String(40), ForeignKey("services.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("commit_sha", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("author", String(255), nullable=False),
    Column("branch", String(255), nullable=False),
    Column("artifact", Text, nullable=False),
    Column("workload", Text, nullable=False),
    Column("run_id", String(40), nullable=False, unique=True),
    Column("created_at", String(32), nullable=False),
    UniqueConstraint("service_id", "number"),
)
branch_heads = Table(
    "branch_heads",
    metadata,
    Column("service_id", String(40), ForeignKey("services.id", ondelete="CASCADE"), primary_key=True),
    Column("branch", String(255), primary_key=True),
    Column("commit_sha", String(64), nullable=False),
)


def _one_at_a_time(tx: Transaction, service_id: str) -> None:
    """Whoever else draws a number for this service waits until this transaction ends: the next number is the largest
    plus one. SQLite has one writer anyway, and no such lock."""
    tx.execute(select(services.c.id).where(services.c.id == service_id).with_for_update(key_share=True))


# Runs


def add_run(
    tx: Transaction, service_id: str, *, commit: str, branch: str, message: str, author: str, actor: str
) -> PipelineRun:
    id = new_id("run")
    _one_at_a_time(tx, service_id)
    number = (tx.execute(select(func.max(runs.c.number)).where(runs.c.service_id == service_id)).scalar() or 0) + 1
    tx.execute(
        insert(runs).values(
            id=id,
            service_id=service_id,
            number=number,
            commit_sha=commit,
            branch=branch,
            message=message[:4000],
            author=author[:255],
            actor=actor,
            state="queued",
            reason="",
            next_step="",
            created_at=rfc3339(now()),
        )
    )
    found = run(tx, id)
    assert found is not None, "it was just inserted"
    return found


def run(tx: Transaction, id: str) -> PipelineRun | None:
    row = tx.execute(select(runs).where(runs.c.id == id)).mappings().first()
    return _run(tx, row) if row else None


def list_runs(tx: Transaction, service_id: str, request: PageRequest) -> Page[PipelineRun]:
    statement = select(runs).where(runs.c.service_id == service_id)
    return newest_first(tx, statement, runs.c.id, request, lambda row: _run(tx, row))


def run_ids(tx: Transaction, service_id: str) -> list[str]:
    return [row[0] for row in tx.execute(select(runs.c.id).where(runs.c.service_id == service_id))]


def runs_in(
    tx: Transaction, state: RunState, service_id: str | None = None, branch: str | None = None
) -> list[PipelineRun]:
    """Oldest first."""
    statement = select(runs).where(runs.c.state == state).order_by(runs.c.id)
    if service_id is not None:
        statement = statement.where(runs.c.service_id == service_id)
    if branch is not None:
        statement = statement.where(runs.c.branch == branch)
    return [_run(tx, row) for row in tx.execute(statement).mappings().all()]


def pushers_of(tx: Transaction, service_id: str, commits: Sequence[str]) -> list[str]:
    """Who pushed these commits, or ran them again, by name."""
    mine = (runs.c.service_id == service_id, runs.c.commit_sha.in_(list(commits)))
    return [str(row[0]) for row in tx.execute(select(runs.c.actor).where(*mine).distinct())]


def move_run(tx: Transaction, id: str, from_states: Iterable[RunState], to: RunState, **values: Any) -> bool:
    """Compare-and-set; False when the run was in none of `from_states`, which is somebody else's win."""
    statement = update(runs).where(runs.c.id == id, runs.c.state.in_(list(from_states)))
    return tx.execute(statement.values(state=to, **values)).rowcount == 1


def update_run(tx: Transaction, id: str, **values: Any) -> None:
    tx.execute(update(runs).where(runs.c.id == id).values(**values))


def ask_to_stop(tx: Transaction, id: str, why: str, reason: str) -> bool:
    """Ask a running run that has no release yet to end; False when it is past that point or was asked before."""
    open_run = (runs.c.id == id, runs.c.state == "running", runs.c.release_id.is_(None), runs.c.stop.is_(None))
    return tx.execute(update(runs).where(*open_run).values(stop=why, reason=reason)).rowcount == 1


def stop_asked(tx: Transaction, id: str) -> str | None:
    found = tx.execute(select(runs.c.stop).where(runs.c.id == id)).scalar()
    return str(found) if found else None


def set_workload(tx: Transaction, id: str, workload: Workload) -> None:
    update_run(tx, id, workload=json.dumps(dump(workload)))


def workload_of(tx: Transaction, id: str) -> Workload | None:
    text = tx.execute(select(runs.c.workload).where(runs.c.id == id)).scalar()
    return load(json.loads(text)) if text else None


def set_artifact(tx: Transaction, id: str, artifact: Artifact) -> None:
    update_run(tx, id, artifact=artifact.to_json())


def artifact_of(tx: Transaction, id: str) -> Artifact | None:
    text = tx.execute(select(runs.c.artifact).where(runs.c.id == id)).scalar()
    return Artifact.from_json(text) if text else None


# Tasks


def begin_task(tx: Transaction, run_id: str, name: str, position: int) -> None:
    """Start it, or start it again after a crash."""
    tx.execute(delete(tasks).where(tasks.c.run_id == run_id, tasks.c.name == name))
    tx.execute(
        insert(tasks).values(run_id=run_id, name=name, position=position, state="running", started_at=rfc3339(now()))
    )


def end_task(tx: Transaction, run_id: str, name: str, state: TaskState, seconds: float) -> None:
    statement = update(tasks).where(tasks.c.run_id == run_id, tasks.c.name == name)
    tx.execute(statement.values(state=state, seconds=round(seconds, 4)))


def end_open_tasks(tx: Transaction, run_id: str, state: TaskState) -> None:
    tx.execute(update(tasks).where(tasks.c.run_id == run_id, tasks.c.state == "running").values(state=state))


# Tests


def set_tests(tx: Transaction, run_id: str, results: TestRun) -> None:
    tx.execute(delete(test_runs).where(test_runs.c.run_id == run_id))
    tx.execute(delete(test_cases).where(test_cases.c.run_id == run_id))
    tx.execute(insert(test_runs).values(run_id=run_id, complete=results.complete))
    rows = [
        {
            "run_id": run_id,
            "position": position,
            "suite": case.suite[:255],
            "name": case.name,
            "seconds": case.seconds,
            "outcome": case.outcome,
            "message": case.message,
        }
        for position, case in enumerate(results.cases)
    ]
    if rows:
        tx.execute(insert(test_cases), rows)


def tests_of(tx: Transaction, run_id: str) -> TestRun | None:
    complete = tx.execute(select(test_runs.c.complete).where(test_runs.c.run_id == run_id)).scalar()
    if complete is None:
        return None
    statement = select(test_cases).where(test_cases.c.run_id == run_id).order_by(test_cases.c.position)
    cases = tuple(
        TestCase(row["suite"], row["name"], row["seconds"], row["outcome"], row["message"])
        for row in tx.execute(statement).mappings()
    )
    return TestRun(cases, complete)


def tests_passed(tx: Transaction, run_id: str) -> bool | None:
    """Whether every test of the run passed or was skipped, and none is missing; None when it had no tests."""
    complete = tx.execute(select(test_runs.c.complete).where(test_runs.c.run_id == run_id)).scalar()
    if complete is None:
        return None
    red = select(test_cases.c.position).where(
        test_cases.c.run_id == run_id, test_cases.c.outcome.in_(["failed", "error"])
    )
    return bool(complete) and tx.execute(red.limit(1)).first() is None


# Releases


def add_release(tx: Transaction, run: PipelineRun, artifact: Artifact, workload: Workload) -> Release:
    """The run's release; the same one when the run has one already."""
    existing = tx.execute(select(releases).where(releases.c.run_id == run.id)).mappings().first()
    if existing:
        return _release(existing)
    _one_at_a_time(tx, run.service_id)
    largest = tx.execute(select(func.max(releases.c.number)).where(releases.c.service_id == run.service_id)).scalar()
    release = Release(
        new_id("rel"),
        run.service_id,
        (largest or 0) + 1,
        run.commit,
        run.message,
        run.author,
        run.branch,
        artifact,
        workload,
        run.id,
        now(),
    )
    tx.execute(
        insert(releases).values(
            id=release.id,
            service_id=release.service_id,
            number=release.number,
            commit_sha=release.commit,
            message=release.message,
            author=release.author,
            branch=release.branch,
            artifact=artifact.to_json(),
            workload=json.dumps(dump(workload)),
            run_id=run.id,
            created_at=rfc3339(release.created_at),
        )
    )
    update_run(tx, run.id, release_id=release.id)
    return release


def release(tx: Transaction, id: str) -> Release | None:
    row = tx.execute(select(releases).where(releases.c.id == id)).mappings().first()
    return _release(row) if row else None


def release_by_number(tx: Transaction, service_id: str, number: int) -> Release | None:
    statement = select(releases).where(releases.c.service_id == service_id, releases.c.number == number)
    row = tx.execute(statement).mappings().first()
    return _release(row) if row else None


def list_releases(tx: Transaction, service_id: str, request: PageRequest) -> Page[Release]:
    statement = select(releases).where(releases.c.service_id == service_id)
    return newest_first(tx, statement, releases.c.id, request, _release)


def release_ids(tx: Transaction, service_id: str) -> list[str]:
    """Newest first."""
    statement = select(releases.c.id).where(releases.c.service_id == service_id).order_by(releases.c.id.desc())
    return list(tx.execute(statement).scalars())


def kept_artifacts(tx: Transaction) -> list[Artifact]:
    """Of all releases of all services."""
    return [Artifact.from_json(text) for text in tx.execute(select(releases.c.artifact)).scalars()]


def last_release_on(tx: Transaction, service_id: str, branch: str) -> Release | None:
    """The newest release made of a branch."""
    here = (releases.c.service_id == service_id, releases.c.branch == branch)
    row = tx.execute(select(releases).where(*here).order_by(releases.c.id.desc()).limit(1)).mappings().first()
    return _release(row) if row else None


def remove_release(tx: Transaction, id: str) -> None:
    tx.execute(delete(releases).where(releases.c.id == id))


# Branch heads


def recorded_heads(tx: Transaction, service_id: str) -> dict[str, str]:
    statement = select(branch_heads).where(branch_heads.c.service_id == service_id)
    return {row["branch"]: row["commit_sha"] for row in tx.execute(statement).mappings()}


def record_head(tx: Transaction, service_id: str, branch: str, commit: str | None) -> None:
    """Remember the head; None forgets a deleted branch."""
    here = (branch_heads.c.service_id == service_id, branch_heads.c.branch == branch)
    if commit is None:
        tx.execute(delete(branch_heads).where(*here))
    else:
        statement = tx.insert(branch_heads).values(service_id=service_id, branch=branch, commit_sha=commit)
        key = [branch_heads.c.service_id, branch_heads.c.branch]
        tx.execute(statement.on_conflict_do_update(index_elements=key, set_={"commit_sha": commit}))


def _run(tx: Transaction, row: RowMapping) -> PipelineRun:
    statement = select(tasks).where(tasks.c.run_id == row["id"]).order_by(tasks.c.position)
    mine = tuple(Task(each["name"], each["state"], each["seconds"]) for each in tx.execute(statement).mappings())
    return PipelineRun(
        id=row["id"],
        service_id=row["service_id"],
        number=row["number"],
        commit=row["commit_sha"],
        branch=row["branch"],
        message=row["message"],
        author=row["author"],
        actor=row["actor"],
        state=row["state"],
        reason=row["reason"],
        next_step=row["next_step"],
        stop=row["stop"],
        release_id=row["release_id"],
        created_at=parse_rfc3339(row["created_at"]),
        started_at=parse_rfc3339(row["started_at"]) if row["started_at"] else None,
        finished_at=parse_rfc3339(row["finished_at"]) if row["finished_at"] else None,
        tasks=mine,
    )


def _release(row: RowMapping) -> Release:
    return Release(
        row["id"],
        row["service_id"],
        row["number"],
        row["commit_sha"],
        row["message"],
        row["author"],
        row["branch"],
        Artifact.from_json(row["artifact"]),
        load(json.loads(row["workload"])),
        row["run_id"],
        parse_rfc3339(row["created_at"]),
    )
