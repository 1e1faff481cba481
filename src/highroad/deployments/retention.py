"""Which records of work that has ended may go: what housekeeping deletes, and asks again in the transaction in which it
does. All answers are ids, oldest first, at most `limit`; numbers are never given again, because the newest always stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, union_all
from sqlalchemy.sql.selectable import Select, Subquery

from highroad.db.engine import Transaction
from highroad.deployments.command_store import commands
from highroad.deployments.store import deployments, instances, placements
from highroad.gates import store as gates
from highroad.kit.clock import rfc3339
from highroad.pipelines.store import releases, runs


def old_commands(
    tx: Transaction, service_id: str, environment_id: str, *, keep: int, before: datetime, settled: datetime, limit: int
) -> list[str]:
    """Ended commands beyond the newest `keep` of a place, and those that began before `before`. None that began after
    `settled`: its row is what keeps a scheduled minute from being started twice."""
    here = (commands.c.service_id == service_id, commands.c.environment_id == environment_id)
    newest = _ids(select(commands.c.id).where(*here).order_by(commands.c.id.desc()).limit(keep).subquery())
    surplus = commands.c.id.not_in(newest) | (commands.c.created_at < rfc3339(before))
    ended = (commands.c.state != "running", commands.c.created_at < rfc3339(settled))
    statement = select(commands.c.id).where(*here, *ended, surplus).order_by(commands.c.id).limit(limit)
    return list(tx.execute(statement).scalars())


def old_deployments(tx: Transaction, service_id: str, environment_id: str, *, keep: int, limit: int) -> list[str]:
    """Ended deployments beyond the newest `keep` of a place. What serves or runs stays, and so does the last success of
    each kept release: a rollback takes its configuration."""
    here = (deployments.c.service_id == service_id, deployments.c.environment_id == environment_id)
    newest = select(deployments.c.id).where(*here).order_by(deployments.c.id.desc()).limit(keep).subquery()
    good = (deployments.c.state == "succeeded", deployments.c.release_id.in_(select(releases.c.id)))
    last = func.max(deployments.c.id)
    needed = union_all(
        _ids(newest),
        select(placements.c.deployment_id).where(placements.c.deployment_id.is_not(None)),
        select(instances.c.deployment_id).where(instances.c.state != "stopped"),
        select(last).where(*here, *good).group_by(deployments.c.release_id, deployments.c.kind),
    ).subquery()
    ended = deployments.c.state.not_in(["waiting", "queued", "running"])
    statement = select(deployments.c.id).where(*here, ended, deployments.c.id.not_in(_ids(needed)))
    return list(tx.execute(statement.order_by(deployments.c.id).limit(limit)).scalars())


def old_runs(tx: Transaction, service_id: str, *, keep: int, limit: int) -> list[str]:
    """Ended runs beyond the newest `keep` of a service, except those of kept releases and kept deployments."""
    newest = select(runs.c.id).where(runs.c.service_id == service_id).order_by(runs.c.id.desc()).limit(keep).subquery()
    needed = union_all(
        _ids(newest),
        select(releases.c.run_id).where(releases.c.service_id == service_id),
        select(deployments.c.run_id).where(deployments.c.service_id == service_id, deployments.c.run_id.is_not(None)),
    ).subquery()
    ended = runs.c.state.not_in(["queued", "running"])
    statement = select(runs.c.id).where(runs.c.service_id == service_id, ended, runs.c.id.not_in(_ids(needed)))
    return list(tx.execute(statement.order_by(runs.c.id).limit(limit)).scalars())


def remove_commands(tx: Transaction, ids: Sequence[str]) -> None:
    tx.execute(delete(commands).where(commands.c.id.in_(ids)))


def remove_deployments(tx: Transaction, ids: Sequence[str]) -> None:
    gates.forget(tx, ids)
    tx.execute(delete(deployments).where(deployments.c.id.in_(ids)))


def remove_runs(tx: Transaction, ids: Sequence[str]) -> None:
    """With their tasks and tests."""
    tx.execute(delete(runs).where(runs.c.id.in_(ids)))


def deployment_ids(tx: Transaction, service_id: str, environment_id: str) -> list[str]:
    here = (deployments.c.service_id == service_id, deployments.c.environment_id == environment_id)
    return [row[0] for row in tx.execute(select(deployments.c.id).where(*here))]


def forget_place(tx: Transaction, identity: int) -> None:
    """Delete a placement with everything that happened there; nothing happens when it is gone."""
    row = tx.execute(select(placements).where(placements.c.identity == identity)).mappings().first()
    if row is None:
        return
    gates.forget(tx, deployment_ids(tx, row["service_id"], row["environment_id"]))
    for table in (instances, deployments):
        here = (table.c.service_id == row["service_id"], table.c.environment_id == row["environment_id"])
        tx.execute(delete(table).where(*here))
    tx.execute(delete(placements).where(placements.c.identity == identity))


def _ids(found: Subquery) -> Select[tuple[str]]:
    """The one column of a subquery; a LIMIT may only stand in one."""
    return select(found.c[0])
