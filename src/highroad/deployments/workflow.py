"""The durable way of one deployment: plan, release command, start, wait until healthy, switch, finish, drain, stop.

Until `switch` the old version serves untouched, and every failure ends in `put-back`, which stops what was started.
After `finish` the deployment has succeeded for people; draining the old instances goes on behind it. Each step can die
and be run again: instances are rows with an id before they are processes, the router is given the whole table of
routes, and the driver's verbs are idempotent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TypedDict

from highroad.db.engine import Transaction
from highroad.deployments import external, store
from highroad.deployments.actions import advance, deployment_event, finish
from highroad.deployments.instances import Ports, specification
from highroad.deployments.keeper import Keeper
from highroad.deployments.leftovers import left_behind
from highroad.deployments.model import Deployment, DeploymentState, Instance
from highroad.deployments.prospect import Prospect, prospect_of
from highroad.deployments.routes import all_routes
from highroad.deployments.subject import Subject, subject_of
from highroad.deployments.waiting import Unhealthy, Waiting
from highroad.drivers.contract import Driver
from highroad.errors import Conflict, HighroadError, Invalid, Permanent, Temporary, Unavailable
from highroad.events import model as events
from highroad.events.model import Event
from highroad.kit.clock import now
from highroad.pipelines.journal import Journal
from highroad.routing.model import Router
from highroad.web.context import Context
from highroad.workflows.run import Retry, Run
from highroad.workload.model import Process

RELEASE_COMMAND_SECONDS = 600.0
KEEP_STOPPED_ROWS = 20
KEEPS_CONFIGURATION = frozenset({"rollback", "scale", "stop"})
AT_ONCE = 8
"""Deployments that start instances at the same moment: two hundred starting apps would all outlast their grace."""
ENGINE_RETRY = Retry(attempts=40, first=0.1, factor=1.5, longest=2.0)
"""Patience with an engine or router that restarts: about a minute."""
logger = logging.getLogger(__name__)


class PlanRefused(Invalid):
    code = "plan-refused"
    title = "The plan cannot be carried out"


class ReleaseCommandFailed(Unavailable):
    code = "release-command-failed"
    title = "The release command failed"


class Cancelled(Conflict):
    code = "deployment-cancelled"


class Prepared(TypedDict):
    """What the steps after the plan need, as plain JSON."""

    command: str | None
    start: list[str]
    stop: list[str]


class Deployer:
    def __init__(
        self,
        context: Context,
        journal: Journal,
        driver: Driver,
        router: Router,
        start: Callable[[str, str], None],
        keeper: Keeper,
    ) -> None:
        self._context = context
        self._db = context.db
        self._log = context.log
        self._journal = journal
        self._driver = driver
        self._router = router
        self._start = start
        self._keeper = keeper
        self._routes_owed = False
        self._asking, self._routing = threading.Lock(), threading.Lock()
        self._asked = self._applied = 0
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._ports = Ports(context.settings.first_app_port, context.settings.last_app_port)

    def __call__(self, run: Run, work: str) -> None:
        """The workflow function; `work` is `Deployment.work` of a deployment whose turn it is."""
        prepared: Prepared | None = None
        deployment_id = work.partition("+")[0]
        try:
            prepared = run.step("plan", self._plan, work)
            if prepared is None:
                return  # a gate has closed: it waits again, and comes back with another turn
            if prepared["command"] is not None:
                run.step("release-command", self._release_command, deployment_id, prepared["command"])
            with self._slots:
                run.step_retrying(ENGINE_RETRY, "start", self._start_instances, deployment_id, prepared["start"])
                run.step_retrying(
                    ENGINE_RETRY, "health", self._wait_until_healthy, run, deployment_id, prepared["start"]
                )
            run.step_retrying(ENGINE_RETRY, "switch", self._switch, deployment_id, prepared)
            run.step("finish", self._finish, deployment_id)
        except (HighroadError, Permanent) as error:
            if run.step_retrying(ENGINE_RETRY, "put-back", self._put_back, deployment_id):
                next_step = error.next_step or "highroad logs"
                run.step("fail", self._fail, deployment_id, error.detail, next_step, isinstance(error, Cancelled))
                return
        if prepared is not None:
            self._retire(run, prepared["stop"])

    def _retire(self, run: Run, instance_ids: list[str]) -> None:
        """The deployment has succeeded; a trouble with the old instances is none of its own."""
        for name, work in (("drain", partial(self._drain, run)), ("stop", self._stop)):
            try:
                run.step_retrying(ENGINE_RETRY, name, work, instance_ids)
            except (HighroadError, Permanent) as error:
                logger.warning("%r: %s: %s; what is left is ended by `sweep`", run, name, error)

    # Steps

    def _plan(self, work: str) -> Prepared | None:
        """Decide everything and write it down: the plan, the new instances with their ports, what was before. None when
        it is not its turn after all."""
        id = work.partition("+")[0]
        fetched = self._external_values(id)
        with self._db.begin() as tx:
            subject = self._subject(tx, id)
            deployment = subject.deployment
            if deployment.work != work:
                return None  # it was sent back to wait, and the process died before it could record that
            if deployment.plan is None:
                prospect = prospect_of(tx, subject, self._driver, self._context.settings, fetched)
                if not prospect.plan.problems and self._keeper.sends_back(tx, subject, prospect):
                    return None
                deployment = self._decide(tx, subject, prospect)
            plan = deployment.plan
            assert plan is not None, "it was just set"
            fresh = [each.id for each in store.instances_of(tx, id)]
        for problem in plan.problems:
            raise PlanRefused(problem.detail, next_step=problem.next_step)
        self._say(id, f"-----> {plan.summary}")
        known = self._driver.abilities().warnings  # about the machine: the same with every deployment
        for warning in plan.warnings:
            if warning not in known:
                self._say(id, f" !     Warning: {warning}")
        return {"command": plan.release_command, "start": fresh, "stop": list(plan.stop)}

    def _external_values(self, id: str) -> dict[str, str]:
        """Of secrets in other stores, asked before the transaction: an answer may take its time."""
        with self._db.read() as tx:
            subject = self._subject(tx, id)
            if subject.deployment.plan is not None or subject.deployment.kind in KEEPS_CONFIGURATION:
                return {}
            wanted = external.wanted(tx, subject.service, subject.environment)
        return external.fetched(wanted, self._context.settings.vault_commands)

    def _decide(self, tx: Transaction, subject: Subject, prospect: Prospect) -> Deployment:
        deployment, service, environment = subject.deployment, subject.service, subject.environment
        plan = prospect.plan
        store.begin_step(tx, deployment.id, "plan")
        processes = {process.name: process for process in subject.release.workload.processes}
        taken = store.ports_in_use(tx)
        for planned in () if plan.problems else plan.start:
            process = processes[planned.process]
            port = self._ports.take(taken) if process.http else None
            spec = specification(subject, process, planned, port, prospect.configuration, self._context.settings)
            store.add_instance(
                tx,
                deployment=deployment,
                process=process.name,
                index=planned.index,
                http=process.http,
                port=port,
                spec=spec,
                drain=process.drain,
            )
        store.set_plan(tx, deployment.id, plan)
        store.update_deployment(tx, deployment.id, release_id=subject.release.id)
        if deployment.kind != "rollback":
            store.set_configuration(tx, deployment.id, prospect.configuration)
        store.end_step(tx, deployment.id, "plan", "succeeded", 0.0)
        event = deployment_event(
            events.DEPLOYMENT_STARTED,
            service,
            environment,
            deployment,
            plan=plan.summary,
            release=subject.release.number,
        )
        self._log.append(tx, event, _Asker(deployment))
        found = store.deployment(tx, deployment.id)
        assert found is not None, "the turn is its own"
        return found

    def _release_command(self, id: str, command: str) -> None:
        with self._timed(id, "release-command"):
            subject = self._read(id)
            self._refuse_if_cancelled(id)
            process = Process(name="release", command=command)
            spec = specification(subject, process, None, None, subject.deployment.configuration, self._context.settings)
            self._say(id, f"-----> Release command: {command}")
            output = self._journal.lines(id, "release command")
            ended = self._driver.run(
                spec, output.feed, seconds=RELEASE_COMMAND_SECONDS, cancelled=lambda: self._cancelled(id)
            )
            output.close()
            self._refuse_if_cancelled(id)
            if ended.exit_code != 0:
                why = ended.why or f"exit code {ended.exit_code}"
                raise ReleaseCommandFailed(
                    f"The release command `{command}` failed: {why}. {_meanwhile(subject)}",
                    next_step="Its output stands above. Mend it and push again.",
                )

    def _start_instances(self, id: str, instance_ids: list[str]) -> None:
        with self._timed(id, "start"):
            self._refuse_if_cancelled(id)
            with self._db.read() as tx:
                instances = store.instances_by_id(tx, instance_ids)
            self._require_all(instances, instance_ids)
            for instance in instances:
                self._driver.start(instance.spec)
            if instances:
                self._say(id, f"-----> Starting {', '.join(each.label for each in instances)}")

    def _wait_until_healthy(self, run: Run, id: str, instance_ids: list[str]) -> None:
        def interrupt() -> None:
            run.halt()
            self._refuse_if_cancelled(id)

        with self._timed(id, "health"):
            subject = self._read(id)
            with self._db.read() as tx:
                instances = store.instances_by_id(tx, instance_ids)
            waiting = Waiting(self._driver, partial(self._say, id), interrupt, meanwhile=_meanwhile(subject))
            waiting.until_healthy(instances, subject.release.workload)

    def _switch(self, id: str, prepared: Prepared) -> None:
        """Point the routes at the new instances: first in the database, then in the router, from the database."""
        with self._timed(id, "switch"):
            with self._db.begin() as tx:
                subject = self._subject(tx, id)
                self._require_all(store.instances_by_id(tx, prepared["start"]), prepared["start"])
                if store.cancel_asked(tx, id):
                    raise Cancelled(subject.deployment.reason, next_step="")
                stopping = subject.deployment.kind == "stop"
                counts = {**subject.placement.counts, **subject.deployment.counts}
                store.set_instances(tx, prepared["start"], "serving")
                store.set_instances(tx, prepared["stop"], "draining")
                store.update_placement(
                    tx,
                    subject.placement.identity,
                    release_id=subject.release.id,
                    deployment_id=id,
                    stopped=stopping,
                    counts=counts,
                )
            self.apply_routes()

    def _finish(self, id: str) -> None:
        with self._db.begin() as tx:
            subject = self._subject(tx, id)
            first = len(store.released_here(tx, subject.service.id, subject.environment.id, limit=1)) == 0
            if not finish(
                tx, self._log, subject.service, subject.environment, subject.deployment, ("running",), "succeeded", ""
            ):
                return
            self._log.append(tx, _service_event(subject, first), _Asker(subject.deployment))
            store.forget_stopped(tx, subject.service.id, subject.environment.id, keep=KEEP_STOPPED_ROWS)
            advance(tx, subject.service.id, subject.environment.id, self._start)
            self._say(id, self._success(subject))

    def _success(self, subject: Subject) -> str:
        service, environment, plan = subject.service, subject.environment, subject.deployment.plan
        if subject.deployment.kind == "stop":
            return f"-----> {service.name} is stopped in {environment.name}"
        where = f" at {self._url(plan.hosts[0])}" if plan and plan.hosts else ""
        return f"-----> Release {subject.release.number} is live in {environment.name}{where}"

    def _drain(self, run: Run, instance_ids: list[str]) -> None:
        """Wait until the old instances have answered what they were asked, each at most its drain time."""
        with self._db.read() as tx:
            waiting = [each for each in store.instances_by_id(tx, instance_ids) if each.port is not None]
        began = time.monotonic()
        while waiting:
            busy = self._router.in_flight()
            waited = time.monotonic() - began
            waiting = [each for each in waiting if busy.get(each.upstream, 0) and waited < each.drain]
            if waiting:
                run.halt()
                time.sleep(0.2)

    def _put_back(self, id: str) -> bool:
        """Undo what this deployment did: the old version serves (again), its own instances end. False when it had
        succeeded: then others may build on it already, and nothing is undone."""
        with self._db.begin() as tx:
            subject = self._subject(tx, id)
            if subject.deployment.state == "succeeded":
                return False
            mine = [each.id for each in store.instances_of(tx, id)]
            before = subject.deployment.plan.before if subject.deployment.plan else None
            if before is not None and subject.placement.deployment_id == id:
                store.set_instances(tx, before.serving, "serving")
                store.update_placement(
                    tx,
                    subject.placement.identity,
                    release_id=before.release_id,
                    deployment_id=before.deployment_id,
                    stopped=before.stopped,
                    counts=before.counts,
                )
            store.set_instances(tx, mine, "draining")
        self.apply_routes()
        self._stop(mine)
        return True

    def _fail(self, id: str, reason: str, next_step: str, cancelled: bool) -> None:
        with self._db.begin() as tx:
            subject = self._subject(tx, id)
            state: DeploymentState = "cancelled" if cancelled else "failed"
            reason = subject.deployment.reason if cancelled else reason
            service, environment, deployment = subject.service, subject.environment, subject.deployment
            if not finish(tx, self._log, service, environment, deployment, ("running",), state, reason, next_step):
                return
            advance(tx, subject.service.id, subject.environment.id, self._start)
            # Before the commit: whoever follows stops reading once the deployment has ended.
            self._say(id, f" !     Deployment {subject.deployment.number} {state}: {reason}")
            if next_step:
                self._say(id, f" !     {next_step}")
        if subject.placement.release_id is None:
            with self._asking:
                self._routes_owed = True  # its host names say from now on that this failed; nobody waits for that
        if subject.placement.release_id is None:
            try:
                self.apply_routes()  # its page now says that the first deployment failed
            except (Temporary, Permanent) as error:
                logger.warning("routes of %s: %s; `sweep` applies them", id, error)

    # What steps share

    def apply_routes(self) -> None:
        """Give the router the whole table as the database has it.

        Reading and applying are one: a table read earlier must never be applied later. Who waited while another read a
        table that holds his own commit already is done.
        """
        with self._asking:
            self._asked += 1
            mine = self._asked
            self._routes_owed = True
        with self._routing:
            if self._applied >= mine:
                return
            with self._asking:
                newest = self._asked
            with self._db.read() as tx:
                routes = all_routes(tx, self._context.settings.domain)
            self._router.apply(routes)
            with self._asking:
                self._applied = newest
                self._routes_owed = self._asked > newest

    def sweep(self) -> None:
        """What workflows that were lost left behind: routes that the router did not take, instances that nobody ends.
        Called now and then by the caretaker."""
        if self._routes_owed:
            self.apply_routes()
        with self._db.read() as tx:
            left = left_behind(tx, now())
        if left:
            logger.warning("ending instances that were left: %s", ", ".join(left))
            self._stop(left)

    def _stop(self, instance_ids: list[str]) -> None:
        with self._db.read() as tx:
            instances = store.instances_by_id(tx, instance_ids)
        for instance in instances:
            self._driver.stop(instance.id, grace=instance.spec.stop_grace)
        with self._db.begin() as tx:
            store.set_instances(tx, instance_ids, "stopped")

    def _require_all(self, found: list[Instance], ids: list[str]) -> None:
        """The engine of workflows can remember a step whose rows a power cut took from the database."""
        if len(found) != len(ids):
            raise Unhealthy(
                "The machine lost what this deployment had written; what served before serves untouched.",
                next_step="highroad deploy",
            )

    def _timed(self, id: str, name: str) -> _Timed:
        return _Timed(self._context, id, name)

    def _read(self, id: str) -> Subject:
        with self._db.read() as tx:
            return self._subject(tx, id)

    def _subject(self, tx: Transaction, id: str) -> Subject:
        return subject_of(tx, id)

    def _cancelled(self, id: str) -> bool:
        with self._db.read() as tx:
            return store.cancel_asked(tx, id)

    def _refuse_if_cancelled(self, id: str) -> None:
        if self._cancelled(id):
            raise Cancelled("It was cancelled before traffic moved.", next_step="")

    def _say(self, id: str, text: str) -> None:
        self._journal.write(id, "deploy", text)

    def _url(self, host: str) -> str:
        return f"http://{host}:{self._context.settings.port}"


class _Timed:
    """Marks a step of a deployment as running, then as succeeded or failed with its seconds."""

    def __init__(self, context: Context, id: str, name: str) -> None:
        self._db, self._bell, self._id, self._name = context.db, context.bell, id, name

    def __enter__(self) -> None:
        self._began = time.perf_counter()
        with self._db.begin() as tx:
            store.begin_step(tx, self._id, self._name)
            tx.after_commit(self._bell.ring)

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._db.begin() as tx:
            state = "succeeded" if kind is None else "failed"
            store.end_step(tx, self._id, self._name, state, time.perf_counter() - self._began)


class _Asker:
    """Whoever asked for the deployment, as its events name them."""

    def __init__(self, deployment: Deployment) -> None:
        self.name, self.origin = deployment.actor, deployment.origin


def _meanwhile(subject: Subject) -> str:
    """What serves while this deployment failed."""
    if subject.placement.deployment_id is None:
        return "Nothing is serving yet."
    return "It stays stopped." if subject.placement.stopped else "The old version serves untouched."


def _service_event(subject: Subject, first: bool) -> Event:
    """The CDEvents fact about the service: deployed at first, then upgraded, rolled back or removed."""
    kinds = {"stop": events.SERVICE_REMOVED, "rollback": events.SERVICE_ROLLEDBACK}
    type = kinds.get(subject.deployment.kind, events.SERVICE_DEPLOYED if first else events.SERVICE_UPGRADED)
    content: dict[str, object] = {"environment": {"id": subject.environment.id}}
    if type is not events.SERVICE_REMOVED:  # the one that CDEvents gives no artifact
        content["artifactId"] = events.package_url(
            subject.service.project,
            subject.service.name,
            subject.release.commit,
            subject.release.artifact.digest,
        )
    return Event(
        type,
        subject.service.id,
        content,
        project=subject.service.project,
        service=subject.service.name,
        environment=subject.environment.name,
        chain=subject.deployment.run_id or subject.deployment.id,
        custom={"deployment": subject.deployment.id, "commit": subject.release.commit},
    )
