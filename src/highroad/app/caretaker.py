"""Keeps the installation as the database says it should be: at start after a crash, and from then on.

One thread. It brings workflows, apps and routes back, ensures that whatever is queued has its workflow, restarts a
killed supervisor, starts scheduled processes, tells of instances that crash, and tidies up. Everything it does is
idempotent, so that it may die at any line.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from highroad.access.model import SYSTEM
from highroad.app.housekeeping import Housekeeping
from highroad.db import keys
from highroad.db.engine import Database
from highroad.deployments import actions as deployments
from highroad.deployments import removal, store
from highroad.deployments.commands import Commands, Scheduler
from highroad.deployments.model import Instance
from highroad.deployments.push import PushGate
from highroad.drivers.contract import Driver, InstanceSpec, Observed
from highroad.errors import HighroadError, Permanent, Temporary
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.clock import now
from highroad.pipelines import actions as pipelines
from highroad.pipelines import store as pipeline_store
from highroad.projects import store as projects
from highroad.projects.model import Service
from highroad.workflows.engine import Engine

logger = logging.getLogger(__name__)
TELLING = frozenset({"backing-off", "given-up", "exited"})


@dataclass(slots=True)
class Chore:
    """Something done every `seconds`; `due` is when next, by the monotonic clock."""

    name: str
    seconds: float
    work: Callable[[], None]
    due: float = field(default=0.0)


class Caretaker:
    """`ensure_engine` starts a dead supervisor again and says whether it had to; `sweep` ends what lost workflows left
    behind."""

    def __init__(
        self,
        db: Database,
        log: EventLog,
        engine: Engine,
        driver: Driver,
        gate: PushGate,
        commands: Commands,
        scheduler: Scheduler,
        housekeeping: Housekeeping,
        *,
        ensure_engine: Callable[[], bool],
        apply_routes: Callable[[], None],
        sweep: Callable[[], None],
        rehouse: Callable[[list[Instance]], None],
        look_at_gates: Callable[[datetime], None],
    ) -> None:
        self._db = db
        self._log = log
        self._engine = engine
        self._driver = driver
        self._gate = gate
        self._commands = commands
        self._ensure_engine = ensure_engine
        self._apply_routes = apply_routes
        self._rehouse = rehouse
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._recovery_owed = False
        self._told: dict[str, tuple[str, int]] = {}
        self._chores = [
            Chore("toolchains", 86_400.0, housekeeping.know_toolchains),
            Chore("schedule", 1.0, lambda: scheduler.look(now())),
            Chore("gates", 1.0, lambda: look_at_gates(now())),
            Chore("engine", 2.0, self.keep_engine),
            Chore("instances", 5.0, self.watch_instances),
            Chore("queues", 10.0, self.start_queued),
            Chore("pushes", 120.0, self.reconcile_pushes, due=time.monotonic() + 120),
            Chore("keys", 5.0, partial(keys.carry_on, db)),
            Chore("sweep", 30.0, sweep, due=time.monotonic() + 30),
            Chore("housekeeping", 600.0, housekeeping.tidy, due=time.monotonic() + 60),
        ]

    def is_ready(self) -> bool:
        return self._ready.is_set()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="caretaker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking after things; workflows halt at their next step and go on at the next start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._engine.destroy()

    def _run(self) -> None:
        while not self._stopping.is_set() and not self._attempt("bring-up", self.bring_up):
            self._stopping.wait(1.0)
        self._ready.set()
        while not self._stopping.wait(0.25 if self._due() else self._pause()):
            for chore in self._chores:
                if chore.due <= time.monotonic() and not self._stopping.is_set():
                    self._attempt(chore.name, chore.work)
                    chore.due = time.monotonic() + chore.seconds

    def _due(self) -> bool:
        return any(chore.due <= time.monotonic() for chore in self._chores)

    def _pause(self) -> float:
        return max(0.05, min(chore.due for chore in self._chores) - time.monotonic())

    def _attempt(self, name: str, work: Callable[[], object]) -> bool:
        """The loop's boundary: what fails is recorded and tried again at its next turn."""
        try:
            work()
        except (Temporary, Permanent, HighroadError) as error:
            logger.warning("%s: %s", name, error)
            return False
        except Exception:
            logger.exception("%s", name)
            return False
        return True

    # What it does

    def bring_up(self) -> None:
        """After a start: apps and routes as the database has them, unfinished work, pushes that nobody recorded."""
        self._commands.mark_lost()
        self._ensure_engine()
        self._recovery_owed = not self.recover_instances()
        self._apply_routes()
        self._engine.launch()
        self._attempt("queues", self.start_queued)
        self.reconcile_pushes()

    def reconcile_pushes(self) -> None:
        """Record pushes that git accepted and nobody recorded. A service whose repository cannot be read is told of in
        the log and keeps no other one waiting."""
        for service in self._services():
            self._attempt(f"pushes of {service.project}/{service.name}", partial(self._gate.reconcile, service, SYSTEM))

    def keep_engine(self) -> None:
        if self._ensure_engine():
            logger.warning("the supervisor was gone and was started again")
            self._recovery_owed = True
        if self._recovery_owed:
            recovered = self.recover_instances()
            self._apply_routes()
            self._recovery_owed = not recovered

    def recover_instances(self) -> bool:
        """False when that is worth another try. An instance that cannot be helped is told; all others come up."""
        try:
            self._driver.recover(self._wanted)
        except (Temporary, Permanent) as error:
            logger.warning("%s", error)
            return isinstance(error, Permanent)
        return True

    def _wanted(self) -> list[InstanceSpec]:
        with self._db.read() as tx:
            return [instance.spec for instance in store.live_instances(tx)]

    def start_queued(self) -> None:
        """Whatever is at work has its workflow, and whatever waits for a turn that is free gets it."""
        with self._db.begin() as tx:
            working = [(pipelines.WORKFLOW, run.id) for run in pipeline_store.runs_in(tx, "running")]
            working += [(deployments.WORKFLOW, each.work) for each in store.deployments_in(tx, "running")]
            removals = [f"{kind}-{id}" for kind, id in projects.marked_deleted(tx)]
            for run in pipeline_store.runs_in(tx, "queued"):
                service = projects.service_by_id(tx, run.service_id)
                assert service is not None, "runs reference services"
                pipelines.advance(tx, self._log, service, run.branch, self._engine.start)
            for deployment in store.deployments_in(tx, "queued"):
                deployments.advance(tx, deployment.service_id, deployment.environment_id, self._engine.start)
        for workflow, subject in working:
            self._engine.start(workflow, subject)
        for subject in removals:  # nobody can ask for these again
            self._engine.start_anew(removal.WORKFLOW, subject)

    def watch_instances(self) -> None:
        """Tell of instances whose state changed by itself (crashed, given up, recovered), and help those that cannot
        come up because their port was taken."""
        with self._db.read() as tx:
            live = {each.id: each for each in store.live_instances(tx) if each.state == "serving"}
        observed = self._driver.observe(list(live)) if live else {}
        self._rehouse([live[id] for id, seen in observed.items() if seen.state in TELLING and seen.pid is None])
        for id in self._told.keys() - live.keys():
            del self._told[id]
        for id, seen in observed.items():
            before = self._told.get(id)
            self._told[id] = (seen.state, seen.restarts)
            crashed = seen.restarts > (before[1] if before else 0)
            if (before is None and seen.state not in TELLING and not crashed) or before == self._told[id]:
                continue
            if crashed or seen.state in TELLING or (before is not None and before[0] in TELLING):
                self._tell(live[id], seen)

    def _tell(self, instance: Instance, seen: Observed) -> None:
        with self._db.begin() as tx:
            service = projects.service_by_id(tx, instance.service_id)
            environment = projects.environment_by_id(tx, instance.environment_id)
            event = Event(
                events.INSTANCE_CHANGED,
                instance.id,
                {"state": seen.state, "why": seen.why, "restarts": seen.restarts, "label": instance.label},
                project=service.project if service else None,
                service=service.name if service else None,
                environment=environment.name if environment else None,
            )
            self._log.append(tx, event, SYSTEM)

    def _services(self) -> list[Service]:
        with self._db.read() as tx:
            return projects.list_services(tx)
