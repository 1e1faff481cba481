"""Tables of sign-in providers, users' identities with them, sign-ins that were begun, and sessions they led to."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    insert,
    or_,
    select,
    update,
)

from highroad.access.federation.model import Attempt, GroupRule, Identity, Provider
from highroad.access.model import User
from highroad.access.secrets import digest
from highroad.access.store import sessions, user
from highroad.access.teams import team_members
from highroad.db.engine import Transaction, metadata
from highroad.db.keys import sealed_column
from highroad.kit.clock import now, parse_rfc3339, rfc3339

ATTEMPT_LIFE = timedelta(minutes=10)
MOST_ATTEMPTS = 50
"""Open ones from one address. One more displaces the oldest."""

providers = Table(
    "sign_in_providers",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(32), nullable=False, unique=True),
    Column("title", String(120), nullable=False),
    Column("issuer", String(500), nullable=False),
    Column("client_id", String(255), nullable=False),
    Column("client_secret", Text),
    Column("scopes", String(500), nullable=False),
    Column("group_claim", String(120), nullable=False),
    Column("group_rules", Text, nullable=False),
    Column("creates_users", Boolean, nullable=False),
    Column("domains", Text, nullable=False),
    Column("email_trust", String(16), nullable=False),
    Column("vouched", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", String(32), nullable=False),
)
identities = Table(
    "identities",
    metadata,
    Column("provider_id", String(40), ForeignKey("sign_in_providers.id", ondelete="CASCADE"), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("email", String(254)),
    Column("created_at", String(32), nullable=False),
    Column("last_used_at", String(32), nullable=False),
)
attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("state", String(64), primary_key=True),
    Column("browser", String(64), nullable=False),
    Column("provider_id", String(40), ForeignKey("sign_in_providers.id", ondelete="CASCADE"), nullable=False),
    Column("next", Text, nullable=False),
    Column("address", String(64), nullable=False, index=True),
    Column("created_at", String(32), nullable=False),
)
provider_sessions = Table(
    "provider_sessions",
    metadata,
    Column("digest", String(64), ForeignKey("sessions.digest", ondelete="CASCADE"), primary_key=True),
    Column(
        "provider_id", String(40), ForeignKey("sign_in_providers.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("logout_url", Text),
)
_SECRET = "sign-in-provider:{id}"  # noqa: S105 - what the sealed text is about
_LOGOUT = "provider-session:{digest}"
sealed_column(providers, "client_secret", _SECRET)
sealed_column(provider_sessions, "logout_url", _LOGOUT)


# Providers


def add_provider(tx: Transaction, provider: Provider, secret: str | None) -> None:
    """Raises IntegrityError when the name is taken."""
    tx.execute(insert(providers).values(id=provider.id, created_at=rfc3339(provider.created_at), **_values(provider)))
    if secret is not None:
        set_secret(tx, provider.id, secret)


def update_provider(tx: Transaction, provider: Provider) -> None:
    tx.execute(update(providers).where(providers.c.id == provider.id).values(**_values(provider)))


def set_secret(tx: Transaction, id: str, secret: str | None) -> None:
    sealed = None if secret is None else tx.keyring.seal(secret, about=_SECRET.format(id=id))
    tx.execute(update(providers).where(providers.c.id == id).values(client_secret=sealed))


def secret_of(tx: Transaction, id: str) -> str | None:
    sealed = tx.execute(select(providers.c.client_secret).where(providers.c.id == id)).scalar_one_or_none()
    return None if sealed is None else tx.keyring.open(sealed, about=_SECRET.format(id=id))


def find_provider(tx: Transaction, name_or_id: str) -> Provider | None:
    named = or_(providers.c.name == name_or_id, providers.c.id == name_or_id)
    row = tx.execute(select(providers).where(named)).mappings().first()
    return _provider(row) if row else None


def list_providers(tx: Transaction) -> list[Provider]:
    return [_provider(row) for row in tx.execute(select(providers).order_by(providers.c.name)).mappings()]


def offered(tx: Transaction) -> list[Provider]:
    """Those that people can sign in with."""
    return [each for each in list_providers(tx) if each.active]


def remove_provider(tx: Transaction, provider: Provider) -> None:
    """With its identities, the sessions of its people, and the memberships that it gave."""
    end_sessions(tx, provider)
    tx.execute(delete(team_members).where(team_members.c.source == provider.source))
    tx.execute(delete(providers).where(providers.c.id == provider.id))


def end_sessions(tx: Transaction, provider: Provider) -> None:
    """All sessions of everybody who signs in with it, in whichever way they were begun."""
    people = select(identities.c.user_id).where(identities.c.provider_id == provider.id)
    tx.execute(delete(sessions).where(sessions.c.user_id.in_(people)))


# Identities


def identity(tx: Transaction, provider_id: str, subject: str) -> tuple[Identity, User] | None:
    mine = (identities.c.provider_id == provider_id, identities.c.subject == subject)
    row = tx.execute(select(identities).where(*mine)).mappings().first()
    if row is None:
        return None
    owner = user(tx, row["user_id"])
    assert owner is not None, "identities reference users"
    return _identity(row), owner


def identities_of(tx: Transaction, user_id: str) -> list[Identity]:
    statement = select(identities).where(identities.c.user_id == user_id).order_by(identities.c.created_at)
    return [_identity(row) for row in tx.execute(statement).mappings()]


def add_identity(tx: Transaction, provider_id: str, subject: str, user_id: str, email: str | None) -> None:
    """Raises IntegrityError when somebody has it."""
    at = rfc3339(now())
    values = {"subject": subject, "user_id": user_id, "email": email, "created_at": at, "last_used_at": at}
    tx.execute(insert(identities).values(provider_id=provider_id, **values))


def note_use(tx: Transaction, provider_id: str, subject: str, email: str | None) -> None:
    mine = (identities.c.provider_id == provider_id, identities.c.subject == subject)
    tx.execute(update(identities).where(*mine).values(email=email, last_used_at=rfc3339(now())))


# Attempts


def add_attempt(tx: Transaction, provider_id: str, attempt: Attempt, *, address: str) -> None:
    at, address = now(), address[:64]
    tx.execute(delete(attempts).where(attempts.c.created_at < rfc3339(at - ATTEMPT_LIFE)))
    mine = select(attempts.c.state).where(attempts.c.address == address).order_by(attempts.c.created_at.desc())
    displaced = [str(row[0]) for row in tx.execute(mine.offset(MOST_ATTEMPTS - 1))]
    if displaced:
        tx.execute(delete(attempts).where(attempts.c.state.in_(displaced)))
    values = {"state": digest(attempt.state), "browser": digest(attempt.browser), "next": attempt.next}
    tx.execute(insert(attempts).values(provider_id=provider_id, address=address, created_at=rfc3339(at), **values))


def take_attempt(tx: Transaction, provider_id: str, *, state: str, browser: str) -> Attempt | None:
    """The attempt of this very browser, which nobody takes again; None when there is none, or none any more."""
    mine = (
        attempts.c.state == digest(state),
        attempts.c.browser == digest(browser),
        attempts.c.provider_id == provider_id,
        attempts.c.created_at > rfc3339(now() - ATTEMPT_LIFE),
    )
    found = tx.execute(delete(attempts).where(*mine).returning(attempts.c.next)).scalar_one_or_none()
    return None if found is None else Attempt(state, browser, found)


# Sessions


def add_session(tx: Transaction, secret: str, provider_id: str, logout_url: str | None) -> None:
    """`secret` is that of the session, which the provider led to."""
    key = digest(secret)
    sealed = None if logout_url is None else tx.keyring.seal(logout_url, about=_LOGOUT.format(digest=key))
    tx.execute(insert(provider_sessions).values(digest=key, provider_id=provider_id, logout_url=sealed))


def move_session(tx: Transaction, old: str, new: str) -> None:
    """The session has another digest from now on."""
    mine = provider_sessions.c.digest == old
    row = tx.execute(select(provider_sessions).where(mine)).mappings().first()
    if row is None:
        return
    url = row["logout_url"] and tx.keyring.open(row["logout_url"], about=_LOGOUT.format(digest=old))
    sealed = url and tx.keyring.seal(url, about=_LOGOUT.format(digest=new))
    tx.execute(delete(provider_sessions).where(mine))
    tx.execute(insert(provider_sessions).values(digest=new, provider_id=row["provider_id"], logout_url=sealed))


def way_out(tx: Transaction, secret: str) -> tuple[str, str] | None:
    """Title and address of the place where whoever has this session can sign out of the provider too."""
    key = digest(secret)
    statement = (
        select(providers.c.title, provider_sessions.c.logout_url)
        .join(providers, providers.c.id == provider_sessions.c.provider_id)
        .where(provider_sessions.c.digest == key, provider_sessions.c.logout_url.is_not(None))
    )
    row = tx.execute(statement).first()
    return None if row is None else (row.title, tx.keyring.open(row.logout_url, about=_LOGOUT.format(digest=key)))


def _values(provider: Provider) -> dict[str, Any]:
    same = ("name", "title", "issuer", "client_id", "group_claim", "creates_users", "email_trust", "vouched", "active")
    return {name: getattr(provider, name) for name in same} | {
        "scopes": " ".join(provider.scopes),
        "domains": " ".join(provider.domains),
        "group_rules": json.dumps([[each.group, each.team] for each in provider.groups]),
    }


def _provider(row: RowMapping) -> Provider:
    return Provider(
        row["id"],
        row["name"],
        row["title"],
        row["issuer"],
        row["client_id"],
        row["client_secret"] is not None,
        tuple(row["scopes"].split()),
        row["group_claim"],
        tuple(GroupRule(*each) for each in json.loads(row["group_rules"])),
        row["creates_users"],
        tuple(row["domains"].split()),
        row["email_trust"],
        row["vouched"],
        row["active"],
        parse_rfc3339(row["created_at"]),
    )


def _identity(row: RowMapping) -> Identity:
    created, used = (_instant(row, name) for name in ("created_at", "last_used_at"))
    return Identity(row["provider_id"], row["subject"], row["user_id"], row["email"], created, used)


def _instant(row: RowMapping, name: str) -> datetime:
    return parse_rfc3339(row[name])
