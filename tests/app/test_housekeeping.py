"""What housekeeping deletes, and what it must never delete."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from highroad.app.housekeeping import Housekeeping
from highroad.deployments import command_store
from highroad.drivers.memory import MemoryDriver
from highroad.kit.clock import now, rfc3339
from highroad.kit.paging import PageRequest
from highroad.pipelines import store as pipelines
from highroad.routing.memory import MemoryRouter
from tests.deployments.stage import Stage, composed, settings_in, staged
from tests.pipelines.yard import PROCFILE, Yard


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    driver, router = MemoryDriver(), MemoryRouter(settings_in(tmp_path))
    platform = composed(tmp_path, driver, router)
    yield staged(platform, driver, router)
    platform.context.db.close()


def tidy(stage: Stage, keep: int = 2) -> None:
    platform = stage.platform
    settings = replace(platform.settings, keep_releases=keep)
    keeper = Housekeeping(
        settings,
        platform.context.db,
        platform.builder,
        platform.repository_of,
        platform.journal,
        platform.tidy_audit,
    )
    keeper.tidy()


def releases(stage: Stage) -> list[int]:
    with stage.platform.context.db.read() as tx:
        page = pipelines.list_releases(tx, stage.service.id, PageRequest(100))
    return [each.number for each in page.items]


def test_the_newest_releases_stay(stage: Stage) -> None:
    for _ in range(4):
        stage.release()
    tidy(stage)
    assert releases(stage) == [4, 3]


def test_the_release_that_serves_stays_however_old(stage: Stage) -> None:
    stage.do(release=stage.release())
    for _ in range(4):
        stage.release()
    tidy(stage)
    assert releases(stage) == [5, 4, 1]


def test_a_release_that_waits_to_be_deployed_stays(stage: Stage) -> None:
    stage.do(release=stage.release())
    stage.ask("restart")
    stage.ask(release=stage.release())
    for _ in range(4):
        stage.release()
    tidy(stage)
    assert releases(stage) == [6, 5, 2, 1]


def test_releases_that_served_can_be_rolled_back_to(stage: Stage) -> None:
    for _ in range(4):
        stage.do(release=stage.release())
    for _ in range(3):
        stage.release()
    tidy(stage)
    assert releases(stage) == [7, 6, 4, 3]
    assert stage.do("rollback").state == "succeeded"


def test_artifacts_of_kept_releases_stay_and_others_go(stage: Stage, tmp_path: Path) -> None:
    yard = Yard(stage, tmp_path / "clone")
    for number in range(4):
        yard.push({**PROCFILE, "version": str(number)})
        yard.work()
    directories = [entry for entry in stage.platform.settings.artifacts.iterdir() if entry.is_dir()]
    for path in stage.platform.settings.artifacts.rglob("*"):
        os.utime(path, (time.time() - 86_400,) * 2, follow_symlinks=False)
    tidy(stage)
    with stage.platform.context.db.read() as tx:
        kept = pipelines.list_releases(tx, stage.service.id, PageRequest(100)).items
    assert len(kept) == 2
    assert all(Path(each.artifact.directory).exists() for each in kept)
    left = [entry for entry in stage.platform.settings.artifacts.iterdir() if entry.is_dir()]
    assert len(left) < len(directories)


def test_leftovers_of_killed_runs_go_and_a_run_at_work_keeps_its_files(stage: Stage, tmp_path: Path) -> None:
    run = Yard(stage, tmp_path / "clone").push(PROCFILE)
    work = stage.platform.settings.work
    for name in (run.id, "run_gone", "run_fresh"):
        (work / name).mkdir()
    for name in (run.id, "run_gone"):
        os.utime(work / name, (time.time() - 86_400,) * 2)
    tidy(stage)
    assert {each.name for each in work.iterdir()} == {run.id, "run_fresh"}


def test_what_runs_keeps_its_artifact_though_its_release_is_gone(stage: Stage, tmp_path: Path) -> None:
    yard = Yard(stage, tmp_path / "clone")
    yard.push(PROCFILE)
    yard.work()
    with stage.platform.context.db.begin() as tx:
        for id in pipelines.release_ids(tx, stage.service.id):
            pipelines.remove_release(tx, id)
    for path in stage.platform.settings.artifacts.rglob("*"):
        os.utime(path, (time.time() - 86_400,) * 2, follow_symlinks=False)
    tidy(stage)
    assert stage.serving()
    assert all(Path(each.spec.artifact).exists() for each in stage.serving())


def test_tidying_waits_for_no_writer_when_nothing_has_to_go(stage: Stage) -> None:
    stage.do(release=stage.release())
    with stage.platform.context.db.begin():
        tidy(stage)


def test_old_commands_go_with_what_they_said(stage: Stage) -> None:
    stage.do(release=stage.release())
    context, journal = stage.platform.context, stage.platform.journal
    with context.db.begin() as tx:
        made = [
            command_store.add_command(
                tx, stage.service.id, stage.environment.id, process="run", command="x", actor="ann", occasion=None
            )
            for _ in range(3)
        ]
        ids = [each.id for each in made if each]
        for id in ids[:2]:
            command_store.end_command(tx, id, "finished")
        long_ago = rfc3339(now() - timedelta(days=31))
        tx.execute(
            update(command_store.commands).where(command_store.commands.c.id != ids[1]).values(created_at=long_ago)
        )
    for id in ids:
        journal.write(id, "run", "hello")
    tidy(stage)
    with context.db.read() as tx:
        assert command_store.command_ids(tx, stage.service.id, stage.environment.id) == ids[1:]
    assert [len(journal.read(id)[0]) for id in ids] == [0, 1, 1]


def test_events_are_dropped_by_what_looks_after_the_audit_log(stage: Stage) -> None:
    platform, asked = stage.platform, list[bool]()
    keeper = Housekeeping(
        platform.settings,
        platform.context.db,
        platform.builder,
        platform.repository_of,
        platform.journal,
        lambda: asked.append(True),
    )
    keeper.tidy()
    assert asked == [True]
