"""Deleting services, environments and projects for good: hidden at once, then ended and erased by a durable workflow.

The verb only marks: from its commit on, names are free, routes are gone and nothing new starts. The workflow waits
until what was at work has put things back, stops the processes, and erases repository, logs and rows last, so that a
crash at any line finds again what is still to be done.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import get_args

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.db.engine import Transaction
from highroad.deployments import actions, command_store, retention, store
from highroad.deployments.instances import stream_of
from highroad.deployments.model import Placement
from highroad.drivers.contract import Driver
from highroad.errors import HighroadError, Permanent, Temporary
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.pipelines import actions as pipeline_actions
from highroad.pipelines import store as pipelines
from highroad.pipelines.journal import Journal
from highroad.projects import store as projects
from highroad.projects.model import Environment, Project, Service
from highroad.projects.store import Deletable
from highroad.sources.repository import Repository
from highroad.web.context import Context
from highroad.workflows.run import Retry, Run

WORKFLOW = "removal"
logger = logging.getLogger(__name__)
POLL_SECONDS = 0.1
PATIENCE = Retry(attempts=200, first=0.1, factor=1.5, longest=5.0)
"""A deployment at work ends within its own time limits; this outlasts them, and a supervisor that restarts."""


def delete_service(
    tx: Transaction, log: EventLog, actor: Actor, service: Service, start: Callable[[str, str], None]
) -> None:
    require(actor, "service:write", service.place)
    _mark(tx, "service", service.id, start)
    _stop_work(tx, log, actor, [service], None)
    event = Event(
        events.REPOSITORY_DELETED, service.id, {"name": service.name}, project=service.project, service=service.name
    )
    log.append(tx, event, actor)


def delete_environment(
    tx: Transaction, log: EventLog, actor: Actor, environment: Environment, start: Callable[[str, str], None]
) -> None:
    require(actor, "environment:write", environment.place)
    services = projects.list_services(tx, environment.project_id)
    _mark(tx, "environment", environment.id, start)
    _stop_work(tx, log, actor, services, environment)
    content = {"name": environment.name}
    event = Event(
        events.ENVIRONMENT_DELETED,
        environment.id,
        content,
        project=environment.project,
        environment=environment.name,
    )
    log.append(tx, event, actor)


def delete_project(
    tx: Transaction, log: EventLog, actor: Actor, project: Project, start: Callable[[str, str], None]
) -> None:
    require(actor, "project:write", project.place)
    services = projects.list_services(tx, project.id)
    _mark(tx, "project", project.id, start)
    _stop_work(tx, log, actor, services, None)
    log.append(tx, Event(events.PROJECT_DELETED, project.id, {"name": project.name}, project=project.name), actor)


def _mark(tx: Transaction, kind: Deletable, id: str, start: Callable[[str, str], None]) -> None:
    """First of all: whoever queues work there locks the service's row before those of the work, and so does this."""
    projects.mark_deleted(tx, kind, id)
    tx.after_commit(lambda: start(WORKFLOW, f"{kind}-{id}"))


def _stop_work(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    services: Sequence[Service],
    only: Environment | None,
) -> None:
    """End what is queued, and ask what is at work to end."""
    for service in services:
        for placement in store.list_placements(tx, service_id=service.id):
            environment = projects.environment_by_id(tx, placement.environment_id)
            if environment is None or (only is not None and environment.id != only.id):
                continue
            for deployment in store.deployments_in(tx, ("waiting", "queued", "running"), service.id, environment.id):
                actions.cancel(tx, log, actor, service, environment, deployment)
        if only is None:
            for run in pipelines.runs_in(tx, "queued", service.id):
                reason = f"{service.name} was deleted by {actor.name}."
                pipeline_actions.finish_run(tx, log, service, run, ("queued",), "cancelled", reason, "")
            for run in pipelines.runs_in(tx, "running", service.id):
                pipelines.ask_to_stop(tx, run.id, "cancelled", f"{service.name} was deleted by {actor.name}.")


class Remover:
    """The workflow function; its subject is `kind-id`. `end_commands` asks the commands at a place (ids of service and
    environment) to end, and says whether one still runs."""

    def __init__(
        self,
        context: Context,
        journal: Journal,
        driver: Driver,
        repository_of: Callable[[str], Repository],
        apply_routes: Callable[[], None],
        end_commands: Callable[[str, str], bool],
    ) -> None:
        self._context = context
        self._journal = journal
        self._driver = driver
        self._repository_of = repository_of
        self._apply_routes = apply_routes
        self._end_commands = end_commands

    def __call__(self, run: Run, subject: str) -> None:
        kind, _, id = subject.partition("-")
        assert kind in get_args(Deletable), "the verb made it"
        try:
            run.step_retrying(PATIENCE, "unroute", self._apply_routes)
            run.step_retrying(PATIENCE, "wait", self._wait, run, kind, id)
            run.step_retrying(PATIENCE, "stop", self._stop, kind, id)
            run.step("erase", self._erase, kind, id)
        except (HighroadError, Permanent) as error:
            logger.warning("%r: %s; it stays marked, and the caretaker begins it again", run, error)

    def _wait(self, run: Run, kind: str, id: str) -> None:
        """Until nothing is at work there; the verb asked it to end."""
        while True:
            run.halt()
            with self._context.db.read() as tx:
                places = self._placements(tx, kind, id)
                busy = any(placement.active_id for placement in places)
                busy = busy or any(pipelines.runs_in(tx, "running", each) for each in self._services(tx, kind, id))
            commands = [self._end_commands(place.service_id, place.environment_id) for place in places]
            if not busy and not any(commands):
                return
            time.sleep(POLL_SECONDS)

    def _stop(self, kind: str, id: str) -> None:
        with self._context.db.read() as tx:
            live = [
                instance
                for place in self._placements(tx, kind, id)
                for instance in store.instances_at(
                    tx, place.service_id, place.environment_id, ["starting", "serving", "draining"]
                )
            ]
        for instance in live:
            self._driver.stop(instance.id, grace=instance.spec.stop_grace)
        if any(self._driver.observe([each.id])[each.id].state != "missing" for each in live):
            raise Temporary("an instance has not ended yet")

    def _erase(self, kind: str, id: str) -> None:
        with self._context.db.read() as tx:
            places = self._placements(tx, kind, id)
            services = self._services(tx, kind, id)
            subjects = [
                each
                for place in places
                for ids_of in (retention.deployment_ids, command_store.command_ids)
                for each in ids_of(tx, place.service_id, place.environment_id)
            ]
            subjects += [each for service in services for each in pipelines.run_ids(tx, service)]
        for subject in subjects:  # before the rows that name them: what dies here begins again and finds them
            self._journal.forget(subject)
        for place in places:
            self._driver.forget_logs(stream_of(place.service_id, place.environment_id))
        for service in services:
            self._repository_of(service).delete()
        with self._context.db.begin() as tx:
            for place in places:
                retention.forget_place(tx, place.identity)
            if kind == "service":
                projects.remove_service(tx, id)
            elif kind == "environment":
                projects.remove_environment(tx, id)
            else:
                projects.remove_project(tx, id)

    def _placements(self, tx: Transaction, kind: str, id: str) -> list[Placement]:
        if kind == "service":
            return store.list_placements(tx, service_id=id)
        if kind == "environment":
            return store.list_placements(tx, environment_id=id)
        return [
            place for service in projects.service_ids(tx, id) for place in store.list_placements(tx, service_id=service)
        ]

    def _services(self, tx: Transaction, kind: str, id: str) -> list[str]:
        """Ids of the services that go with it."""
        return [id] if kind == "service" else projects.service_ids(tx, id) if kind == "project" else []
