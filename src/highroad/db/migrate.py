"""Bring a database to the present schema, forward only. Called when an installation is composed.

Alembic costs 150 ms of import: a database that is up to date, as at nearly every start, is recognised without it.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from highroad.db.engine import Database
from highroad.errors import Conflict

HEAD = "0002"
"""The newest revision in `migrations/versions`; a test compares."""
MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x48_52_4D_47  # "HRMG"


class DatabaseIsNewer(Conflict):
    code = "database-is-newer"
    title = "The database belongs to a newer Highroad"


def migrate(database: Database) -> None:
    """Create or upgrade all tables. Two processes at once: one does it, the other waits and finds it done."""
    present = revision(database)
    if present == HEAD:
        return
    if present is not None and not any((MIGRATIONS / "versions").glob(f"{present}_*.py")):
        raise DatabaseIsNewer(
            f"The database has the schema {present}, which this version of Highroad ({HEAD}) does not know.",
            next_step="Start the newer Highroad that last used it, or restore a backup that is as old as this one.",
        )
    with database.rebuild() as tx:
        if not tx.sqlite:
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        upgrade(tx.connection)


def revision(database: Database) -> str | None:
    """The database's revision; None for an empty one."""
    with database.read() as tx:
        if not inspect(tx.connection).has_table("alembic_version"):
            return None
        found = tx.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return str(found) if found else None


def upgrade(connection: Connection, target: str = "head") -> None:
    """Run the migrations inside the caller's transaction."""
    command: Any = importlib.import_module("alembic.command")
    config: Any = importlib.import_module("alembic.config").Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
