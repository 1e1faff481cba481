"""A deployment fails and dies at every step: the old version serves until the new one does; nothing is left over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from highroad.deployments import actions, store
from highroad.drivers.memory import MemoryDriver
from highroad.routing.memory import MemoryRouter
from highroad.workflows.engine import Engine
from highroad.workflows.run import Observer
from tests.deployments.stage import HOST, WEB, WORKER, Stage, composed, found, settings_in, staged
from tests.workflows.saga import Saga, every_step_dies, every_step_fails, every_step_is_killed, steps_of

STEPS = ["plan", "release-command", "start", "health", "switch", "finish", "drain", "stop"]
NEW = (WEB, WORKER)
_engines: dict[Path, tuple[MemoryDriver, MemoryRouter]] = {}
"""What plays the supervisor and the router, which outlive the control plane, by world."""


def _prepare(directory: Path) -> None:
    """Release 1 serves; release 2 has its turn."""
    stage = _open(directory, new=True)
    assert stage.do(release=stage.release()).state == "succeeded"
    asked = stage.ask(release=stage.release(*NEW, release_command="migrate"))
    (directory / "subject").write_text(asked.id)
    stage.platform.context.db.close()


def _open(directory: Path, observer: Observer | None = None, *, new: bool = False) -> Stage:
    """What a new process finds. The engines of a process that was killed are gone with it, as after a reboot; then
    instances and routes are brought back as the caretaker does."""
    known = directory in _engines and _life(directory) in ("", str(os.getpid()))
    if not known:
        _engines.pop(directory, None)
    (directory / "life").write_text(str(os.getpid()))
    driver, router = _engines.setdefault(directory, (MemoryDriver(), MemoryRouter(settings_in(directory))))
    stage = (staged if new else found)(composed(directory, driver, router, observer), driver, router)
    if not known and not new:
        with stage.platform.context.db.read() as tx:
            live = store.live_instances(tx)
        driver.recover(lambda: [each.spec for each in live])
        stage.platform.deployer.apply_routes()
    return stage


def _build(directory: Path, observer: Observer) -> Engine:
    return _open(directory, observer).platform.engine


def _life(directory: Path) -> str:
    """The process that lived in this world last."""
    file = directory / "life"
    return file.read_text() if file.exists() else ""


def _subject(directory: Path) -> str:
    return (directory / "subject").read_text()


def _check(stage: Stage, number: int) -> None:
    placement = stage.placement()
    assert placement.deployment_id is not None
    live = stage.deployment(placement.deployment_id)
    serving = stage.serving()
    assert live.number == number
    assert live.state == "succeeded"
    assert {each.deployment_id for each in serving} == {live.id}
    assert stage.router.route(HOST).upstreams == tuple(each.upstream for each in serving if each.http)


def _converged(directory: Path) -> None:
    stage = _open(directory)
    _check(stage, 2)
    stage.require_sound()
    assert [each.label for each in stage.serving()] == ["web.1", "worker.1"]
    assert stage.said(stage.deployment(_subject(directory))).count("is live in production") >= 1
    stage.platform.context.db.close()


def _put_back(directory: Path) -> None:
    """A failure before the end leaves the old version; one behind it changes nothing, and the caretaker tidies up."""
    stage = _open(directory)
    failed = stage.deployment(_subject(directory))
    _check(stage, 2 if failed.state == "succeeded" else 1)
    assert failed.state in ("failed", "succeeded")
    assert stage.placement().active_id is None
    assert set(stage.driver.specs) >= {each.id for each in stage.serving()}
    left = set(stage.driver.specs) - {each.id for each in stage.serving()}
    assert not left or failed.state == "succeeded"
    assert stage.do("restart").state == "succeeded", "the queue does not go on"
    stage.platform.context.db.close()


def _tidy(directory: Path) -> None:
    _engines.pop(directory, None)


SAGA = Saga(
    actions.WORKFLOW, _subject, build=_build, prepare=_prepare, converged=_converged, put_back=_put_back, tidy=_tidy
)


def test_an_undisturbed_deployment_takes_its_steps(tmp_path: Path) -> None:
    assert steps_of(SAGA, tmp_path) == STEPS


def test_the_old_version_serves_when_any_step_fails(tmp_path: Path) -> None:
    every_step_fails(SAGA, tmp_path)


def test_the_new_version_serves_when_highroad_dies_at_any_step(tmp_path: Path) -> None:
    every_step_dies(SAGA, tmp_path)


@pytest.mark.parametrize("step", ["start", "switch", "finish"])
def test_the_new_version_serves_after_kill_9(tmp_path: Path, step: str) -> None:
    every_step_is_killed("tests.deployments.test_workflow:SAGA", tmp_path, positions=[STEPS.index(step)])
