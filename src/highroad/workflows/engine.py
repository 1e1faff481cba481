"""Durable workflows: started once by name and subject, continued after any crash from the last completed step.

The composition root builds one `Engine`, each slice registers its workflow function, and the control plane calls
`launch` in the background when it already answers requests. Starting a workflow is not part of the caller's
transaction: a slice writes its row first and ensures by `start` that every queued row has its workflow; starting
twice is harmless.

    engine = Engine(settings.database_url, version=__version__, executor="control-plane-1", on_lost=mark_failed)
    engine.register("deployment", deploy)        # deploy(run: Run, deployment_id: str) -> None
    engine.launch()
    engine.start("deployment", deployment_id)

Upgrades: a new release continues what an older one began. Where the recorded steps no longer fit the function, the
run is begun again as its next attempt, whose steps find done what is done. A workflow that no release knows any more,
one that keeps killing its process, and one whose function lets an error escape are lost, and `on_lost` hears of each;
if `on_lost` fails, it is asked again later.
"""

from __future__ import annotations

import fcntl
import importlib
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import sqlalchemy as sa

from highroad.errors import Conflict, HighroadError, Unavailable
from highroad.kit.clock import now
from highroad.workflows import lease
from highroad.workflows.run import Observer, Retry, Run, StepsChanged, Unobserved

if TYPE_CHECKING:
    from highroad.workflows.durable import Durable

Function: TypeAlias = Callable[[Run, str], object]
OnLost: TypeAlias = Callable[[str, str, Exception], None]
State: TypeAlias = Literal["unknown", "running", "done", "lost"]

MOST_ATTEMPTS = 5
MOST_RECOVERIES = 100
KEPT = timedelta(days=30)
LOCK_PATIENCE = 10.0
_HURRY_SECONDS = 3.0
_LEASE_HEARTBEATS = 6
_LOOK_HEARTBEATS = 6
_FORGET_SECONDS = 3600.0

_log = logging.getLogger(__name__)


class AlreadyRunning(Conflict):
    code = "already-running"
    title = "Another Highroad runs on this data directory"


class DatabaseUnreachable(Unavailable):
    code = "workflow-database-unreachable"
    title = "The database of workflows cannot be used"


class NotRunning(Unavailable):
    code = "not-running"
    title = "Highroad is shutting down"


class GaveUp(HighroadError):
    """Reported to `on_lost` for a workflow that was taken up again and again without ever finishing."""

    code = "workflow-gave-up"
    title = "A workflow was given up"


class Outgrown(HighroadError):
    """Reported to `on_lost` for a workflow that this release cannot continue."""

    code = "workflow-outgrown"
    title = "This release cannot continue a workflow that an older one began"


class _Unreported(BaseException):
    """`on_lost` failed: leave the workflow pending, so that it is taken up and reported again."""


def _never_cancelled(_name: str, _subject_id: str) -> bool:
    return False


def _only_logged(_name: str, _subject_id: str, _error: Exception) -> None:
    """`on_lost` of an engine that was given none: the log has it already."""


class Engine:
    """All durable workflows of one control plane. One engine is launched in a process at a time.

    `executor` names this process among all on the same PostgreSQL database and is the same after its restart.
    `cancelled` is what `Run.cancelled` asks. `on_lost` hears of a lost workflow at least once, in a thread of the
    engine, and should record its subject as failed. `heartbeat` is the time in seconds between two looks at what is
    to be done besides.
    """

    def __init__(
        self,
        database_url: str,
        *,
        version: str,
        executor: str,
        observer: Observer | None = None,
        on_lost: OnLost = _only_logged,
        cancelled: Callable[[str, str], bool] = _never_cancelled,
        retry: Retry | None = None,
        heartbeat: float = 5.0,
    ) -> None:
        self._url = workflow_database(database_url)
        self._on_sqlite = self._url.startswith("sqlite")
        self._version = version
        self._executor = executor
        self._observer = observer or Unobserved()
        self._on_lost = on_lost
        self._cancelled = cancelled
        self._retry = retry or Retry()
        self._heartbeat = heartbeat
        self._lease = _LEASE_HEARTBEATS * heartbeat
        self._functions: dict[str, Function] = {}
        self._durable: Durable | None = None
        self._launched = False
        self._lock = threading.Lock()
        self._idle = threading.Condition()
        self._active: set[str] = set()
        self._fresh: set[str] = set()
        self._early: list[tuple[str, str, int]] = []
        self._stopping = threading.Event()
        self._keeper: threading.Thread | None = None
        self._lock_file: int | None = None

    def register(self, name: str, function: Function) -> None:
        """Name a workflow. Before `launch`; a name is stored with every run, so it never changes its meaning."""
        if self._durable is not None or name in self._functions or ":" in name:
            raise ValueError(f"Cannot register workflow {name!r}: launched already, name taken, or ':' in it.")
        self._functions[name] = function

    def launch(self) -> None:
        """Load the durable engine (about a second) and continue every unfinished run. Raises `AlreadyRunning`, or
        `DatabaseUnreachable`, after which it may be tried again. Nothing happens when it is launched already."""
        if self._launched:
            return
        try:
            durable = self._open()
        except sa.exc.DBAPIError as error:
            self._close()
            # Neither the URL nor the driver's words are repeated: both can carry the password.
            raise DatabaseUnreachable(
                f"The database of workflows cannot be used ({type(error.orig).__name__}).",
                next_step="See that the database runs and accepts connections, then start Highroad again.",
            ) from error
        except BaseException:
            self._close()
            raise
        self._keeper = threading.Thread(target=self._keep, args=(durable,), name="workflow-keeper", daemon=True)
        self._keeper.start()
        with self._lock:
            self._launched = True
            early, self._early = self._early, []
        for name, subject_id, attempt in early:
            self.start(name, subject_id, attempt=attempt)

    def _open(self) -> Durable:
        if self._on_sqlite:
            self._lock_file = _locked(Path(cast("str", sa.make_url(self._url).database)).with_suffix(".lock"))
        # By name: importing this package costs nothing, and what is loaded here costs a second and 30 MB.
        module = importlib.import_module("highroad.workflows.durable")
        bodies = {name: self._body(name) for name in self._functions}
        durable: Durable = module.Durable(self._url, executor=self._executor, bodies=bodies)
        self._durable = durable
        durable.launch()
        if not self._on_sqlite:
            lease.prepare(durable.database)
            lease.renew(durable.database, self._executor, self._lease)
        return durable

    def _close(self) -> None:
        if self._durable is not None:
            self._durable.close()
            self._durable = None
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def start(self, name: str, subject_id: str, *, attempt: int = 1) -> None:
        """See to it that this run exists, and execute it in a thread of its own if it did not. Returns when it is
        recorded (one transaction); before `launch` has ended it is kept in memory until then. Raises `NotRunning` after
        `destroy`."""
        if name not in self._functions:
            raise ValueError(f"No workflow is registered as {name!r}.")
        with self._lock:
            if self._stopping.is_set():
                raise NotRunning(f"{name} {subject_id} was not started.", next_step="Try again in a few seconds.")
            if not self._launched:
                self._early.append((name, subject_id, attempt))
                return
        workflow_id = _workflow_id(name, subject_id, attempt)
        self._fresh.add(workflow_id)
        if not self._require_durable().start(workflow_id, name, subject_id, attempt, self._version):
            self._fresh.discard(workflow_id)

    def start_anew(self, name: str, subject_id: str) -> None:
        """As `start`, for what must be done however often it takes: a run that was lost, or that came to its end though
        its subject is still there, begins again from nothing."""
        if self._launched and self.state(name, subject_id) in ("done", "lost"):
            ids = [_workflow_id(name, subject_id, attempt) for attempt in range(1, MOST_ATTEMPTS + 1)]
            self._require_durable().erase(ids)
        self.start(name, subject_id)

    def state(self, name: str, subject_id: str, *, attempt: int = 1) -> State:
        """Where a run is, by its record. A run begun again because of an upgrade counts as its latest attempt."""
        durable = self._require_durable()
        row = durable.row(_workflow_id(name, subject_id, attempt))
        for later in range(attempt + 1, MOST_ATTEMPTS + 1):
            if row is None or (following := durable.row(_workflow_id(name, subject_id, later))) is None:
                break
            row = following
        if row is None:
            return "unknown"
        return cast("State", {"SUCCESS": "done", "ERROR": "lost", "CANCELLED": "lost"}.get(row.state, "running"))

    def wait(self, name: str, subject_id: str, *, seconds: float) -> State:
        """The state of a run when it is done or lost, or the state it has after `seconds`."""
        deadline = time.monotonic() + seconds
        while (state := self.state(name, subject_id)) in ("unknown", "running") and time.monotonic() < deadline:
            time.sleep(0.01)
        return state

    def destroy(self, *, grace: float = 1.0) -> None:
        """Stop. Runs end at their next step, a run that sleeps at once; a step that takes longer than `grace` seconds
        is left behind in a daemon thread, and is executed again at the next start."""
        with self._lock:
            self._stopping.set()
        with self._idle:
            quiet = self._idle.wait_for(lambda: not self._active, timeout=grace)
        if self._keeper is not None:
            self._keeper.join()
        if quiet and self._launched and self._durable is not None and not self._on_sqlite:
            lease.release(self._durable.database, self._executor)
        self._close()

    def _require_durable(self) -> Durable:
        if self._durable is None:
            raise NotRunning("The workflow engine is not launched yet.", next_step="Try again in a few seconds.")
        return self._durable

    def _body(self, name: str) -> Callable[[str, str, int, str], None]:
        """What the durable engine executes for a workflow. A closure each, because DBOS marks the function it is
        given."""

        def body(workflow_id: str, subject_id: str, attempt: int, begun_by: str) -> None:
            with self._idle:
                self._active.add(workflow_id)
            try:
                self._execute(workflow_id, name, subject_id, attempt, begun_by)
            finally:
                with self._idle:
                    self._active.discard(workflow_id)
                    self._idle.notify_all()

        return body

    def _execute(self, workflow_id: str, name: str, subject_id: str, attempt: int, begun_by: str) -> None:
        durable = self._require_durable()
        run = Run(
            name,
            subject_id,
            attempt=attempt,
            begun_by=begun_by,
            record=durable.step,
            retry=self._retry,
            observer=self._observer,
            stopping=self._stopping,
            cancelled=self._cancelled,
        )
        try:
            self._refuse_poison(durable, workflow_id)
            self._functions[name](run, subject_id)
        except StepsChanged as error:
            self._begin_again(run, error)
        except Exception as error:
            # The boundary of a workflow: recorded by the durable engine, which also logs the traceback.
            self._report(name, subject_id, error)
            raise

    def _refuse_poison(self, durable: Durable, workflow_id: str) -> None:
        """Stop a run that was cut off too often: it may be what kills the process."""
        if workflow_id in self._fresh:
            self._fresh.discard(workflow_id)
            return
        row = durable.row(workflow_id)
        if row is not None and row.recoveries > MOST_RECOVERIES:
            raise GaveUp(
                f"{workflow_id} was taken up {row.recoveries} times and never finished.",
                next_step="Start it again, and look in the control plane's log for what cut it off.",
            )

    def _begin_again(self, run: Run, error: StepsChanged) -> None:
        if run.attempt >= MOST_ATTEMPTS:
            outgrown = Outgrown(
                f"{run.name} {run.subject_id} was begun again {run.attempt} times and its steps still differ: {error}",
                next_step="Start it again.",
            )
            self._report(run.name, run.subject_id, outgrown)
            raise outgrown from error
        _log.warning("%r, begun by %s, takes other steps in %s; begun again", run, run.begun_by, self._version)
        self.start(run.name, run.subject_id, attempt=run.attempt + 1)

    def _report(self, name: str, subject_id: str, error: Exception) -> None:
        _log.error("%s %s is lost: %s: %s", name, subject_id, type(error).__name__, error)
        try:
            self._on_lost(name, subject_id, error)
        except Exception as failure:
            _log.exception("%s %s is lost and could not be reported; it will be again", name, subject_id)
            raise _Unreported from failure

    def _keep(self, durable: Durable) -> None:
        """The engine's housekeeping, each heartbeat: leases, workflows that nothing executes, old records."""
        hurried_until = time.monotonic() + _HURRY_SECONDS
        forget_at = time.monotonic() + 60.0
        suspects: set[str] = set()
        beat = 0
        while not self._stopping.wait(self._heartbeat):
            beat += 1
            try:
                if not self._on_sqlite:
                    self._keep_lease(durable)
                if beat % _LOOK_HEARTBEATS == 0:
                    suspects = self._take_up(durable, suspects)
                if time.monotonic() > hurried_until:
                    durable.relax()
                if time.monotonic() > forget_at:
                    durable.forget(now() - KEPT)
                    forget_at = time.monotonic() + _FORGET_SECONDS
            except (Exception, _Unreported):  # noqa: BLE001  # the boundary of a loop that must not end
                _log.exception("The housekeeping of workflows failed; it is done again in %s s", self._heartbeat)

    def _keep_lease(self, durable: Durable) -> None:
        if lease.renew(durable.database, self._executor, self._lease) and (
            dead := lease.dead(durable.database, self._lease)
        ):
            _log.warning("Taking over the workflows of %s", ", ".join(dead))
            durable.take_over(dead)

    def _take_up(self, durable: Durable, suspects: set[str]) -> set[str]:
        """Recover pending workflows that nobody executed in two looks in a row; a single look can fall in the moment
        between a workflow's record and its thread. Returns those seen in this look for the first time."""
        idle = {row.id: row for row in durable.own_pending() if row.id not in self._active}
        stranded = [row for row in idle.values() if row.id in suspects]
        for row in stranded:
            if row.name not in self._functions:
                name, subject_id, _ = _parts(row.id)
                outgrown = Outgrown(f"This release has no workflow {name!r}.", next_step="Start it again.")
                self._report(name, subject_id, outgrown)
                durable.discard(row.id)
        durable.recover(row.id for row in stranded if row.name in self._functions)
        return set(idle) - suspects


def workflow_database(database_url: str) -> str:
    """Where workflows are recorded: a file beside an SQLite database (it takes a write per step, which would hold up
    the main one), else the same PostgreSQL database."""
    url = sa.make_url(database_url)
    if not url.drivername.startswith("sqlite"):
        return database_url
    if not url.database or url.database == ":memory:":
        raise ValueError("Workflows outlive the process: they need an SQLite file or PostgreSQL, not memory.")
    return url.set(database=str(Path(url.database).with_name("workflows.sqlite"))).render_as_string(hide_password=False)


def _workflow_id(name: str, subject_id: str, attempt: int) -> str:
    return f"{name}:{subject_id}:{attempt}"


def _parts(workflow_id: str) -> tuple[str, str, int]:
    name, _, rest = workflow_id.partition(":")
    subject_id, _, attempt = rest.rpartition(":")
    return name, subject_id, int(attempt)


def _locked(file: Path) -> int:
    """An exclusive lock on `file`, held until its descriptor is closed or the process dies. Two executors on one
    SQLite file would execute each other's workflows. Waits `LOCK_PATIENCE` seconds for a predecessor that is still
    shutting down."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise AlreadyRunning(
                    f"Another process executes the workflows in {file.parent}.",
                    next_step="Stop it with `highroad down`, or give this one another data directory with --data.",
                ) from error
            time.sleep(0.05)
