"""The caretaker brings the world to what the database says, and tells what happened meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from highroad.access.model import SYSTEM
from highroad.app.caretaker import Caretaker
from highroad.app.housekeeping import Housekeeping
from highroad.deployments import actions, command_store, removal, store
from highroad.deployments.commands import Scheduler
from highroad.drivers.memory import MemoryDriver
from highroad.errors import Permanent, Temporary
from highroad.events import store as event_store
from highroad.events.model import INSTANCE_CHANGED
from highroad.pipelines import actions as pipelines
from highroad.projects import store as projects
from highroad.routing.memory import MemoryRouter
from tests.deployments.stage import HOST, Stage, composed, settings_in, staged
from tests.pipelines.yard import PROCFILE, Yard, git


class Engine:
    """Whether the supervisor was there; `ensure` has it there."""

    there = True

    def ensure(self) -> bool:
        there, self.there = self.there, True
        return not there


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    driver, router = MemoryDriver(), MemoryRouter(settings_in(tmp_path))
    platform = composed(tmp_path, driver, router)
    yield staged(platform, driver, router)
    platform.engine.destroy()
    platform.context.db.close()


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def caretaker(stage: Stage, engine: Engine) -> Caretaker:
    platform = stage.platform
    return Caretaker(
        platform.context.db,
        platform.context.log,
        platform.engine,
        stage.driver,
        platform.gate,
        platform.commands,
        Scheduler(platform.context, platform.commands.run_scheduled),
        Housekeeping(
            platform.settings,
            platform.context.db,
            platform.builder,
            platform.repository_of,
            platform.journal,
            platform.tidy_audit,
        ),
        ensure_engine=engine.ensure,
        apply_routes=platform.deployer.apply_routes,
        sweep=platform.deployer.sweep,
        rehouse=platform.rehousing.rehouse,
        look_at_gates=platform.desk.keeper.look,
    )


def changes(stage: Stage) -> list[str]:
    with stage.platform.context.db.read() as tx:
        found = event_store.read(tx, after=0, limit=1000)
    return [str(each) for each in found if INSTANCE_CHANGED.name in str(each)]


def test_after_a_reboot_instances_and_routes_are_back(stage: Stage, caretaker: Caretaker) -> None:
    stage.do(release=stage.release())
    stage.driver.recover(list)
    stage.router.applied.clear()
    caretaker.bring_up()
    assert set(stage.driver.specs) == {each.id for each in stage.serving()}
    assert stage.router.route(HOST).upstreams == (stage.serving()[0].upstream,)


def test_after_a_start_unfinished_work_goes_on(stage: Stage, caretaker: Caretaker) -> None:
    stage.do(release=stage.release())
    asked = stage.ask("restart")
    caretaker.bring_up()
    assert stage.platform.engine.wait(actions.WORKFLOW, asked.id, seconds=20) == "done"
    assert stage.deployment(asked.id).state == "succeeded"


def test_after_a_start_lost_commands_are_said_to_be(stage: Stage, caretaker: Caretaker) -> None:
    with stage.platform.context.db.begin() as tx:
        command_store.add_command(
            tx, stage.service.id, stage.environment.id, process="run", command="x", actor="ann", occasion=None
        )
    caretaker.bring_up()
    with stage.platform.context.db.read() as tx:
        assert command_store.running_commands(tx) == []


def test_a_removal_that_failed_is_begun_anew(stage: Stage, caretaker: Caretaker) -> None:
    stage.do(release=stage.release())
    caretaker.bring_up()
    engine, context, subject = stage.platform.engine, stage.platform.context, f"service-{stage.service.id}"
    stage.driver.failures["stop"].append(Permanent("refused once"))
    with context.db.begin() as tx:
        removal.delete_service(tx, context.log, SYSTEM, stage.service, engine.start)
    assert engine.wait(removal.WORKFLOW, subject, seconds=20) == "done"
    with context.db.read() as tx:
        assert projects.marked_deleted(tx) == [("service", stage.service.id)]
    assert stage.driver.specs != {}
    caretaker.start_queued()
    assert engine.wait(removal.WORKFLOW, subject, seconds=20) == "done"
    with context.db.read() as tx:
        assert projects.marked_deleted(tx) == []
    assert stage.driver.specs == {}


def test_after_a_start_unrecorded_pushes_are_run(stage: Stage, caretaker: Caretaker, tmp_path: Path) -> None:
    yard = Yard(stage, tmp_path / "clone")
    yard.push(PROCFILE)
    yard.work()
    git(yard.clone, "commit", "--quiet", "--allow-empty", "--message", "unseen")
    repository = stage.platform.repository_of(stage.service.id)
    git(yard.clone, "push", "--quiet", str(repository.path), "HEAD:refs/heads/main")
    caretaker.bring_up()
    run = (yard.runs("running") + yard.runs("succeeded"))[0 if yard.runs("running") else -1]
    assert run.message == "unseen"
    assert stage.platform.engine.wait(pipelines.WORKFLOW, run.id, seconds=20) == "done"


def test_a_turn_that_was_freed_is_given_to_the_next(stage: Stage, caretaker: Caretaker) -> None:
    stage.do(release=stage.release())
    first, second = stage.ask("restart"), stage.ask("restart")
    context = stage.platform.context
    with context.db.begin() as tx:
        actions.finish(tx, context.log, stage.service, stage.environment, first, ("running",), "failed", "lost")
    assert stage.placement().active_id is None
    caretaker.start_queued()
    assert stage.placement().active_id == second.id


def test_a_supervisor_that_was_killed_gets_its_instances_again(
    stage: Stage, caretaker: Caretaker, engine: Engine
) -> None:
    stage.do(release=stage.release())
    stage.driver.forget(stage.serving()[0].id)
    caretaker.keep_engine()
    assert stage.driver.specs == {}
    engine.there = False
    caretaker.keep_engine()
    assert set(stage.driver.specs) == {each.id for each in stage.serving()}


def test_a_crash_is_told_once(stage: Stage, caretaker: Caretaker) -> None:
    stage.do(release=stage.release())
    caretaker.watch_instances()
    assert changes(stage) == []
    stage.driver.crash(stage.serving()[0].id, "exited with code 1")
    caretaker.watch_instances()
    assert len(changes(stage)) == 1
    assert "exited with code 1" in changes(stage)[0]


def test_an_instance_whose_port_was_taken_comes_up_on_another(stage: Stage, caretaker: Caretaker) -> None:
    stage.do(release=stage.release())
    before = stage.serving()[0]
    assert before.port is not None
    with socket.create_server(("127.0.0.1", before.port)):
        stage.driver.crash(before.id, "exited with code 1")
        caretaker.watch_instances()
    after = stage.serving()[0]
    assert (after.id, after.spec.port) == (before.id, after.port)
    assert after.port != before.port
    assert stage.driver.specs[after.id].port == after.port
    assert stage.router.route(HOST).upstreams == (after.upstream,)


def test_an_instance_that_crashes_by_itself_keeps_its_port(stage: Stage, caretaker: Caretaker) -> None:
    stage.do(release=stage.release())
    before = stage.serving()[0]
    stage.driver.crash(before.id, "exited with code 1")
    caretaker.watch_instances()
    assert stage.serving()[0].port == before.port


def test_an_engine_that_is_away_is_asked_again_later(stage: Stage, caretaker: Caretaker) -> None:
    stage.do(release=stage.release())
    stage.driver.failures["observe"].append(Temporary("restarting"))
    assert not caretaker._attempt("instances", caretaker.watch_instances)
    assert caretaker._attempt("instances", caretaker.watch_instances)


def test_an_instance_that_nobody_ends_is_swept(stage: Stage) -> None:
    stage.do(release=stage.release())
    left = stage.serving()[0]
    with stage.platform.context.db.begin() as tx:
        store.set_instances(tx, [left.id], "draining")
    stage.platform.deployer.sweep()
    assert left.id in stage.driver.specs, "it still has its time to drain"
    with stage.platform.context.db.begin() as tx:
        old = store.instances.update().where(store.instances.c.id == left.id)
        tx.execute(old.values(changed_at="2026-01-01T00:00:00.000000Z"))
    stage.platform.deployer.sweep()
    assert stage.driver.specs == {}


def test_the_caretaker_starts_and_stops(stage: Stage, caretaker: Caretaker) -> None:
    assert not caretaker.is_ready()
    caretaker.start()
    assert caretaker._ready.wait(20)
    caretaker.stop()


def test_an_instance_that_cannot_be_recovered_holds_nothing_else_back(stage: Stage, caretaker: Caretaker) -> None:
    stage.do(release=stage.release())
    stage.driver.recover(list)
    stage.driver.failures["start"].append(Temporary("no process can be made"))
    caretaker.bring_up()
    assert not stage.driver.specs
    assert stage.router.route(HOST).upstreams == (stage.serving()[0].upstream,)
    caretaker.keep_engine()
    assert set(stage.driver.specs) == {each.id for each in stage.serving()}
