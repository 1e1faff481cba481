"""The durable engine underneath, DBOS, as Highroad uses it. The one module that imports it: `Engine.launch` loads this
module by name, so that a process that runs no workflow pays neither its second of import nor its memory.

DBOS keeps one row per workflow and one per step, in `workflows.sqlite` beside the main database or in the schema
`dbos` of the PostgreSQL database. Highroad uses its core alone: start, step, replay, ownership of an execution by a
token. What else it does is switched off in `_launch`, by replacing names that its launch looks up: each second it
polls for queue definitions, delayed workflows, time-outs and schedules, none of which Highroad has, and that costs 1
% of a core for ever. Those names are private, hence the pin to one minor release; `tests/workflows/test_durable.py`
fails when one moves.

Trap: there is one DBOS in a process, its registry included. `close` discards both.
"""

from __future__ import annotations

import contextvars
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, ParamSpec, TypeVar, cast

import dbos._dbos as dbos_launch
import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID
from dbos._core import WorkflowHandleFuture
from dbos._error import DBOSStepNondeterminismError, DBOSUnexpectedStepError, DBOSWorkflowConflictIDError
from dbos._queue import queue_worker_thread
from dbos._recovery import recover_pending_workflows
from dbos._sys_db import SystemDatabase
from dbos._utils import INTERNAL_QUEUE_NAME

from highroad.kit.clock import rfc3339
from highroad.workflows.outcome import Envelope
from highroad.workflows.run import Displaced, StepsChanged

P = ParamSpec("P")
T = TypeVar("T")

# One value for all releases: DBOS continues a workflow only under the application version that began it, so a version
# that changed with each release would strand what was running during an upgrade. What does not fit is begun again.
APPLICATION_VERSION = "1"
SCHEMA = "dbos"

# Seconds between two looks at DBOS's internal queue, through which recovered workflows go: after a launch, and later.
HURRIED_POLL = 0.05
IDLE_POLL = 5.0

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Row:
    """A workflow as recorded. `recoveries` counts how often it was taken up again after a crash or a restart."""

    id: str
    name: str
    state: str
    recoveries: int


class PlainJSON(Serializer):
    """JSON of plain values instead of pickle: readable by any release and by people, and no code runs when it is
    read."""

    def serialize(self, data: Any) -> str:
        # DBOS records the exception of a lost workflow through here too; its text is enough, the log has the rest.
        return json.dumps({"lost": repr(data)} if isinstance(data, BaseException) else data, allow_nan=False)

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data)

    def name(self) -> str:
        return "highroad_json"


class DaemonThreads(ThreadPoolExecutor):
    """A daemon thread per task: a step that runs for minutes must not keep a process alive that was told to stop, and
    an idle control plane keeps no thread for workflows. A subclass because DBOS and asyncio ask for this very type."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  # an executor's task ends in its future, whatever ended it
                future.set_exception(error)

        threading.Thread(target=work, name="workflow", daemon=True).start()
        return future


class Durable:
    """DBOS on one database. `bodies` are the workflows by name; each is called with the workflow id and its stored
    words."""

    def __init__(self, database_url: str, *, executor: str, bodies: Mapping[str, Callable[..., None]]) -> None:
        if dbos_launch._dbos_global_instance is not None:
            raise RuntimeError("An Engine is launched in this process already; destroy it first.")
        DBOS(config=_config(database_url, executor))
        self._executor = executor
        self._workflows = {
            name: DBOS.workflow(name=name, max_recovery_attempts=None)(body) for name, body in bodies.items()
        }
        self._queue = dbos_launch._get_or_create_dbos_registry().get_internal_queue()

    def launch(self) -> None:
        """Create or migrate the tables, and continue what this executor has not finished."""
        self._queue._polling_interval_sec = HURRIED_POLL
        _launch()

    @property
    def database(self) -> sa.Engine:
        """The engine of the workflow tables; the schema `dbos` on PostgreSQL, none on SQLite."""
        return dbos_launch._get_dbos_instance()._sys_db.engine

    def start(self, workflow_id: str, name: str, *words: str | int) -> bool:
        """Record a workflow and execute it in a thread of its own. Returns when recorded; False if the id was known."""
        # A context of its own: started from within a step, it would otherwise become that workflow's child.
        return contextvars.Context().run(self._start, workflow_id, name, words)

    def _start(self, workflow_id: str, name: str, words: tuple[str | int, ...]) -> bool:
        with SetWorkflowID(workflow_id):
            handle = DBOS.start_workflow(self._workflows[name], workflow_id, *words)
        return isinstance(handle, WorkflowHandleFuture)

    def step(self, name: str, execute: Callable[[], Envelope]) -> Envelope:
        """The envelope recorded for the next step of the workflow in this thread, or what `execute` returns, recorded.

        Raises `StepsChanged` when the record at this place is another step's, `Displaced` when the workflow has another
        owner. What `execute` raises is not recorded.
        """
        try:
            return DBOS.run_step({"name": name}, execute)
        except (DBOSUnexpectedStepError, DBOSStepNondeterminismError) as error:
            raise StepsChanged(str(error)) from error
        except DBOSWorkflowConflictIDError as error:
            raise Displaced(str(error)) from error

    def row(self, workflow_id: str) -> Row | None:
        return next(iter(self._rows(workflow_ids=[workflow_id])), None)

    def own_pending(self) -> list[Row]:
        """What this executor began or took over and has not finished."""
        return self._rows(status="PENDING", executor_id=self._executor)

    def recover(self, workflow_ids: Iterable[str]) -> None:
        """Execute again workflows of this executor that nothing executes any more."""
        database = dbos_launch._get_dbos_instance()._sys_db
        for workflow_id in workflow_ids:
            database.reenqueue_for_recovery(workflow_id, [self._executor], INTERNAL_QUEUE_NAME)

    def take_over(self, executors: list[str]) -> None:
        """Execute again the pending workflows of dead executors, here or on another live one."""
        recover_pending_workflows(dbos_launch._get_dbos_instance(), executors)

    def discard(self, workflow_id: str) -> None:
        """End a workflow that nothing can execute any more."""
        DBOS.cancel_workflow(workflow_id)

    def erase(self, workflow_ids: list[str]) -> None:
        """Delete workflows with their steps, those that there are."""
        DBOS.delete_workflows(workflow_ids)

    def forget(self, before: datetime) -> int:
        """Delete workflows that ended before an instant, with their steps. Returns how many."""
        forgotten = 0
        while ids := [
            row.id
            for row in self._rows(
                status=["SUCCESS", "ERROR", "CANCELLED"], completed_before=rfc3339(before), limit=_BATCH
            )
        ]:
            DBOS.delete_workflows(ids)
            forgotten += len(ids)
        return forgotten

    def relax(self) -> None:
        """Look for recovered workflows each `IDLE_POLL` seconds: what the launch found has been taken up."""
        self._queue._polling_interval_sec = IDLE_POLL

    def close(self) -> None:
        """Stop DBOS without waiting for workflows. Threads that still execute one lose their way to record anything
        new."""
        DBOS.destroy(destroy_registry=True)

    @staticmethod
    def _rows(**query: Any) -> list[Row]:
        found = dbos_launch._get_dbos_instance()._sys_db.list_workflows(load_input=False, load_output=False, **query)
        return [Row(each.workflow_id, each.name, each.status, each.recovery_attempts or 0) for each in found]


def _config(database_url: str, executor: str) -> DBOSConfig:
    # DBOS would add a console handler and stop propagation; with a handler of no effect it leaves the logger's be.
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    config: DBOSConfig = {
        "name": "highroad",
        "system_database_url": database_url,
        "dbos_system_schema": SCHEMA,
        "executor_id": executor,
        "application_version": APPLICATION_VERSION,
        "serializer": PlainJSON(),
        "log_level": "WARNING",
        # LISTEN/NOTIFY serves messages between workflows, which Highroad does not send; its notifier wakes 100 times a
        # second. Fixed for the life of a database, because the triggers are made by its migrations.
        "use_listen_notify": False,
        "sys_db_pool_size": 5,
    }
    if database_url.startswith("sqlite"):
        config["db_engine_kwargs"] = {"creator": _sqlite(database_url), "pool_pre_ping": False}
    return config


def _sqlite(database_url: str) -> Callable[[], sqlite3.Connection]:
    file = cast("str", sa.make_url(database_url).database)

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(file, timeout=30.0, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        # In WAL mode NORMAL loses nothing when a process dies. A power cut can take the last records; their steps are
        # executed again, which idempotent steps allow, and a commit costs no fsync.
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    if file and file != ":memory:":
        Path(file).touch(mode=0o600)
    return connect


def _launch() -> None:
    with (
        _replaced(
            dbos_launch,
            ThreadPoolExecutor=DaemonThreads,
            queue_thread=_claim_recovered,
            background_jobs_thread=_nothing,
            dynamic_scheduler_loop=_nothing,
        ),
        _replaced(SystemDatabase, run_notification_listener=_nothing),
    ):
        DBOS.launch()


def _claim_recovered(stop: threading.Event, dbos: DBOS) -> None:
    """In place of DBOS's queue manager, which lists all queues each second: its worker on its internal queue alone."""
    queue_worker_thread(stop, dbos, dbos._registry.get_internal_queue())


def _nothing(*_: object) -> None:
    """In place of a DBOS thread that has nothing to do in Highroad."""


@contextmanager
def _replaced(owner: ModuleType | type, **names: object) -> Iterator[None]:
    """Names of a module or class replaced in this block. Raises AttributeError for a name that is not there."""
    originals = {name: getattr(owner, name) for name in names}
    for name, value in names.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in originals.items():
            setattr(owner, name, value)
