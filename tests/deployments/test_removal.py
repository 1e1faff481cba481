"""Deleting for good: what runs there ends first, and nothing that it left stays behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from highroad.access.model import SYSTEM
from highroad.deployments import command_store, removal, retention, store
from highroad.drivers.contract import Finished
from highroad.projects import store as projects
from tests.deployments.stage import Stage, bare_run


def erase(stage: Stage, kind: str, id: str) -> None:
    """The workflow, in this thread."""
    platform = stage.platform
    remover = removal.Remover(
        platform.context,
        platform.journal,
        stage.driver,
        platform.repository_of,
        platform.deployer.apply_routes,
        platform.commands.end_at,
    )
    remover(bare_run(removal.WORKFLOW, f"{kind}-{id}"), f"{kind}-{id}")


def delete(stage: Stage, kind: str) -> str:
    """Ask for the removal; the id of what goes."""
    context = stage.platform.context
    with context.db.begin() as tx:
        if kind == "service":
            removal.delete_service(tx, context.log, SYSTEM, stage.service, stage.start)
            return stage.service.id
        if kind == "environment":
            removal.delete_environment(tx, context.log, SYSTEM, stage.environment, stage.start)
            return stage.environment.id
        project = projects.project(tx, stage.service.project)
        assert project is not None
        removal.delete_project(tx, context.log, SYSTEM, project, stage.start)
        return project.id


@pytest.mark.parametrize("kind", ["service", "environment", "project"])
def test_a_running_command_ends_and_its_output_goes(stage: Stage, kind: str) -> None:
    begun, ended = threading.Event(), threading.Event()

    def run(_spec: object, emit: Callable[[bytes], None], *, cancelled: Callable[[], bool], **_: Any) -> Finished:
        emit(b"hello\n")
        begun.set()
        deadline = time.monotonic() + 20
        while not cancelled():
            assert time.monotonic() < deadline, "nobody asked it to end"
            time.sleep(0.005)
        ended.set()
        return Finished(None, "killed: cancelled")

    stage.do(release=stage.release())
    stage.driver.run = run  # type: ignore[method-assign,assignment]  # one that waits to be cancelled
    command = stage.platform.commands.run(SYSTEM, stage.service, stage.environment, "endless")
    assert begun.wait(10)
    assert stage.platform.journal.read(command.id)[0]
    erase(stage, kind, delete(stage, kind))
    assert ended.is_set()
    assert stage.platform.journal.read(command.id) == ([], 0)
    with stage.platform.context.db.read() as tx:
        assert command_store.running_commands(tx) == []
        assert projects.marked_deleted(tx) == []


def test_a_command_that_died_with_its_control_plane_holds_up_nothing(stage: Stage) -> None:
    stage.do(release=stage.release())
    with stage.platform.context.db.begin() as tx:
        command_store.add_command(
            tx, stage.service.id, stage.environment.id, process="run", command="x", actor="ann", occasion=None
        )
    erase(stage, "service", delete(stage, "service"))
    with stage.platform.context.db.read() as tx:
        assert projects.marked_deleted(tx) == []


def test_output_goes_before_the_rows_that_name_it(stage: Stage) -> None:
    done = stage.do(release=stage.release())
    forgotten: list[bool] = []
    journal = stage.platform.journal
    original = journal.forget

    def forget(subject: str) -> None:
        with stage.platform.context.db.read() as tx:
            forgotten.append(store.deployment(tx, done.id) is not None)
        original(subject)

    journal.forget = forget  # type: ignore[method-assign]  # looks at the order
    erase(stage, "service", delete(stage, "service"))
    assert forgotten
    assert all(forgotten)
    assert journal.read(done.id) == ([], 0)


def test_a_place_that_is_gone_can_be_forgotten_again(stage: Stage) -> None:
    stage.do(release=stage.release())
    identity = stage.placement().identity
    with stage.platform.context.db.begin() as tx:
        for _ in range(2):
            retention.forget_place(tx, identity)
        assert store.list_placements(tx) == []
