"""The helper that disturbs workflows, on a small release process; and that it notices what it is there to notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from highroad.errors import HighroadError, Permanent
from highroad.workflows.engine import Engine
from highroad.workflows.run import Observer, Retry, Run
from tests import postgres
from tests.workflows.saga import Saga, every_step_dies, every_step_fails, every_step_is_killed, steps_of

STEPS = ["build", "start", "switch", "stop old"]


def _release(directory: Path, *, twice: bool = False, forget_to_stop: bool = False) -> Callable[[Run, str], None]:
    """A deployment in files: `live` names what gets the traffic, a file per instance says that it runs."""

    def build() -> str:
        (directory / "artifact").write_text("new")
        return "artifact"

    def start(artifact: str) -> None:
        if twice:
            with (directory / "runs-new").open("a") as file:
                file.write(artifact)
        else:
            (directory / "runs-new").write_text(artifact)

    def point(release: str) -> None:
        (directory / "live").write_text(release)

    def stop(release: str) -> None:
        (directory / f"runs-{release}").unlink(missing_ok=True)

    def function(run: Run, subject_id: str) -> None:
        try:
            artifact = run.step("build", build)
            run.step("start", start, artifact)
            run.step("switch", point, "new")
        except (Permanent, HighroadError):
            run.step("switch back", point, "old")
            if not forget_to_stop:
                run.step("stop new", stop, "new")
            return
        try:
            run.step("stop old", stop, "old")
        except (Permanent, HighroadError):
            run.step("note what is left", (directory / "left").write_text, "old")

    return function


def _prepare(directory: Path) -> None:
    (directory / "live").write_text("old")
    (directory / "runs-old").write_text("artifact")


def _build(directory: Path, observer: Observer, **flaws: bool) -> Engine:
    stored = directory / "database"
    url = stored.read_text() if stored.exists() else f"sqlite:///{directory}/highroad.sqlite"
    engine = Engine(url, version="1.0", executor="one", observer=observer, retry=Retry(attempts=3, first=0.01))
    engine.register("release", _release(directory, **flaws))
    return engine


def _converged(directory: Path) -> None:
    assert (directory / "live").read_text() == "new"
    assert (directory / "runs-new").read_text() == "artifact"
    assert not (directory / "runs-old").exists()


def _put_back(directory: Path) -> None:
    live = (directory / "live").read_text()
    assert (directory / f"runs-{live}").exists()
    if live == "old":
        assert not (directory / "runs-new").exists()


SAGA = Saga("release", "rel_1", build=_build, prepare=_prepare, converged=_converged, put_back=_put_back)


def test_an_undisturbed_run_lists_its_steps(tmp_path: Path) -> None:
    assert steps_of(SAGA, tmp_path) == STEPS


def test_a_sound_workflow_withstands_failures_of_every_step(tmp_path: Path) -> None:
    every_step_fails(SAGA, tmp_path)


def test_a_sound_workflow_withstands_the_death_of_its_process_at_every_step(tmp_path: Path) -> None:
    every_step_dies(SAGA, tmp_path)


def test_a_sound_workflow_withstands_kill_9(tmp_path: Path) -> None:
    every_step_is_killed("tests.workflows.test_saga:SAGA", tmp_path, positions=[0, 2])


def test_a_sound_workflow_withstands_kill_9_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    (tmp_path / "server").write_text(postgres_url)
    (tmp_path / "worlds").mkdir()
    every_step_is_killed("tests.workflows.test_saga:ON_POSTGRES", tmp_path / "worlds", positions=[2])


def test_a_step_that_is_not_idempotent_is_noticed(tmp_path: Path) -> None:
    flawed = replace(SAGA, build=lambda directory, observer: _build(directory, observer, twice=True))
    with pytest.raises(AssertionError):
        every_step_dies(flawed, tmp_path, positions=[1])


def test_a_workflow_that_does_not_put_back_is_noticed(tmp_path: Path) -> None:
    flawed = replace(SAGA, build=lambda directory, observer: _build(directory, observer, forget_to_stop=True))
    with pytest.raises(AssertionError):
        every_step_fails(flawed, tmp_path)


def test_a_workflow_that_lets_an_error_escape_is_noticed(tmp_path: Path) -> None:
    def build(directory: Path, observer: Observer) -> Engine:
        engine = Engine(f"sqlite:///{directory}/highroad.sqlite", version="1", executor="one", observer=observer)
        engine.register("release", lambda run, subject_id: run.step("build", (directory / "runs-new").touch))
        return engine

    careless = replace(SAGA, build=build, converged=lambda directory: None, put_back=lambda directory: None)
    with pytest.raises(AssertionError, match="ended lost"):
        every_step_fails(careless, tmp_path)


def _prepare_on_postgres(directory: Path) -> None:
    _prepare(directory)
    (directory / "database").write_text(postgres.create((directory.parents[1] / "server").read_text()))


def _drop_postgres(directory: Path) -> None:
    postgres.drop((directory / "database").read_text())


ON_POSTGRES = replace(SAGA, prepare=_prepare_on_postgres, tidy=_drop_postgres)
