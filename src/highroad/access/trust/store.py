"""Tables of trust rules and of the job tokens that were exchanged."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    delete,
    insert,
    or_,
    select,
    update,
)

from highroad.access.store import users
from highroad.access.trust.model import Condition, TrustRule
from highroad.db.engine import Transaction, metadata
from highroad.kit.clock import now, parse_rfc3339, rfc3339

rules = Table(
    "trust_rules",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("issuer", String(500), nullable=False),
    Column("audience", String(500), nullable=False),
    Column("conditions", Text, nullable=False),
    Column("account_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("scopes", String(120), nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("once", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("last_used_at", String(32)),
)
exchanged = Table(
    "exchanged_tokens",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("expires_at", String(32), nullable=False, index=True),
)


def add_rule(tx: Transaction, rule: TrustRule) -> None:
    """Raises IntegrityError when the name is taken."""
    tx.execute(insert(rules).values(id=rule.id, created_at=rfc3339(rule.created_at), **_values(rule)))


def update_rule(tx: Transaction, rule: TrustRule) -> None:
    tx.execute(update(rules).where(rules.c.id == rule.id).values(**_values(rule)))


def remove_rule(tx: Transaction, id: str) -> None:
    tx.execute(delete(rules).where(rules.c.id == id))


def note_use(tx: Transaction, id: str) -> None:
    tx.execute(update(rules).where(rules.c.id == id).values(last_used_at=rfc3339(now())))


def find_rule(tx: Transaction, name_or_id: str) -> TrustRule | None:
    statement = _all().where(or_(rules.c.name == name_or_id, rules.c.id == name_or_id))
    row = tx.execute(statement).mappings().first()
    return _rule(row) if row else None


def list_rules(tx: Transaction) -> list[TrustRule]:
    return [_rule(row) for row in tx.execute(_all().order_by(rules.c.name)).mappings()]


def rules_for(tx: Transaction, issuer: str) -> list[TrustRule]:
    """The rules in force that trust this issuer."""
    statement = _all().where(rules.c.issuer == issuer, rules.c.active).order_by(rules.c.name)
    return [_rule(row) for row in tx.execute(statement).mappings()]


def spend(tx: Transaction, digest: str, expires_at: datetime) -> bool:
    """Note that a job's token was exchanged; False when it was before. Those that have expired are forgotten."""
    tx.execute(delete(exchanged).where(exchanged.c.expires_at < rfc3339(now())))
    statement = tx.insert(exchanged).values(digest=digest, expires_at=rfc3339(expires_at))
    statement = statement.on_conflict_do_nothing()
    return tx.execute(statement.returning(exchanged.c.digest)).first() is not None  # not every driver counts the rows


def _all() -> Select[Any]:
    return select(rules, users.c.email.label("account_name")).join(users, users.c.id == rules.c.account_id)


def _values(rule: TrustRule) -> dict[str, Any]:
    same = ("name", "issuer", "audience", "minutes", "once", "active")
    return {name: getattr(rule, name) for name in same} | {
        "account_id": rule.account,
        "scopes": " ".join(rule.scopes),
        "conditions": json.dumps([[each.claim, each.pattern] for each in rule.conditions]),
    }


def _rule(row: RowMapping) -> TrustRule:
    return TrustRule(
        row["id"],
        row["name"],
        row["issuer"],
        row["audience"],
        tuple(Condition(*each) for each in json.loads(row["conditions"])),
        row["account_id"],
        row["account_name"],
        tuple(row["scopes"].split()),
        row["minutes"],
        row["once"],
        row["active"],
        parse_rfc3339(row["created_at"]),
        parse_rfc3339(row["last_used_at"]) if row["last_used_at"] else None,
    )
