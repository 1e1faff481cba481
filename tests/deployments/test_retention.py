"""Which records may go, on both databases: never what something still needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from highroad.access.model import SYSTEM
from highroad.builds.junit import TestCase, TestRun
from highroad.builds.model import Artifact
from highroad.db.engine import Database, Transaction
from highroad.deployments import command_store, retention, store
from highroad.events.log import EventLog
from highroad.kit.clock import now, rfc3339
from highroad.pipelines import store as pipelines
from highroad.projects import actions as projects
from highroad.projects.references import Delivered
from highroad.workload.model import Process, Workload

WORKLOAD = Workload(processes=(Process(name="web", command="serve", http=True),))


@dataclass
class Place:
    tx: Transaction
    service: str
    environment: str

    def runs(self, count: int, state: Any = "succeeded") -> list[str]:
        made = []
        for _ in range(count):
            run = pipelines.add_run(
                self.tx, self.service, commit="c" * 40, branch="main", message="", author="", actor="ann"
            )
            pipelines.update_run(self.tx, run.id, state=state)
            made.append(run.id)
        return made

    def release(self, run_id: str) -> str:
        run = pipelines.run(self.tx, run_id)
        assert run is not None
        return pipelines.add_release(self.tx, run, Artifact("sha256:1", "/a"), WORKLOAD).id

    def deployment(self, state: Any = "succeeded", **values: Any) -> str:
        words: dict[str, Any] = {"kind": "deploy", "release_id": None, "run_id": None, **values}
        made = store.add_deployment(
            self.tx,
            service_id=self.service,
            environment_id=self.environment,
            actor="ann",
            origin="cli",
            configuration=Delivered(),
            counts={},
            **words,
        )
        store.update_deployment(self.tx, made.id, state=state)
        return made.id

    def command(self, *, ended: bool = True, at: datetime) -> str:
        made = command_store.add_command(
            self.tx, self.service, self.environment, process="run", command="x", actor="ann", occasion=None
        )
        assert made is not None
        if ended:
            command_store.end_command(self.tx, made.id, "finished")
        table = command_store.commands
        self.tx.execute(update(table).where(table.c.id == made.id).values(created_at=rfc3339(at)))
        return made.id

    def old_runs(self, keep: int) -> list[str]:
        return retention.old_runs(self.tx, self.service, keep=keep, limit=100)

    def old_deployments(self, keep: int) -> list[str]:
        return retention.old_deployments(self.tx, self.service, self.environment, keep=keep, limit=100)


@pytest.fixture
def place(db: Database, log: EventLog) -> Iterator[Place]:
    with db.begin() as tx:
        project = projects.create_project(tx, log, SYSTEM, name="shop")
        service = projects.create_service(tx, log, SYSTEM, project, name="web")
        environment = projects.create_environment(
            tx, log, SYSTEM, project, name="production", mode="production", branch="main"
        )
        yield Place(tx, service.id, environment.id)


def test_runs_beyond_the_newest_may_go_unless_they_are_at_work(place: Place) -> None:
    old = place.runs(2)
    place.runs(1, "running")
    place.runs(1, "queued")
    place.runs(2)
    assert place.old_runs(keep=2) == old
    assert place.old_runs(keep=5) == old[:1]


def test_runs_of_kept_releases_and_deployments_stay(place: Place) -> None:
    released, deployed, gone, _newest = place.runs(4)
    place.release(released)
    place.deployment(run_id=deployed)
    assert place.old_runs(keep=1) == [gone]


def test_a_run_goes_with_its_tests(place: Place) -> None:
    run = place.runs(2)[0]
    pipelines.set_tests(place.tx, run, TestRun((TestCase("suite", "adds", 0.1, "passed", ""),), True))
    retention.remove_runs(place.tx, place.old_runs(keep=1))
    assert pipelines.run_ids(place.tx, place.service) != []
    assert pipelines.tests_of(place.tx, run) is None


def test_deployments_that_serve_or_can_be_rolled_back_to_stay(place: Place) -> None:
    kept, dropped = (place.release(run) for run in place.runs(2))
    overtaken = place.deployment(release_id=kept)
    place.deployment(release_id=kept)
    without_release = place.deployment(release_id=dropped)
    failed = place.deployment("failed", release_id=kept)
    serving = place.deployment("failed")
    place.deployment("running")
    place.deployment()
    pipelines.remove_release(place.tx, dropped)
    identity = store.placement(place.tx, place.service, place.environment).identity
    store.update_placement(place.tx, identity, deployment_id=serving)
    assert place.old_deployments(keep=1) == [overtaken, without_release, failed]
    retention.remove_deployments(place.tx, [overtaken, without_release, failed])
    assert place.old_deployments(keep=1) == []


def test_commands_go_by_number_and_by_age_but_never_while_they_run_or_their_minute_is_fresh(place: Place) -> None:
    instant = now()
    place.command(ended=False, at=instant - timedelta(days=40))
    aged = place.command(at=instant - timedelta(days=40))
    surplus = place.command(at=instant - timedelta(days=2))
    place.command(at=instant - timedelta(minutes=2))
    for _ in range(3):
        place.command(at=instant - timedelta(days=1))
    words: dict[str, Any] = {"before": instant - timedelta(days=30), "settled": instant - timedelta(hours=1)}
    here = (place.tx, place.service, place.environment)
    assert retention.old_commands(*here, keep=3, limit=10, **words) == [aged, surplus]
    assert retention.old_commands(*here, keep=10, limit=10, **words) == [aged]
    retention.remove_commands(place.tx, [aged, surplus])
    assert retention.old_commands(*here, keep=3, limit=10, **words) == []
