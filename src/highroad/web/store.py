"""The table of answers to requests that carried an `Idempotency-Key`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Column, Integer, String, Table, Text, delete, select, update

from highroad.db.engine import Transaction, metadata
from highroad.kit.clock import now, rfc3339

KEPT = timedelta(hours=24)
IN_FLIGHT = timedelta(minutes=2)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("created_at", String(32), nullable=False, index=True),
    Column("status", Integer),
    Column("body", Text),
)


def take_key(tx: Transaction, key: str, request: str) -> dict[str, Any] | None:
    """Claim `key` for this request; None when it is ours now, else what is known of the earlier request."""
    tx.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at < rfc3339(now() - KEPT)))
    abandoned = rfc3339(now() - IN_FLIGHT)  # its process died before it could answer
    tx.execute(
        delete(idempotency_keys).where(
            idempotency_keys.c.key == key,
            idempotency_keys.c.status.is_(None),
            idempotency_keys.c.created_at < abandoned,
        )
    )
    claim = tx.insert(idempotency_keys).values(key=key, request=request, created_at=rfc3339(now()))
    if tx.execute(claim.on_conflict_do_nothing().returning(idempotency_keys.c.key)).first() is not None:
        return None
    row = tx.execute(select(idempotency_keys).where(idempotency_keys.c.key == key)).mappings().first()
    # It may have been given back since the claim was refused: then the first request ended at this moment.
    return dict(row) if row else {"request": request, "status": None, "body": None}


def keep_answer(tx: Transaction, key: str, status: int, body: str | None) -> None:
    """`body` None: the request was carried out, but what it answered is not to be kept."""
    tx.execute(update(idempotency_keys).where(idempotency_keys.c.key == key).values(status=status, body=body))


def release_key(tx: Transaction, key: str) -> None:
    tx.execute(delete(idempotency_keys).where(idempotency_keys.c.key == key, idempotency_keys.c.status.is_(None)))
