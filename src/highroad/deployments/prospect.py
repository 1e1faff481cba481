"""What a deployment would do if its turn were now: its plan, its configuration, and the fingerprint of both that
approvals are given for. Used by the workflow's step `plan` and while a deployment waits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from highroad.db.engine import Transaction
from highroad.deployments import store
from highroad.deployments.actions import configuration_of
from highroad.deployments.instances import largest
from highroad.deployments.model import Before, Instance, Plan
from highroad.deployments.plan import Wanted, plan_deployment
from highroad.deployments.subject import Subject, situation
from highroad.drivers.contract import Driver
from highroad.projects.references import Delivered
from highroad.settings import Settings

KEEPS_CONFIGURATION = frozenset({"rollback", "scale"})


@dataclass(frozen=True, slots=True)
class Prospect:
    """`configuration` is what instances would get. `known` is what of it Highroad holds itself, without the values of
    other stores: approvals are given for these and for `fingerprint`, which covers everything else."""

    plan: Plan
    configuration: Delivered
    known: Delivered
    fingerprint: str


def prospect_of(
    tx: Transaction, subject: Subject, driver: Driver, settings: Settings, external: Mapping[str, str] | None = None
) -> Prospect:
    """`external` are the values that stand in other stores; without them, what depends on them is named and no more."""
    service, environment = subject.service, subject.environment
    serving = tuple(store.instances_at(tx, service.id, environment.id, ["serving"]))
    present, wanted = situation(tx, subject, serving, settings.domain, external)
    plan = plan_deployment(present, wanted, driver.abilities(), largest(settings))
    plan = replace(plan, before=_before(subject, serving))
    known = wanted.configuration
    if external is not None and subject.deployment.kind not in KEEPS_CONFIGURATION:
        known = configuration_of(tx, service, environment)
    return Prospect(plan, wanted.configuration, known, _fingerprint(subject, plan, wanted))


def _before(subject: Subject, serving: tuple[Instance, ...]) -> Before:
    placement = subject.placement
    return Before(
        placement.release_id,
        placement.deployment_id,
        placement.stopped,
        dict(placement.counts),
        tuple(each.id for each in serving),
    )


def _fingerprint(subject: Subject, plan: Plan, wanted: Wanted) -> str:
    covered = {
        "kind": wanted.kind,
        "release": subject.release.id,
        "artifact": subject.release.artifact.digest,
        "before": subject.placement.release_id,
        "stopped": subject.placement.stopped,
        "variables": sorted({*wanted.configuration, *wanted.configuration.unknown}),
        "counts": dict(sorted(wanted.counts.items())),
        "hosts": list(plan.hosts),
        "command": plan.release_command,
        "directory": plan.directory,
    }
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


def what_changed(old: Plan, new: Plan, before: Delivered, after: Delivered) -> str:
    """Why an approval of `old` says nothing about `new`, in words; names of variables, never values."""
    found = []
    names = sorted(name for name in {*before, *after} if before.differs(after, name))
    if names:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        found.append(f"the configuration changed ({', '.join(names[:5])}{more})")
    if _release_before(old) != _release_before(new):
        found.append("another release runs there by now")
    if old.hosts != new.hosts:
        found.append("its host names changed")
    if old.release_command != new.release_command:
        found.append("its release command changed")
    return "; ".join(found) or "what the deployment would do changed"


def _release_before(plan: Plan) -> tuple[str | None, bool]:
    return (plan.before.release_id, plan.before.stopped) if plan.before else (None, False)
