"""One-off commands (`highroad run`) and scheduled processes: run once in an environment, beside the instances, with the
release, configuration and limits that serve there.

A command runs in a thread of the control plane and ends with it: its row then says `lost`. It is never run twice.
How it ended is written until the database takes it.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta

from croniter import CroniterError, croniter

from highroad.access.model import SYSTEM, Actor
from highroad.access.permissions import require
from highroad.db.engine import Transaction
from highroad.deployments import command_store, store
from highroad.deployments.actions import NothingDeployed
from highroad.deployments.command_store import Command
from highroad.deployments.instances import specification
from highroad.deployments.subject import Subject, subject_of
from highroad.drivers.contract import Driver, InstanceSpec
from highroad.errors import Conflict, HighroadError, Invalid, NotFound, Permanent, Temporary, TooMany
from highroad.events import model as events
from highroad.events.log import Who
from highroad.events.model import Event
from highroad.kit.clock import now
from highroad.kit.disguises import mask_of
from highroad.pipelines.journal import Journal
from highroad.projects import store as projects
from highroad.projects.model import Environment, Service
from highroad.web.context import Context
from highroad.workload.model import Process

LONGEST_SECONDS = 6 * 3600.0
MOST_AT_ONCE = 20
LONGEST_COMMAND = 8 * 1024
LATE = timedelta(minutes=5)
"""A scheduled run that was missed by more than this, because Highroad was down, is left out."""
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between tries to record an end; the last one again and again."""
logger = logging.getLogger(__name__)


class NoSuchCommand(NotFound):
    code = "no-such-command"


class TooManyCommands(TooMany):
    code = "too-many-commands"


class CommandHasEnded(Conflict):
    code = "command-has-ended"


class BadCommand(Invalid):
    code = "bad-command"


class Commands:
    def __init__(self, context: Context, journal: Journal, driver: Driver) -> None:
        self._context = context
        self._journal = journal
        self._driver = driver
        self._cancelled: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def run(self, actor: Actor, service: Service, environment: Environment, command: str) -> Command:
        """Start a one-off command and return at once; its output is in the journal under its id."""
        require(actor, "command:write", environment.place.of_service(service.name))
        if not command.strip() or len(command) > LONGEST_COMMAND or "\0" in command:
            raise BadCommand("There is no command to run.", next_step="highroad run -- python -m app.migrate")
        process = Process(name="run", command=command)
        started = self._start(actor, service, environment, process, occasion=None)
        assert started is not None, "only an occasion can be taken"
        return started

    def run_scheduled(
        self, service: Service, environment: Environment, process: Process, at: datetime
    ) -> Command | None:
        """Start the run of a scheduled process for this minute, once, whoever else tries."""
        occasion = f"{service.id}/{environment.id}/{process.name}/{at:%Y-%m-%dT%H:%M}"
        return self._start(SYSTEM, service, environment, process, occasion=occasion)

    def cancel(self, command: Command) -> None:
        """The caller has asked for permission, at the place where it runs."""
        flag = self._cancelled.get(command.id)
        if command.state != "running" or flag is None:
            raise CommandHasEnded(f"The command has ended: {command.state}.", next_step="highroad logs")
        flag.set()

    def mark_lost(self) -> None:
        """At start, and whenever a command is found running that no thread runs: it is gone with the control plane that
        died."""
        with self._lock, self._context.db.begin() as tx:  # the lock: one that is just being started has its thread soon
            for command in command_store.running_commands(tx):
                service = projects.service_by_id(tx, command.service_id)
                environment = projects.environment_by_id(tx, command.environment_id)
                assert service is not None, "commands reference services"
                assert environment is not None, "commands reference environments"
                if command.id not in self._cancelled and command_store.end_command(
                    tx, command.id, "lost", why="Highroad was restarted while it ran"
                ):
                    event = _event(events.COMMAND_FINISHED, service, environment, command, exit_code=None, state="lost")
                    self._context.log.append(tx, event, SYSTEM)

    def end_at(self, service_id: str, environment_id: str) -> bool:
        """Ask what runs at a place to end, for good; whether something still does."""
        with self._context.db.read() as tx:
            running = command_store.running_commands(tx, service_id, environment_id)
        flags = [self._cancelled.get(command.id) for command in running]
        for flag in flags:
            if flag is not None:
                flag.set()
        if None in flags:
            self.mark_lost()
        return bool(running)

    def _start(
        self, who: Who, service: Service, environment: Environment, process: Process, *, occasion: str | None
    ) -> Command | None:
        with self._lock:
            if len(self._cancelled) >= MOST_AT_ONCE:
                raise TooManyCommands(f"{MOST_AT_ONCE} commands run already.", next_step="Wait for one to end.")
            with self._context.db.begin() as tx:
                spec, subject = self._specification(tx, service, environment, process)
                command = command_store.add_command(
                    tx,
                    service.id,
                    environment.id,
                    process=process.name,
                    command=mask_of(spec.secrets).text(process.command),
                    actor=who.name,
                    occasion=occasion,
                )
                if command is None:
                    return None
                # After the insertion: a deletion waits for that, or was before it and is seen.
                if {service.id, environment.id} & command_store.deleted_places(tx):
                    raise NothingDeployed(
                        f"{service.name} in {environment.name} is being deleted.", next_step="highroad services"
                    )
                self._context.log.append(tx, _event(events.COMMAND_STARTED, service, environment, command), who)
            flag = self._cancelled[command.id] = threading.Event()
        scheduled = occasion is not None
        work = threading.Thread(target=self._work, args=(command, spec, subject, flag, who, scheduled), daemon=True)
        work.start()
        return command

    def _specification(
        self, tx: Transaction, service: Service, environment: Environment, process: Process
    ) -> tuple[InstanceSpec, Subject]:
        placement = store.find_placement(tx, service.id, environment.id)
        if placement is None or placement.deployment_id is None:
            raise NothingDeployed(
                f"{service.name} does not run in {environment.name} yet.", next_step="git push highroad main"
            )
        subject = subject_of(tx, placement.deployment_id)
        configuration = subject.deployment.configuration
        return specification(subject, process, None, None, configuration, self._context.settings), subject

    def _work(
        self,
        command: Command,
        spec: InstanceSpec,
        subject: Subject,
        flag: threading.Event,
        who: Who,
        scheduled: bool,
    ) -> None:
        try:
            exit_code, why = self._run(command, spec, flag, scheduled)
            state: command_store.CommandState = "cancelled" if flag.is_set() else "finished"
            custom: dict[str, object] = {"exit_code": exit_code, "state": state}
            event = _event(events.COMMAND_FINISHED, subject.service, subject.environment, command, **custom)
            for pause in itertools.chain(PAUSES, itertools.repeat(PAUSES[-1])):
                try:
                    with self._context.db.begin() as tx:
                        if command_store.end_command(tx, command.id, state, exit_code=exit_code, why=why):
                            self._context.log.append(tx, event, who)
                    return
                except Temporary as error:
                    logger.warning("the end of %s is not recorded yet: %s", command.id, error)
                    time.sleep(pause)
        finally:
            self._cancelled.pop(command.id, None)  # whatever happened, its place is free again

    def _run(
        self, command: Command, spec: InstanceSpec, flag: threading.Event, scheduled: bool
    ) -> tuple[int | None, str]:
        output = self._journal.lines(command.id, command.process, indent="")
        feeds: list[Callable[[bytes], None]] = [output.feed]

        def emit(data: bytes) -> None:
            for feed in feeds:
                feed(data)

        with ExitStack() as stack:
            stack.callback(output.close)
            try:
                if scheduled:  # nobody watches: it is looked for where the service's other lines are
                    feeds.append(stack.enter_context(self._driver.logged(spec)))
            except (Temporary, Permanent) as error:
                logger.warning("%s of %s is not in the log of its service: %s", command.process, command.id, error)
            try:
                ended = self._driver.run(spec, emit, seconds=LONGEST_SECONDS, cancelled=flag.is_set)
            except (Temporary, Permanent) as error:
                return None, str(error)
        return ended.exit_code, ended.why


class Scheduler:
    """Starts scheduled processes at their minutes. `look` is called about once a second by the control plane's loop."""

    def __init__(self, context: Context, start: Callable[[Service, Environment, Process, datetime], object]) -> None:
        self._context = context
        self._start = start
        # What fell due while Highroad was down is still to be started; an occasion that was taken is not started twice.
        self._looked = now().replace(second=0, microsecond=0) - LATE

    def look(self, instant: datetime) -> None:
        """Start what is due in the minutes since the last look, none more than five minutes late."""
        minute = instant.replace(second=0, microsecond=0)
        if minute < self._looked - LATE:  # the clock was set back: the minutes that come again have their runs, too
            self._looked = minute - LATE
        since = max(self._looked, minute - LATE)
        if minute <= since:
            return
        unfinished = False
        for service, environment, process, live_since in self._scheduled():
            assert process.schedule is not None, "only scheduled processes are listed"
            try:
                due = due_between(process.schedule, since, minute)
                if due is not None and due >= live_since:
                    self._start(service, environment, process, due)
            except (Temporary, HighroadError, CroniterError) as error:  # one's trouble keeps no other from its minute
                unfinished = unfinished or isinstance(error, Temporary)
                where = f"{service.project}/{service.name} in {environment.name}"
                logger.warning("%s of %s was not started: %s", process.name, where, error)
        if not unfinished:  # else the look is done again; what was started is not started twice
            self._looked = minute

    def _scheduled(self) -> list[tuple[Service, Environment, Process, datetime]]:
        """Scheduled processes that are deployed, each with the minute since when."""
        found = []
        with self._context.db.read() as tx:
            deleted = command_store.deleted_places(tx)
            for placement in store.list_placements(tx):
                if placement.stopped or placement.deployment_id is None:
                    continue
                if {placement.service_id, placement.environment_id} & deleted:
                    continue
                try:
                    subject = subject_of(tx, placement.deployment_id)
                except NothingDeployed as error:
                    logger.warning("schedules of %s: %s", placement.deployment_id, error)
                    continue
                began = subject.deployment.started_at or subject.deployment.created_at
                live_since = began.replace(second=0, microsecond=0)
                for process in subject.release.workload.processes:
                    if process.schedule is not None:
                        found.append((subject.service, subject.environment, process, live_since))
        return found


def due_between(schedule: str, since: datetime, until: datetime) -> datetime | None:
    """The last instant after `since` and up to `until` at which a cron expression is due, in UTC."""
    previous: datetime = croniter(schedule, until + timedelta(seconds=1)).get_prev(datetime)
    return previous if previous > since else None


def _event(
    type: events.EventType, service: Service, environment: Environment, command: Command, **custom: object
) -> Event:
    return Event(
        type,
        command.id,
        {"process": command.process},
        project=service.project,
        service=service.name,
        environment=environment.name,
        custom=dict(custom),
    )
