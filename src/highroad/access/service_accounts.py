"""The table of what service accounts have beyond being accounts: what they are for, whose they are, who made them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, RowMapping, Select, String, Table, func, insert, select, update

from highroad.access.model import AccountKind
from highroad.access.policy.roles import OrganizationRole
from highroad.access.store import tokens, users
from highroad.access.teams import teams
from highroad.db.engine import Transaction, metadata
from highroad.kit.clock import parse_rfc3339

service_accounts = Table(
    "service_accounts",
    metadata,
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("description", String(500), nullable=False),
    Column("team_id", String(40), ForeignKey("teams.id", ondelete="SET NULL")),
    Column("made_by", String(254), nullable=False),
)


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """An account for a program: of `kind` service, which has roles as users do, or policy, which has one token with a
    policy and nothing else. `team` is the name of the team that answers for it."""

    id: str
    kind: AccountKind
    name: str
    description: str
    team: str | None
    role: OrganizationRole
    active: bool
    made_by: str
    created_at: datetime
    last_used_at: datetime | None


def add(tx: Transaction, user_id: str, *, description: str, team_id: str | None, made_by: str) -> None:
    values = {"user_id": user_id, "description": description, "team_id": team_id, "made_by": made_by}
    tx.execute(insert(service_accounts).values(**values))


def change(tx: Transaction, user_id: str, **values: Any) -> None:
    tx.execute(update(service_accounts).where(service_accounts.c.user_id == user_id).values(**values))


def find(tx: Transaction, name_or_id: str) -> ServiceAccount | None:
    named = (users.c.id == name_or_id) | (users.c.email == name_or_id)
    row = tx.execute(_accounts().where(named)).mappings().first()
    return _account(row) if row else None


def everyone(tx: Transaction, kind: AccountKind) -> list[ServiceAccount]:
    """By name, also those that were deactivated."""
    rows = tx.execute(_accounts().where(users.c.kind == kind).order_by(users.c.email)).mappings()
    return [_account(row) for row in rows]


def _accounts() -> Select[Any]:
    used = select(tokens.c.user_id, func.max(tokens.c.last_used_at).label("last_used_at"))
    last = used.group_by(tokens.c.user_id).subquery()
    return (
        select(users, service_accounts, teams.c.name.label("team"), last.c.last_used_at)
        .join(service_accounts, service_accounts.c.user_id == users.c.id, isouter=True)
        .join(teams, teams.c.id == service_accounts.c.team_id, isouter=True)
        .join(last, last.c.user_id == users.c.id, isouter=True)
        .where(users.c.kind != "user")
    )


def _account(row: RowMapping) -> ServiceAccount:
    return ServiceAccount(
        row["id"],
        row["kind"],
        row["email"],
        row["description"] or "",
        row["team"],
        row["role"],
        row["active"],
        row["made_by"] or "",
        parse_rfc3339(row["created_at"]),
        parse_rfc3339(row["last_used_at"]) if row["last_used_at"] else None,
    )
