"""Tables of what a directory (SCIM) says of users and groups beyond what they are here: its ids, names and changes.

A user or team has a row here once a directory has created or changed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, Column, ForeignKey, String, Table, select

from highroad.db.engine import Transaction, metadata
from highroad.kit.clock import now, parse_rfc3339, rfc3339

SOURCE = "scim"
"""What a membership says of itself that a directory gave."""

directory_users = Table(
    "directory_users",
    metadata,
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("user_name", String(254), nullable=False),
    Column("folded_name", String(254), nullable=False, unique=True),
    Column("external_id", String(255)),
    Column("given_name", String(120), nullable=False),
    Column("family_name", String(120), nullable=False),
    Column("modified_at", String(32), nullable=False),
    Column("email_type", String(40)),
    Column("email_primary", Boolean),
    Column("deleted_at", String(32)),
)
directory_groups = Table(
    "directory_groups",
    metadata,
    Column("team_id", String(40), ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    Column("modified_at", String(32), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """How the directory calls a user. `user_name` is unique in any case of letters; `deleted`: the directory has none
    like that any more, and the user is kept here, deactivated, for the sake of the audit log."""

    user_name: str
    external_id: str | None = None
    given_name: str = ""
    family_name: str = ""
    modified_at: datetime | None = None
    deleted: bool = False
    email_type: str | None = "work"
    email_primary: bool | None = True


def set_entry(tx: Transaction, user_id: str, entry: Entry) -> None:
    """Raises IntegrityError when another user has the name."""
    values = {
        "user_name": entry.user_name,
        "folded_name": entry.user_name.casefold(),
        "external_id": entry.external_id,
        "given_name": entry.given_name,
        "family_name": entry.family_name,
        "modified_at": rfc3339(now()),
        "email_type": entry.email_type,
        "email_primary": entry.email_primary,
        "deleted_at": rfc3339(now()) if entry.deleted else None,
    }
    statement = tx.insert(directory_users).values(user_id=user_id, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=values))


def entries(tx: Transaction) -> dict[str, Entry]:
    """By the ids of users."""
    rows = tx.execute(select(directory_users)).mappings()
    return {
        str(row["user_id"]): Entry(
            row["user_name"],
            row["external_id"],
            row["given_name"],
            row["family_name"],
            parse_rfc3339(row["modified_at"]),
            row["deleted_at"] is not None,
            row["email_type"],
            row["email_primary"],
        )
        for row in rows
    }


def set_group(tx: Transaction, team_id: str) -> None:
    values = {"modified_at": rfc3339(now())}
    statement = tx.insert(directory_groups).values(team_id=team_id, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["team_id"], set_=values))


def groups(tx: Transaction) -> dict[str, datetime]:
    """When the directory changed a team last, by the ids of the teams that it knows."""
    rows = tx.execute(select(directory_groups)).mappings()
    return {str(row["team_id"]): parse_rfc3339(row["modified_at"]) for row in rows}
