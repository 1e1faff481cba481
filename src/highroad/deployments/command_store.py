"""The table of one-off commands and of the runs of scheduled processes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Column, ForeignKey, Index, Integer, RowMapping, String, Table, Text, insert, select, update
from sqlalchemy.exc import IntegrityError

from highroad.db.engine import Transaction, metadata
from highroad.db.pages import newest_first
from highroad.kit.clock import now, parse_rfc3339, rfc3339
from highroad.kit.ids import new_id
from highroad.kit.paging import Page, PageRequest
from highroad.projects import store as projects

CommandState = Literal["running", "finished", "lost", "cancelled"]

commands = Table(
    "commands",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("service_id", String(40), ForeignKey("services.id", ondelete="CASCADE"), nullable=False),
    Column("environment_id", String(40), ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    Column("process", String(63), nullable=False),
    Column("command", Text, nullable=False),
    # "<service>/<environment>/<process>/<minute>" for a scheduled run: two control planes start it once.
    Column("occasion", String(220), unique=True),
    Column("actor", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("exit_code", Integer),
    Column("why", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("finished_at", String(32)),
    Index("ix_commands_place", "service_id", "environment_id", "id"),
)


@dataclass(frozen=True, slots=True)
class Command:
    """`process` is "run" for a one-off, else the scheduled process. `exit_code` is None while it runs or when a limit
    ended it; then `why` says which."""

    id: str
    service_id: str
    environment_id: str
    process: str
    command: str
    actor: str
    state: CommandState
    exit_code: int | None
    why: str
    created_at: datetime
    finished_at: datetime | None


def add_command(
    tx: Transaction,
    service_id: str,
    environment_id: str,
    *,
    process: str,
    command: str,
    actor: str,
    occasion: str | None,
) -> Command | None:
    """None when this occasion was taken by somebody else."""
    id = new_id("cmd")
    try:
        with tx.connection.begin_nested():
            tx.execute(
                insert(commands).values(
                    id=id,
                    service_id=service_id,
                    environment_id=environment_id,
                    process=process,
                    command=command,
                    occasion=occasion,
                    actor=actor,
                    state="running",
                    why="",
                    created_at=rfc3339(now()),
                )
            )
    except IntegrityError:
        return None
    return command_by_id(tx, id)


def command_by_id(tx: Transaction, id: str) -> Command | None:
    row = tx.execute(select(commands).where(commands.c.id == id)).mappings().first()
    return _command(row) if row else None


def list_commands(tx: Transaction, service_id: str, environment_id: str, request: PageRequest) -> Page[Command]:
    here = (commands.c.service_id == service_id, commands.c.environment_id == environment_id)
    return newest_first(tx, select(commands).where(*here), commands.c.id, request, _command)


def running_commands(
    tx: Transaction, service_id: str | None = None, environment_id: str | None = None
) -> list[Command]:
    statement = select(commands).where(commands.c.state == "running")
    if service_id is not None:
        statement = statement.where(commands.c.service_id == service_id)
    if environment_id is not None:
        statement = statement.where(commands.c.environment_id == environment_id)
    return [_command(row) for row in tx.execute(statement).mappings()]


def command_ids(tx: Transaction, service_id: str, environment_id: str) -> list[str]:
    here = (commands.c.service_id == service_id, commands.c.environment_id == environment_id)
    return list(tx.execute(select(commands.c.id).where(*here)).scalars())


def deleted_places(tx: Transaction) -> set[str]:
    """Ids of the services and environments that are being deleted: nothing starts there any more."""
    return {id for _, id in projects.marked_deleted(tx)}


def end_command(tx: Transaction, id: str, state: CommandState, **values: Any) -> bool:
    statement = update(commands).where(commands.c.id == id, commands.c.state == "running")
    return tx.execute(statement.values(state=state, finished_at=rfc3339(now()), **values)).rowcount == 1


def _command(row: RowMapping) -> Command:
    return Command(
        row["id"],
        row["service_id"],
        row["environment_id"],
        row["process"],
        row["command"],
        row["actor"],
        row["state"],
        row["exit_code"],
        row["why"],
        parse_rfc3339(row["created_at"]),
        parse_rfc3339(row["finished_at"]) if row["finished_at"] else None,
    )
