"""The mask over whatever is said about a subject, by its id. The composition gives it to the journal."""

from __future__ import annotations

import threading
import time

from highroad.db.engine import Database, Transaction
from highroad.deployments import command_store, store
from highroad.deployments.model import Deployment
from highroad.kit.disguises import NOTHING, Mask
from highroad.pipelines import store as pipelines
from highroad.projects import store as projects
from highroad.projects.hidden import mask_at, mask_of_run
from highroad.projects.model import Environment, Service

FRESH_SECONDS = 5.0
"""How long a mask is taken for the present one: a build says thousands of lines, and a secret is seldom set."""
MOST_KEPT = 256


class Masks:
    """Called with the id of a run, a deployment or a command. Safe in threads. Raises what the database raises: what
    cannot be masked must not be said."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[str, tuple[float, Mask]] = {}
        self._lock = threading.Lock()

    def __call__(self, subject: str) -> Mask:
        at, subject = time.monotonic(), subject.partition("+")[0]  # without the turn of a deployment's workflow
        with self._lock:
            known = self._known.get(subject)
        if known is not None and at - known[0] < FRESH_SECONDS:
            return known[1]
        with self._db.read() as tx:
            mask = _mask(tx, subject)
        with self._lock:
            self._known[subject] = (at, mask)
            while len(self._known) > MOST_KEPT:
                del self._known[next(iter(self._known))]
        return mask

    def recent(self) -> list[Mask]:
        """Those of the last subjects that something was said about."""
        with self._lock:
            return [mask for _, mask in self._known.values() if mask]


def mask_over(tx: Transaction, service: Service, environment: Environment, deployment: Deployment) -> Mask:
    """What a deployment must not tell: secrets in force, and those that it was or is made with."""
    placement = store.find_placement(tx, service.id, environment.id)
    live = store.deployment(tx, placement.deployment_id) if placement and placement.deployment_id else None
    kept = [each.configuration.secret_values for each in (deployment, live) if each is not None]
    return mask_at(tx, service, environment, also=[value for values in kept for value in values])


def _mask(tx: Transaction, subject: str) -> Mask:
    if subject.startswith("run_"):
        run = pipelines.run(tx, subject)
        service = projects.service_by_id(tx, run.service_id) if run else None
        return mask_of_run(tx, service, run.branch) if run and service else NOTHING
    if subject.startswith("dep_"):
        deployment = store.deployment(tx, subject)
        place = _place(tx, deployment.service_id, deployment.environment_id) if deployment else None
        return mask_over(tx, *place, deployment) if place and deployment else NOTHING
    command = command_store.command_by_id(tx, subject)
    place = _place(tx, command.service_id, command.environment_id) if command else None
    return mask_at(tx, *place) if place else NOTHING


def _place(tx: Transaction, service_id: str, environment_id: str) -> tuple[Service, Environment] | None:
    service, environment = projects.service_by_id(tx, service_id), projects.environment_by_id(tx, environment_id)
    return (service, environment) if service and environment else None
