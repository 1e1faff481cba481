"""A deployment that a gate sends back at its turn, and one that comes back from waiting, die at every step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from highroad.access.model import SYSTEM
from highroad.deployments import actions
from highroad.gates import actions as gate_actions
from highroad.gates import store as gates
from highroad.workflows.engine import Engine
from highroad.workflows.run import Observer
from tests.deployments import test_workflow as usual
from tests.deployments.stage import Stage
from tests.workflows.saga import Saga, every_step_dies, every_step_is_killed, steps_of


def _lock(stage: Stage) -> None:
    context = stage.platform.context
    with context.db.begin() as tx:
        gate_actions.lock(tx, context.log, SYSTEM, stage.environment, why="migration", until=None, at=datetime.now(UTC))


def _unlock_and_look(stage: Stage) -> None:
    context = stage.platform.context
    with context.db.begin() as tx:
        gate_actions.unlock(tx, context.log, SYSTEM, stage.environment)
    stage.platform.desk.keeper.look(datetime.now(UTC) + timedelta(seconds=1))


def _prepare_locked(directory: Path) -> None:
    """Release 1 serves; release 2 has its turn when somebody locks the environment."""
    stage = usual._open(directory, new=True)
    assert stage.do(release=stage.release()).state == "succeeded"
    asked = stage.ask(release=stage.release(*usual.NEW))
    _lock(stage)
    (directory / "subject").write_text(asked.work)
    stage.platform.context.db.close()


def _waits(directory: Path) -> None:
    """It waits once, holds no turn, has started nothing, and goes when the lock is taken away."""
    stage = usual._open(directory)
    asked = stage.deployment(_id(directory))
    assert (asked.state, asked.turn, asked.plan) == ("waiting", 2, None)
    with stage.platform.context.db.read() as tx:
        wait = gates.wait_of(tx, asked.id)
    assert wait is not None
    assert wait.round == 1
    assert stage.said(asked).count("Locked by highroad: migration") == 1
    stage.require_sound()
    usual._check(stage, 1)
    _unlock_and_look(stage)
    stage.work()
    usual._check(stage, 2)
    stage.require_sound()
    stage.platform.context.db.close()


def _prepare_back(directory: Path) -> None:
    """As above, and then it was unlocked: it has its second turn."""
    _prepare_locked(directory)
    stage = usual._open(directory)
    stage.work()
    _unlock_and_look(stage)
    asked = stage.deployment(_id(directory))
    assert asked.work == f"{asked.id}+2"
    (directory / "subject").write_text(asked.work)
    stage.platform.context.db.close()


def _succeeded(directory: Path) -> None:
    stage = usual._open(directory)
    usual._check(stage, 2)
    stage.require_sound()
    stage.platform.context.db.close()


def _id(directory: Path) -> str:
    return usual._subject(directory).partition("+")[0]


def _build(directory: Path, observer: Observer) -> Engine:
    return usual._build(directory, observer)


SENT_BACK = Saga(
    actions.WORKFLOW,
    usual._subject,
    build=_build,
    prepare=_prepare_locked,
    converged=_waits,
    put_back=_waits,
    tidy=usual._tidy,
)
CAME_BACK = Saga(
    actions.WORKFLOW,
    usual._subject,
    build=_build,
    prepare=_prepare_back,
    converged=_succeeded,
    put_back=_succeeded,
    tidy=usual._tidy,
)


def test_what_is_sent_back_decides_nothing_and_ends_its_turn(tmp_path: Path) -> None:
    assert steps_of(SENT_BACK, tmp_path) == ["plan"]


def test_it_waits_once_when_highroad_dies_while_it_is_sent_back(tmp_path: Path) -> None:
    every_step_dies(SENT_BACK, tmp_path)


def test_it_waits_once_after_kill_9(tmp_path: Path) -> None:
    every_step_is_killed("tests.deployments.test_waiting_workflow:SENT_BACK", tmp_path)


def test_what_came_back_from_waiting_serves_when_highroad_dies_at_any_step(tmp_path: Path) -> None:
    every_step_dies(CAME_BACK, tmp_path)


@pytest.mark.parametrize("step", ["plan", "switch"])
def test_what_came_back_from_waiting_serves_after_kill_9(tmp_path: Path, step: str) -> None:
    taken = steps_of(CAME_BACK, tmp_path)
    every_step_is_killed("tests.deployments.test_waiting_workflow:CAME_BACK", tmp_path, positions=[taken.index(step)])
