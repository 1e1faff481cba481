"""One-off commands and scheduled processes: once, and never lost without a word."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from highroad.access.model import SYSTEM
from highroad.db.engine import Database, DatabaseUnavailable, Transaction
from highroad.deployments import command_store
from highroad.deployments.actions import NothingDeployed
from highroad.deployments.command_store import Command
from highroad.deployments.commands import BadCommand, CommandHasEnded, Commands, Scheduler, due_between
from highroad.deployments.instances import UnfilledPlaceholder, stream_of
from highroad.errors import Temporary
from highroad.events import store as event_store
from highroad.events.model import COMMAND_FINISHED
from highroad.kit.clock import now, parse_rfc3339
from highroad.kit.paging import PageRequest
from highroad.projects import store as projects
from highroad.workload.model import Process
from tests.deployments.stage import WEB, Stage

NIGHTLY = replace(WEB, name="nightly", command="tidy", http=False, schedule="* * * * *")


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def ended(stage: Stage, command: Command) -> Command:
    """The command, once it has ended."""

    def look() -> Command:
        with stage.platform.context.db.read() as tx:
            found = command_store.command_by_id(tx, command.id)
        assert found is not None
        return found

    wait(lambda: look().state != "running")
    wait(lambda: not stage.platform.commands._cancelled)
    return look()


def all_commands(stage: Stage) -> tuple[Command, ...]:
    with stage.platform.context.db.read() as tx:
        return command_store.list_commands(tx, stage.service.id, stage.environment.id, PageRequest()).items


def run(stage: Stage, command: str) -> Command:
    return stage.platform.commands.run(SYSTEM, stage.service, stage.environment, command)


@pytest.fixture
def live(stage: Stage) -> Stage:
    stage.do(release=stage.release(WEB, NIGHTLY))
    return stage


def test_a_command_runs_with_what_serves_and_its_output_is_kept(live: Stage) -> None:
    live.script("migrate", says=("3 tables",), exit_code=4)
    done = ended(live, run(live, "migrate"))
    assert (done.state, done.exit_code) == ("finished", 4)
    lines, _ = live.platform.journal.read(done.id)
    assert [line.text for line in lines] == ["3 tables"]


def test_a_command_needs_something_deployed(stage: Stage) -> None:
    with pytest.raises(NothingDeployed):
        run(stage, "migrate")


@pytest.mark.parametrize("command", ["", "  ", "a\0b", "x" * 9000])
def test_what_cannot_be_a_command_is_refused(live: Stage, command: str) -> None:
    with pytest.raises(BadCommand):
        run(live, command)


def test_a_command_is_cancelled_and_then_has_ended(live: Stage) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        assert cancelled.wait(10)

    live.while_running_a_command(hold)
    command = run(live, "endless")
    assert begun.wait(10)
    live.platform.commands.cancel(command)
    cancelled.set()
    done = ended(live, command)
    assert done.state == "cancelled"
    with pytest.raises(CommandHasEnded):
        live.platform.commands.cancel(done)


def test_a_command_of_a_control_plane_that_died_is_lost_and_said_to_be(live: Stage) -> None:
    with live.platform.context.db.begin() as tx:
        command = command_store.add_command(
            tx, live.service.id, live.environment.id, process="run", command="x", actor="ann", occasion=None
        )
    assert command is not None
    successor = Commands(live.platform.context, live.platform.journal, live.driver)
    successor.mark_lost()
    assert ended(live, command).state == "lost"
    assert "restarted" in ended(live, command).why
    with live.platform.context.db.read() as tx:
        told = event_store.read(tx, type_prefix=COMMAND_FINISHED.name)
    assert [each.subject for each in told] == [command.id]


def test_a_command_that_is_at_work_is_not_lost(live: Stage) -> None:
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        assert go.wait(10)

    live.while_running_a_command(hold)
    command = run(live, "migrate")
    assert begun.wait(10)
    live.platform.commands.mark_lost()
    go.set()
    assert ended(live, command).state == "finished"


class Hiccup(Database):
    """Does not take the next `fails` writing transactions."""

    fails = 0

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        if self.fails:
            self.fails -= 1
            raise DatabaseUnavailable("away", next_step="")
        with super().begin() as tx:
            yield tx


def test_how_a_command_ended_is_written_until_the_database_takes_it(live: Stage) -> None:
    context = live.platform.context
    db = Hiccup(context.db.url.render_as_string(False), keyring=context.db.keyring)
    commands = Commands(replace(context, db=db), live.platform.journal, live.driver)
    live.while_running_a_command(lambda: setattr(db, "fails", 2))
    command = commands.run(SYSTEM, live.service, live.environment, "migrate")
    wait(lambda: not commands._cancelled)
    assert (db.fails, ended(live, command).state) == (0, "finished")
    db.close()


def test_nothing_starts_where_something_is_being_deleted(live: Stage) -> None:
    started: list[datetime] = []
    with live.platform.context.db.begin() as tx:
        projects.mark_deleted(tx, "environment", live.environment.id)
    with pytest.raises(NothingDeployed, match="deleted"):
        run(live, "migrate")
    Scheduler(live.platform.context, lambda _s, _e, _p, at: started.append(at)).look(now() + timedelta(minutes=2))
    assert (all_commands(live), started) == ((), [])


def test_a_scheduled_process_starts_once_though_two_look(live: Stage) -> None:
    minute = now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    for _ in range(2):
        other = Commands(live.platform.context, live.platform.journal, live.driver)
        scheduler = Scheduler(live.platform.context, other.run_scheduled)
        scheduler.look(minute)
        scheduler.look(minute + timedelta(seconds=30))
        wait(lambda other=other: not other._cancelled)  # type: ignore[misc]  # bound now
    assert [each.process for each in all_commands(live)] == ["nightly"]


def test_what_fell_due_while_highroad_was_down_is_made_up_for(live: Stage) -> None:
    started: list[datetime] = []
    scheduler = Scheduler(live.platform.context, lambda _s, _e, _p, at: started.append(at))
    minute = now().replace(second=0, microsecond=0)
    scheduler.look(minute + timedelta(seconds=20))
    assert started == [minute]


def test_what_was_due_before_the_deployment_is_not_started(live: Stage) -> None:
    started: list[datetime] = []
    hourly = replace(NIGHTLY, schedule=f"{(now() - timedelta(minutes=3)).minute} * * * *")
    live.do(release=live.release(WEB, hourly))
    Scheduler(live.platform.context, lambda _s, _e, _p, at: started.append(at)).look(now())
    assert started == []


def test_a_process_whose_day_never_comes_keeps_no_other_from_its_minute(live: Stage) -> None:
    started: list[str] = []
    never = replace(NIGHTLY, name="early", schedule="0 0 30 feb *")
    live.do(release=live.release(WEB, never, NIGHTLY))
    scheduler = Scheduler(live.platform.context, lambda _s, _e, process, _at: started.append(process.name))
    for minutes in (1, 2):
        scheduler.look(now() + timedelta(minutes=minutes))
    assert started == ["nightly", "nightly"]


@pytest.mark.parametrize(
    ("error", "tries"),
    [(UnfilledPlaceholder("no value", next_step=""), 1), (DatabaseUnavailable("away", next_step=""), 2)],
)
def test_a_process_that_cannot_start_keeps_no_other_and_is_tried_again_if_that_can_help(
    live: Stage, error: Exception, tries: int
) -> None:
    tried: list[str] = []
    live.do(release=live.release(WEB, replace(NIGHTLY, name="early"), NIGHTLY))

    def start(_service: object, _environment: object, process: Process, _at: datetime) -> None:
        tried.append(process.name)
        if process.name == "early":
            raise error

    scheduler = Scheduler(live.platform.context, start)
    minute = now() + timedelta(minutes=1)
    for _ in range(2):
        scheduler.look(minute)
    assert tried == ["early", "nightly"] * tries


def test_schedules_go_on_when_the_clock_is_set_back(live: Stage) -> None:
    started: list[datetime] = []
    scheduler = Scheduler(live.platform.context, lambda _s, _e, _p, at: started.append(at))
    minute = now().replace(second=0, microsecond=0) + timedelta(minutes=10)
    scheduler.look(minute + timedelta(days=365))
    scheduler.look(minute)
    assert started == [minute + timedelta(days=365), minute]


def test_a_stopped_service_runs_nothing(live: Stage) -> None:
    live.do("stop")
    started: list[datetime] = []
    Scheduler(live.platform.context, lambda _s, _e, _p, at: started.append(at)).look(now() + timedelta(minutes=2))
    assert started == []


def test_due_between_gives_the_last_instant_of_an_interval() -> None:
    noon = parse_rfc3339("2026-11-01T12:00:00Z")
    assert due_between("0 12 * * *", noon - timedelta(minutes=1), noon) == noon
    assert due_between("0 12 * * *", noon, noon + timedelta(minutes=1)) is None
    assert due_between("*/2 * * * *", noon - timedelta(minutes=5), noon) == noon


def test_what_a_scheduled_process_prints_is_in_the_log_of_its_service(live: Stage) -> None:
    live.script("tidy", says=("3 files are gone",))
    live.script("migrate", says=("3 tables",))
    started = live.platform.commands.run_scheduled(live.service, live.environment, NIGHTLY, now())
    assert started is not None
    ended(live, started)
    ended(live, run(live, "migrate"))
    page = live.driver.read_logs(stream_of(live.service.id, live.environment.id))
    assert [(line.label, line.text) for line in page.lines] == [("nightly", "3 files are gone")]


def test_a_scheduled_process_runs_also_where_its_log_cannot_be_written(live: Stage) -> None:
    live.driver.failures["logged"].append(Temporary("no collector"))
    started = live.platform.commands.run_scheduled(live.service, live.environment, NIGHTLY, now())
    assert started is not None
    assert ended(live, started).exit_code == 0
