"""Who is alive among several control planes on one PostgreSQL database. Called by `Engine` in its own thread.

Each executor renews its lease every few seconds. A workflow whose executor holds no fresh lease is taken over by
whoever notices first; taking over is one conditional update, so that two who notice at once do it once. SQLite has a
single executor and needs none of this.

A process that was frozen for longer than a lease and wakes up is a zombie: its step in flight runs twice, which
idempotent steps allow, and then its token no longer owns the workflow and it stops. After an outage of the database
all leases are stale at once; nobody whose own lease had lapsed takes over in that round, so that the living can renew
first.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

_metadata = sa.MetaData(schema="dbos")
_leases = sa.Table(
    "highroad_executors",
    _metadata,
    sa.Column("executor_id", sa.Text, primary_key=True),
    sa.Column("seen", sa.DateTime(timezone=True), nullable=False),
)
_workflows = sa.table("workflow_status", sa.column("executor_id"), sa.column("status"), schema="dbos")


def prepare(database: sa.Engine) -> None:
    """Create the table of leases if it is not there."""
    with database.begin() as connection:
        # CREATE TABLE IF NOT EXISTS fails when two sessions do it at once.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('highroad_executors'))"))
        _metadata.create_all(connection)


def renew(database: sa.Engine, executor: str, seconds: float) -> bool:
    """Say that `executor` is alive. False when its lease of `seconds` had lapsed, or it had none."""
    alive = sa.select(_leases.c.seen > _lapsed(seconds)).where(_leases.c.executor_id == executor)
    with database.begin() as connection:
        held = bool(connection.scalar(alive))
        connection.execute(
            sa.text(
                "INSERT INTO dbos.highroad_executors (executor_id, seen) VALUES (:executor, now())"
                " ON CONFLICT (executor_id) DO UPDATE SET seen = excluded.seen"
            ),
            {"executor": executor},
        )
    return held


def release(database: sa.Engine, executor: str) -> None:
    """Give the lease up in an orderly shutdown: others take over at once what was left."""
    with database.begin() as connection:
        connection.execute(sa.delete(_leases).where(_leases.c.executor_id == executor))


def dead(database: sa.Engine, seconds: float) -> list[str]:
    """Executors that have pending workflows and no lease younger than `seconds`."""
    fresh = sa.select(_leases.c.executor_id).where(_leases.c.seen > _lapsed(seconds))
    orphaned = (
        sa.select(_workflows.c.executor_id)
        .distinct()
        .where(_workflows.c.status == "PENDING", _workflows.c.executor_id.not_in(fresh))
    )
    with database.connect() as connection:
        return list(connection.scalars(orphaned))


def _lapsed(seconds: float) -> sa.ColumnElement[datetime]:
    """The instant before which a lease is stale, by the clock of the database, which all executors share."""
    return sa.func.now() - sa.cast(timedelta(seconds=seconds), sa.Interval)
