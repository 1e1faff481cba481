"""The table of open invitations: who may become a user, with what, until when. An accepted one is gone.

Only the hash of the link's secret is kept, as with every other secret.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, RowMapping, String, Table, Text, delete, insert, select, update

from highroad.access.policy.roles import OrganizationRole
from highroad.db.engine import Transaction, metadata
from highroad.kit.clock import now, parse_rfc3339, rfc3339
from highroad.kit.ids import new_id

invitations = Table(
    "invitations",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", String(120), nullable=False),
    Column("role", String(16), nullable=False),
    Column("teams", Text, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("made_by", String(254), nullable=False),
    Column("maker_id", String(40), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("expires_at", String(32), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """`teams` are names; one that is deleted meanwhile is passed over."""

    id: str
    email: str
    name: str
    role: OrganizationRole
    teams: tuple[str, ...]
    made_by: str
    created_at: datetime
    expires_at: datetime

    @property
    def expired(self) -> bool:
        return self.expires_at <= now()


def add(
    tx: Transaction,
    *,
    email: str,
    name: str,
    role: OrganizationRole,
    teams: Sequence[str],
    digest: str,
    made_by: str,
    maker_id: str,
    expires_at: datetime,
) -> Invitation:
    """Raises IntegrityError when the address has an invitation."""
    made = Invitation(new_id("inv"), email, name, role, tuple(teams), made_by, now(), expires_at)
    tx.execute(
        insert(invitations).values(
            id=made.id,
            email=email,
            name=name,
            role=role,
            teams=json.dumps(list(teams)),
            digest=digest,
            made_by=made_by,
            maker_id=maker_id,
            created_at=rfc3339(made.created_at),
            expires_at=rfc3339(expires_at),
        )
    )
    return made


def find(tx: Transaction, id: str) -> Invitation | None:
    row = tx.execute(select(invitations).where(invitations.c.id == id)).mappings().first()
    return _invitation(row) if row else None


def by_address(tx: Transaction, email: str) -> Invitation | None:
    row = tx.execute(select(invitations).where(invitations.c.email == email)).mappings().first()
    return _invitation(row) if row else None


def by_digest(tx: Transaction, digest: str) -> Invitation | None:
    row = tx.execute(select(invitations).where(invitations.c.digest == digest)).mappings().first()
    return _invitation(row) if row else None


def everyone(tx: Transaction) -> list[Invitation]:
    """Newest first, also those that have expired."""
    rows = tx.execute(select(invitations).order_by(invitations.c.created_at.desc(), invitations.c.id)).mappings()
    return [_invitation(row) for row in rows]


def renew(tx: Transaction, id: str, *, digest: str, expires_at: datetime, made_by: str, maker_id: str) -> None:
    values = {"digest": digest, "expires_at": rfc3339(expires_at), "made_by": made_by, "maker_id": maker_id}
    tx.execute(update(invitations).where(invitations.c.id == id).values(**values))


def remove(tx: Transaction, id: str) -> bool:
    """False when it was accepted or withdrawn before."""
    return tx.execute(delete(invitations).where(invitations.c.id == id)).rowcount == 1


def made_by(tx: Transaction, user_id: str) -> list[Invitation]:
    rows = tx.execute(select(invitations).where(invitations.c.maker_id == user_id)).mappings()
    return [_invitation(row) for row in rows]


def _invitation(row: RowMapping) -> Invitation:
    return Invitation(
        row["id"],
        row["email"],
        row["name"],
        row["role"],
        tuple(json.loads(row["teams"])),
        row["made_by"],
        parse_rfc3339(row["created_at"]),
        parse_rfc3339(row["expires_at"]),
    )
