"""Tables of teams: who belongs together. Teams are nested; who is in a team is in those above it too.

A membership says where it comes from (`manual`, `oidc:PROVIDER`, `scim`), so that a synchronisation withdraws only what
it gave. Names do not change, because grants in policies are written with them; titles may.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, RowMapping, String, Table, delete, insert, or_, select, update

from highroad.access.store import users
from highroad.db.engine import Transaction, metadata
from highroad.kit.clock import now, parse_rfc3339, rfc3339
from highroad.kit.ids import new_id

MANUAL = "manual"

teams = Table(
    "teams",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("title", String(120), nullable=False),
    Column("parent_id", String(40), ForeignKey("teams.id")),
    Column("external_id", String(255)),
    Column("created_at", String(32), nullable=False),
)
team_members = Table(
    "team_members",
    metadata,
    Column("team_id", String(40), ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("source", String(40), primary_key=True),
)


@dataclass(frozen=True, slots=True)
class Team:
    """`parent` is the id of the team above; `external_id` what a directory calls it."""

    id: str
    name: str
    title: str
    parent: str | None
    external_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    user: str
    email: str
    name: str
    active: bool
    sources: tuple[str, ...]


def add_team(tx: Transaction, *, name: str, title: str, parent: str | None, external_id: str | None = None) -> Team:
    """Raises IntegrityError when the name is taken."""
    team = Team(new_id("team"), name, title, parent, external_id, now())
    values = {"id": team.id, "name": name, "title": title, "parent_id": parent, "external_id": external_id}
    tx.execute(insert(teams).values(created_at=rfc3339(team.created_at), **values))
    return team


def team(tx: Transaction, id: str) -> Team | None:
    row = tx.execute(select(teams).where(teams.c.id == id)).mappings().first()
    return _team(row) if row else None


def team_by_name(tx: Transaction, name: str) -> Team | None:
    row = tx.execute(select(teams).where(teams.c.name == name)).mappings().first()
    return _team(row) if row else None


def list_teams(tx: Transaction) -> list[Team]:
    return [_team(row) for row in tx.execute(select(teams).order_by(teams.c.name)).mappings()]


def update_team(tx: Transaction, id: str, **values: Any) -> None:
    tx.execute(update(teams).where(teams.c.id == id).values(**values))


def lock_all(tx: Transaction) -> list[Team]:
    """All teams, which nobody else changes before this transaction has ended: who moves one looks at the others."""
    return [_team(row) for row in tx.execute(select(teams).order_by(teams.c.id).with_for_update()).mappings()]


def remove_team(tx: Transaction, id: str) -> None:
    """The team alone: its grants are the caller's to withdraw, and its children to move."""
    tx.execute(delete(teams).where(teams.c.id == id))


def add_member(tx: Transaction, team_id: str, user_id: str, source: str = MANUAL) -> None:
    statement = tx.insert(team_members).values(team_id=team_id, user_id=user_id, source=source)
    tx.execute(statement.on_conflict_do_nothing())


def remove_member(tx: Transaction, team_id: str, user_id: str, source: str | None = None) -> bool:
    """Withdraw the membership that comes from `source`, or from anywhere; False when there was none."""
    mine = [team_members.c.team_id == team_id, team_members.c.user_id == user_id]
    if source is not None:
        mine.append(team_members.c.source == source)
    return tx.execute(delete(team_members).where(*mine)).rowcount > 0


def memberships(tx: Transaction, user_id: str, source: str) -> set[str]:
    """Ids of the teams that `source` put this user into."""
    mine = (team_members.c.user_id == user_id, team_members.c.source == source)
    return {str(row[0]) for row in tx.execute(select(team_members.c.team_id).where(*mine))}


def members(tx: Transaction, team_id: str) -> list[Member]:
    """Those of this very team, by email address."""
    statement = (
        select(team_members.c.source, users)
        .join(users, users.c.id == team_members.c.user_id)
        .where(team_members.c.team_id == team_id)
        .order_by(users.c.email, team_members.c.source)
    )
    found: dict[str, Member] = {}
    for row in tx.execute(statement).mappings():
        sources = (*(found[row["id"]].sources if row["id"] in found else ()), str(row["source"]))
        found[row["id"]] = Member(row["id"], row["email"], row["name"], row["active"], sources)
    return list(found.values())


def teams_of(tx: Transaction, user_id: str) -> list[Team]:
    """The user's teams and those above them."""
    mine = select(team_members.c.team_id).where(team_members.c.user_id == user_id).distinct()
    return upward(tx, [str(row[0]) for row in tx.execute(mine)])


def upward(tx: Transaction, ids: Sequence[str]) -> list[Team]:
    """These teams and all above them, by name. A circle, which nothing lets come to be, would end too."""
    if not ids:
        return []
    reached = select(teams.c.id, teams.c.parent_id).where(teams.c.id.in_(ids)).cte(recursive=True)
    reached = reached.union(select(teams.c.id, teams.c.parent_id).join(reached, teams.c.id == reached.c.parent_id))
    statement = select(teams).where(teams.c.id.in_(select(reached.c.id))).order_by(teams.c.name)
    return [_team(row) for row in tx.execute(statement).mappings()]


def downward(tx: Transaction, ids: Iterable[str]) -> set[str]:
    """Ids of these teams and of all below them: whoever is in one of those is in one of these."""
    reached = select(teams.c.id).where(teams.c.id.in_(list(ids))).cte(recursive=True)
    reached = reached.union(select(teams.c.id).join(reached, teams.c.parent_id == reached.c.id))
    return {str(row[0]) for row in tx.execute(select(reached.c.id))}


def direct_teams(tx: Transaction) -> dict[str, list[str]]:
    """The ids of everybody's teams, without those above them, by users' ids."""
    statement = select(team_members.c.user_id, team_members.c.team_id).distinct().order_by(team_members.c.team_id)
    found: dict[str, list[str]] = {}
    for row in tx.execute(statement):
        found.setdefault(str(row.user_id), []).append(str(row.team_id))
    return found


def people_in(tx: Transaction, ids: Iterable[str]) -> list[str]:
    """Ids of the active users in these teams or below them."""
    within = downward(tx, ids)
    statement = (
        select(users.c.id)
        .join(team_members, team_members.c.user_id == users.c.id)
        .where(team_members.c.team_id.in_(within), users.c.active)
        .distinct()
        .order_by(users.c.id)
    )
    return [str(row[0]) for row in tx.execute(statement)]


def find(tx: Transaction, name_or_id: str) -> Team | None:
    """A team as people name it."""
    row = tx.execute(select(teams).where(or_(teams.c.name == name_or_id, teams.c.id == name_or_id))).mappings().first()
    return _team(row) if row else None


def _team(row: RowMapping) -> Team:
    return Team(
        row["id"],
        row["name"],
        row["title"],
        row["parent_id"],
        row["external_id"],
        parse_rfc3339(row["created_at"]),
    )
