"""Rows that several want at once: on PostgreSQL transactions run side by side, on SQLite one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import text

from highroad.access.model import SYSTEM
from highroad.builds.model import Artifact
from highroad.db.engine import Database, Transaction
from highroad.deployments import actions, store
from highroad.drivers.contract import InstanceSpec
from highroad.errors import Temporary
from highroad.events.log import EventLog
from highroad.events.model import PIPELINERUN_FINISHED, Event
from highroad.gates.model import Closed
from highroad.kit.ids import new_id
from highroad.pipelines import actions as pipelines
from highroad.pipelines import store as pipeline_store
from highroad.pipelines.model import PipelineRun
from highroad.projects import actions as projects
from highroad.projects.model import Environment, Service
from highroad.projects.references import Delivered
from highroad.workload.model import Process, Workload
from tests import postgres, world

WEB = Process(name="web", command="serve", http=True)


class NoGates:
    """Nothing is guarded."""

    def closed_for(self, tx: Transaction, environment: Environment, kind: str) -> tuple[Closed, ...]:
        return ()

    def hold(self, tx: Transaction, deployment_id: str, who: object) -> None:
        raise AssertionError("nothing is closed")


@dataclass
class Shop:
    db: Database
    log: EventLog
    service: Service
    environment: Environment

    def run(self, tx: Transaction) -> PipelineRun:
        return pipeline_store.add_run(
            tx, self.service.id, commit="c" * 40, branch="main", message="m", author="Ann", actor="ann"
        )

    def ask(self, tx: Transaction, **values: Any) -> int:
        return store.add_deployment(
            tx,
            service_id=self.service.id,
            environment_id=self.environment.id,
            actor="ann",
            origin="cli",
            configuration=Delivered(),
            counts={},
            **{"kind": "deploy", "release_id": None, "run_id": None, **values},
        ).number


def shop_in(db: Database, log: EventLog) -> Shop:
    with db.begin() as tx:
        project = projects.create_project(tx, log, SYSTEM, name="shop")
        service = projects.create_service(tx, log, SYSTEM, project, name="web")
        environment = projects.create_environment(
            tx, log, SYSTEM, project, name="production", mode="production", branch="main"
        )
    return Shop(db, log, service, environment)


@pytest.fixture
def shop(postgres_template: tuple[str, world.People], postgres_url: str, log: EventLog) -> Iterator[Shop]:
    with postgres.database(postgres_url, template=postgres_template[0]) as url:
        db = Database(url)
        world.unlock_for_tests(db)
        yield shop_in(db, log)
        db.close()


def beside(shop: Shop, first: Callable[[Transaction], object], second: Callable[[Transaction], object]) -> object:
    """What `second` returns in a transaction that meets one that has done `first` and has not committed. Between them
    `first` gets a turn more, when it returned a function."""
    answers: list[object] = []

    def work() -> None:
        try:
            with shop.db.begin() as tx:
                answers.append(second(tx))
        except Exception as error:  # a thread's error is the test's
            answers.append(error)

    thread = threading.Thread(target=work)
    with shop.db.begin() as tx:
        more = first(tx)
        thread.start()
        deadline = time.monotonic() + 20
        while not answers and not tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar():
            assert time.monotonic() < deadline, "it neither waits nor ends"
        if callable(more):
            more()
    thread.join(20)
    return answers[0]


def test_two_runs_at_once_have_two_numbers(shop: Shop) -> None:
    assert beside(shop, shop.run, lambda tx: shop.run(tx).number) == 2


def test_two_deployments_at_once_have_two_numbers(shop: Shop) -> None:
    with shop.db.begin() as tx:
        store.placement(tx, shop.service.id, shop.environment.id)
    assert beside(shop, shop.ask, shop.ask) == 2


def test_two_first_deployments_at_once_make_one_placement(shop: Shop) -> None:
    assert beside(shop, shop.ask, shop.ask) == 2
    with shop.db.read() as tx:
        assert len(store.list_placements(tx)) == 1


def test_two_releases_at_once_have_two_numbers(shop: Shop) -> None:
    with shop.db.begin() as tx:
        runs = shop.run(tx), shop.run(tx)
    made = [
        lambda tx, run=run: pipeline_store.add_release(tx, run, Artifact("sha256:1", "/a"), Workload(processes=(WEB,)))
        for run in runs
    ]
    assert beside(shop, made[0], lambda tx: made[1](tx).number) == 2


def test_a_newer_request_supersedes_one_that_was_made_at_the_same_moment(shop: Shop) -> None:
    with shop.db.begin() as tx:
        shop.run(tx)
        release = pipeline_store.add_release(tx, shop.run(tx), Artifact("sha256:1", "/a"), Workload(processes=(WEB,)))

    def ask(tx: Transaction) -> str:
        words = (tx, shop.log, SYSTEM, shop.service, shop.environment)
        return actions.request(
            *words,
            kind="deploy",
            release=release,
            counts={},
            run_id=None,
            start=lambda _w, _s: None,
            keeper=NoGates(),
        ).id

    with shop.db.begin() as tx:
        ask(tx)
    assert isinstance(beside(shop, ask, ask), str)
    with shop.db.read() as tx:
        assert len(store.deployments_in(tx, "queued")) == 1


def test_a_port_that_two_chose_is_a_matter_of_trying_again(shop: Shop) -> None:
    spec = InstanceSpec(
        id="", stream="s", label="web.1", command="serve", artifact="/a", env={}, port=20_000, identity=1
    )

    def add(tx: Transaction) -> object:
        shop.ask(tx)
        deployment = store.deployments_in(tx, "queued")[0]
        return store.add_instance(
            tx,
            deployment=deployment,
            process="web",
            index=1,
            http=True,
            port=20_000,
            spec=replace(spec, id=new_id("ins")),
            drain=0.0,
        )

    with shop.db.begin() as tx:
        add(tx)
    with pytest.raises(store.PortTaken) as refused, shop.db.begin() as tx:
        add(tx)
    assert isinstance(refused.value, Temporary)


def test_a_push_and_the_end_of_a_run_do_not_wait_for_each_other(shop: Shop) -> None:
    def push(tx: Transaction) -> object:
        pushed = pipelines.PushedCommit("main", None, "a" * 40, "m", "Ann")
        return pipelines.record_push(tx, shop.log, SYSTEM, shop.service, pushed, lambda _w, _s: None)

    with shop.db.begin() as tx:
        push(tx)
        at_work = pipeline_store.runs_in(tx, "running")[0]

    def finish(tx: Transaction) -> Callable[[], object]:
        pipeline_store.move_run(tx, at_work.id, ["running"], "failed")
        return lambda: shop.log.append(tx, Event(PIPELINERUN_FINISHED, at_work.id, {}), SYSTEM)

    assert isinstance(beside(shop, finish, push), PipelineRun)
