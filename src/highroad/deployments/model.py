"""Deployments: a release put into an environment by a plan. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from highroad.drivers.contract import InstanceSpec
from highroad.projects.references import Delivered

Kind = Literal["deploy", "rollback", "restart", "scale", "stop", "start", "configure"]
KINDS: tuple[str, ...] = get_args(Kind)
DeploymentState = Literal[
    "waiting", "queued", "running", "succeeded", "failed", "cancelled", "superseded", "refused", "expired"
]
ENDED: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "superseded", "refused", "expired"})
InstanceState = Literal["starting", "serving", "draining", "stopped"]
ChangeKind = Literal["start", "stop", "keep", "configure", "route", "resource", "command", "build"]


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan: what happens to `subject`, in words; values of configuration are never in it."""

    kind: ChangeKind
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the plan cannot be carried out, and what the developer can do."""

    detail: str
    next_step: str


@dataclass(frozen=True, slots=True)
class PlannedInstance:
    """An instance to start: `label` is `web.1`."""

    process: str
    index: int

    @property
    def label(self) -> str:
        return f"{self.process}.{self.index}"


@dataclass(frozen=True, slots=True)
class Before:
    """What served when the plan was made, to put it back; `serving` are ids of instances."""

    release_id: str | None
    deployment_id: str | None
    stopped: bool
    counts: dict[str, int]
    serving: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deployment will do, decided before: the executor has no choices left.

    `start` are new instances, `keep` and `stop` ids of present ones. `hosts` lead to the http process afterwards
    (empty: nothing to route). `directory` is served as files instead, for a static site. `before` is written once, with
    the plan: what serves later may be this deployment itself.
    """

    summary: str
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    release_command: str | None = None
    start: tuple[PlannedInstance, ...] = ()
    keep: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    directory: str | None = None
    before: Before | None = None


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    state: Literal["running", "succeeded", "failed"]
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Placement:
    """A service in an environment. `identity` is unique for ever and becomes the operating-system user.

    `counts` are what somebody scaled, by process. `release_id` and `deployment_id` are what serves now;
    `active_id` is the deployment at work, of which there is at most one.
    """

    identity: int
    service_id: str
    environment_id: str
    release_id: str | None
    deployment_id: str | None
    active_id: str | None
    stopped: bool
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployment:
    """`turn` counts how often it was set to work: a gate that closes when its turn comes sends it back to wait."""

    id: str
    number: int
    service_id: str
    environment_id: str
    kind: Kind
    release_id: str | None
    run_id: str | None
    actor: str
    origin: str
    state: DeploymentState
    step: str
    reason: str
    next_step: str
    cancel: bool
    configuration: Delivered
    counts: dict[str, int]
    plan: Plan | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    steps: tuple[Step, ...] = ()
    turn: int = 1

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def work(self) -> str:
        """The subject of its workflow: the id, and from the second turn on, the turn, as a workflow runs once."""
        return self.id if self.turn == 1 else f"{self.id}+{self.turn}"


@dataclass(frozen=True, slots=True)
class Instance:
    """One started process of a deployment. `spec` is all the driver needs, so that recovery needs nothing else."""

    id: str
    deployment_id: str
    service_id: str
    environment_id: str
    process: str
    index: int
    http: bool
    port: int | None
    state: InstanceState
    spec: InstanceSpec
    drain: float
    created_at: datetime
    changed_at: datetime

    @property
    def label(self) -> str:
        return f"{self.process}.{self.index}"

    @property
    def upstream(self) -> str:
        return f"127.0.0.1:{self.port}"
