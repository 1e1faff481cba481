"""Tables of second factors, their recovery codes, and sign-ins that wait for a code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text, delete, func, insert, select, update

from highroad.access.secrets import digest, new_secret
from highroad.db.engine import Transaction, metadata
from highroad.kit.clock import now, parse_rfc3339, rfc3339

WAIT_LIFE = timedelta(minutes=5)
"""How long somebody who typed the right password may look for the code."""
_ABOUT = "second-factor:{user}"

# `confirmed_at` is empty until a first code has shown that the app has the seed; only then is it asked for.
second_factors = Table(
    "second_factors",
    metadata,
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("seed", Text, nullable=False),
    Column("last_step", Integer, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("confirmed_at", String(32), nullable=False),
)
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", String(64), primary_key=True),
)
waiting_sign_ins = Table(
    "waiting_sign_ins",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires_at", String(32), nullable=False),
    Column("link_by", String(254), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Factor:
    """`seed` in the clear, for comparing; `since` is None until it is confirmed; `last_step` was used last."""

    user: str
    seed: str
    last_step: int
    since: datetime | None


def factor(tx: Transaction, user_id: str) -> Factor | None:
    row = tx.execute(select(second_factors).where(second_factors.c.user_id == user_id)).mappings().first()
    if row is None:
        return None
    seed = tx.keyring.open(row["seed"], about=_ABOUT.format(user=user_id))
    since = parse_rfc3339(row["confirmed_at"]) if row["confirmed_at"] else None
    return Factor(user_id, seed, row["last_step"], since)


def has_factor(tx: Transaction, user_id: str) -> bool:
    """Whether a code is asked of this user. Opens no seed."""
    mine = (second_factors.c.user_id == user_id, second_factors.c.confirmed_at != "")
    return tx.execute(select(second_factors.c.user_id).where(*mine)).first() is not None


def begin_factor(tx: Transaction, user_id: str, seed: str) -> None:
    """Keep an unconfirmed seed; one that was not confirmed is replaced."""
    tx.execute(delete(second_factors).where(second_factors.c.user_id == user_id, second_factors.c.confirmed_at == ""))
    tx.execute(
        insert(second_factors).values(
            user_id=user_id,
            seed=tx.keyring.seal(seed, about=_ABOUT.format(user=user_id)),
            last_step=0,
            created_at=rfc3339(now()),
            confirmed_at="",
        )
    )


def confirm_factor(tx: Transaction, user_id: str) -> bool:
    """False when it was confirmed before, or dropped."""
    mine = (second_factors.c.user_id == user_id, second_factors.c.confirmed_at == "")
    return tx.execute(update(second_factors).where(*mine).values(confirmed_at=rfc3339(now()))).rowcount == 1


def spend_step(tx: Transaction, user_id: str, step: int) -> bool:
    """Of two who come with the same code at the same moment, one is told False."""
    unspent = (second_factors.c.user_id == user_id, second_factors.c.last_step < step)
    return tx.execute(update(second_factors).where(*unspent).values(last_step=step)).rowcount == 1


def drop_factor(tx: Transaction, user_id: str) -> bool:
    """With its recovery codes and the sign-ins that wait for it."""
    tx.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    tx.execute(delete(waiting_sign_ins).where(waiting_sign_ins.c.user_id == user_id))
    return tx.execute(delete(second_factors).where(second_factors.c.user_id == user_id)).rowcount == 1


def set_recovery_codes(tx: Transaction, user_id: str, codes: Sequence[str]) -> None:
    tx.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    tx.execute(insert(recovery_codes), [{"user_id": user_id, "digest": digest(code)} for code in codes])


def spend_recovery_code(tx: Transaction, user_id: str, code: str) -> bool:
    mine = (recovery_codes.c.user_id == user_id, recovery_codes.c.digest == digest(code))
    return tx.execute(delete(recovery_codes).where(*mine)).rowcount == 1


def recovery_codes_left(tx: Transaction, user_id: str) -> int:
    statement = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.user_id == user_id)
    return int(tx.execute(statement).scalar_one())


def wait_for_code(tx: Transaction, user_id: str, *, link_by: str = "") -> str:
    """A secret that proves that this user's password, or one-time link of `link_by`, was right a moment ago."""
    secret = new_secret()
    values = {"digest": digest(secret), "user_id": user_id, "link_by": link_by[:254]}
    tx.execute(delete(waiting_sign_ins).where(waiting_sign_ins.c.expires_at < rfc3339(now())))
    tx.execute(insert(waiting_sign_ins).values(expires_at=rfc3339(now() + WAIT_LIFE), **values))
    return secret


def who_waits(tx: Transaction, secret: str) -> str | None:
    mine = (waiting_sign_ins.c.digest == digest(secret), waiting_sign_ins.c.expires_at > rfc3339(now()))
    found = tx.execute(select(waiting_sign_ins.c.user_id).where(*mine)).scalar_one_or_none()
    return None if found is None else str(found)


def link_maker(tx: Transaction, secret: str) -> str:
    """Who made the link that began this sign-in; empty for a password."""
    mine = waiting_sign_ins.c.digest == digest(secret)
    return str(tx.execute(select(waiting_sign_ins.c.link_by).where(mine)).scalar_one_or_none() or "")


def end_waiting(tx: Transaction, secret: str) -> bool:
    """Spend it: False when somebody else has."""
    return tx.execute(delete(waiting_sign_ins).where(waiting_sign_ins.c.digest == digest(secret))).rowcount == 1
