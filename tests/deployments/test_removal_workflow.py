"""A removal fails and dies at every step: what was deleted answers nobody at once, and nothing of it is left."""

from __future__ import annotations

from pathlib import Path

from highroad.access.model import SYSTEM
from highroad.app.composition import Platform
from highroad.deployments import removal, store
from highroad.drivers.memory import MemoryDriver
from highroad.projects import store as projects
from highroad.routing.memory import MemoryRouter
from highroad.workflows.engine import Engine
from highroad.workflows.run import Observer
from tests.deployments.stage import WEB, WORKER, Stage, bare_run, composed, settings_in, staged
from tests.workflows.saga import Saga, every_step_dies, every_step_fails, steps_of

STEPS = ["unroute", "wait", "stop", "erase"]
_engines: dict[Path, tuple[MemoryDriver, MemoryRouter]] = {}
"""What plays the supervisor and the router, which outlive the control plane, by world."""


def _open(directory: Path, observer: Observer | None = None) -> Platform:
    driver, router = _engines.setdefault(directory, (MemoryDriver(), MemoryRouter(settings_in(directory))))
    return composed(directory, driver, router, observer)


def _prepare(directory: Path) -> None:
    """A service serves; it was deleted a moment ago."""
    platform = _open(directory)
    driver, router = _engines[directory]
    stage: Stage = staged(platform, driver, router)
    assert stage.do(release=stage.release(WEB, WORKER)).state == "succeeded"
    with platform.context.db.begin() as tx:
        removal.delete_service(tx, platform.context.log, SYSTEM, stage.service, stage.start)
    (directory / "subject").write_text(f"service-{stage.service.id}")
    platform.context.db.close()


def _build(directory: Path, observer: Observer) -> Engine:
    return _open(directory, observer).engine


def _subject(directory: Path) -> str:
    return (directory / "subject").read_text()


def _require_erased(platform: Platform, directory: Path) -> None:
    driver, router = _engines[directory]
    with platform.context.db.read() as tx:
        assert projects.marked_deleted(tx) == []
        assert store.live_instances(tx) == []
        assert store.list_placements(tx) == []
    assert driver.specs == {}
    assert router.applied[-1] == ()
    assert not platform.repository_of(_subject(directory).removeprefix("service-")).exists()


def _converged(directory: Path) -> None:
    platform = _open(directory)
    _require_erased(platform, directory)
    platform.context.db.close()


def _put_back(directory: Path) -> None:
    """A removal that failed for good answers nobody all the same, and the caretaker's next one finishes it."""
    platform = _open(directory)
    driver, router = _engines[directory]
    platform.deployer.apply_routes()
    assert router.applied[-1] == ()
    remover = removal.Remover(
        platform.context,
        platform.journal,
        driver,
        platform.repository_of,
        platform.deployer.apply_routes,
        platform.commands.end_at,
    )
    remover(bare_run(removal.WORKFLOW, _subject(directory)), _subject(directory))
    _require_erased(platform, directory)
    platform.context.db.close()


def _tidy(directory: Path) -> None:
    _engines.pop(directory, None)


SAGA = Saga(
    removal.WORKFLOW, _subject, build=_build, prepare=_prepare, converged=_converged, put_back=_put_back, tidy=_tidy
)


def test_an_undisturbed_removal_takes_its_steps(tmp_path: Path) -> None:
    assert steps_of(SAGA, tmp_path) == STEPS


def test_a_removal_that_failed_is_finished_by_the_next(tmp_path: Path) -> None:
    every_step_fails(SAGA, tmp_path)


def test_nothing_is_left_when_highroad_dies_at_any_step(tmp_path: Path) -> None:
    every_step_dies(SAGA, tmp_path)
