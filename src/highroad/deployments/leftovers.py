"""Which instances nobody will end any more: their workflow was lost, or failed at its very last steps.

Read by `Deployer.sweep`, which the caretaker calls now and then.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from highroad.db.engine import Transaction
from highroad.deployments import store
from highroad.deployments.model import Deployment, Instance

LEFT_SECONDS = 300.0
"""How much longer than drain and grace a draining instance may live before nobody is thought to end it."""


def left_behind(tx: Transaction, now: datetime) -> list[str]:
    """Ids of instances to end."""
    passing = [each for each in store.live_instances(tx) if each.state != "serving"]
    return [each.id for each in passing if _is_left(each, store.deployment(tx, each.deployment_id), now)]


def _is_left(instance: Instance, deployment: Deployment | None, now: datetime) -> bool:
    """Whether the workflow that should end this instance has had its time and more, or never will."""
    if instance.state == "starting":
        return deployment is None or deployment.ended
    longest = instance.drain + instance.spec.stop_grace + LEFT_SECONDS
    return instance.state == "draining" and now - instance.changed_at > timedelta(seconds=longest)
