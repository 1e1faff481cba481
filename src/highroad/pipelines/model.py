"""Pipeline runs, their tasks and releases: what became of a commit. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from highroad.builds.model import Artifact
from highroad.workload.model import Workload

RunState = Literal["queued", "running", "succeeded", "failed", "cancelled", "superseded"]
TaskName = Literal["checkout", "build", "test", "release"]
TASKS: tuple[TaskName, ...] = get_args(TaskName)
TaskState = Literal["running", "succeeded", "failed", "skipped", "cancelled"]
ENDED: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "superseded"})


@dataclass(frozen=True, slots=True)
class Task:
    """One step of a run as people see it; `seconds` is None while it runs."""

    name: str
    state: TaskState
    seconds: float | None


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """`reason` is why it ended as it did, in one line; `next_step` what the developer can do about it.

    `stop` is set when somebody asked it to end early: "cancelled", or "superseded" by a newer commit.
    """

    id: str
    service_id: str
    number: int
    commit: str
    branch: str
    message: str
    author: str
    actor: str
    state: RunState
    reason: str
    next_step: str
    stop: str | None
    release_id: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    tasks: tuple[Task, ...] = ()

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Release:
    """Immutable: service + commit + artifact + the workload at that commit. `number` counts within the service."""

    id: str
    service_id: str
    number: int
    commit: str
    message: str
    author: str
    branch: str
    artifact: Artifact
    workload: Workload
    run_id: str
    created_at: datetime
