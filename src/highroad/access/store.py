"""Tables of who may come in: users, tokens, sessions, sign-in links, device logins and failed attempts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from highroad.access.model import AccountKind, Login, Session, Token, User
from highroad.access.policy.roles import OrganizationRole
from highroad.db.engine import Transaction, metadata
from highroad.kit.clock import now, parse_rfc3339, rfc3339

REMEMBERED = timedelta(days=1)
"""How long failed attempts count after the last one."""

users = Table(
    "users",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", String(120), nullable=False),
    Column("password", Text),
    Column("active", Boolean, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("role", String(16), nullable=False, server_default="member"),
    Column("kind", String(8), nullable=False, server_default="user"),
)
tokens = Table(
    "tokens",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(120), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", String(120), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("expires_at", String(32)),
    Column("last_used_at", String(32)),
    Column("revoked_at", String(32)),
    Column("maker_id", String(40), ForeignKey("tokens.id", ondelete="CASCADE")),
    Column("policy", Text),
    Column("origin", String(16)),
    Column("made_by", String(254)),
    Column("last_address", String(64)),
    Column("last_origin", String(16)),
)
sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("expires_at", String(32), nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(200), nullable=False, server_default=""),
    Column("last_seen_at", String(32), nullable=False, server_default=""),
)
sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", String(32), nullable=False),
    Column("used_at", String(32)),
    Column("made_by", String(254), nullable=False, server_default=""),
)
logins = Table(
    "logins",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("user_code", String(9), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("device", String(120), nullable=False),
    Column("address", String(64), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("expires_at", String(32), nullable=False),
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE")),
    Column("refused", Boolean, nullable=False),
)
failed_attempts = Table(
    "failed_attempts",
    metadata,
    Column("key", String(300), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last_at", String(32), nullable=False),
)


def add_user(
    tx: Transaction,
    *,
    id: str,
    email: str,
    name: str,
    role: OrganizationRole = "member",
    password: str | None = None,
    kind: AccountKind = "user",
) -> User:
    created = now()
    values = {"email": email, "name": name, "role": role, "kind": kind, "password": password}
    tx.execute(insert(users).values(id=id, active=True, created_at=rfc3339(created), **values))
    return User(id, email, name, role, True, password is not None, created, kind)


def user(tx: Transaction, id: str) -> User | None:
    row = tx.execute(select(users).where(users.c.id == id)).mappings().first()
    return _user(row) if row else None


def user_by_email(tx: Transaction, email: str) -> tuple[User, str | None] | None:
    """The user and the stored password hash."""
    row = tx.execute(select(users).where(users.c.email == email)).mappings().first()
    return (_user(row), row["password"]) if row else None


def list_users(tx: Transaction, kind: AccountKind = "user") -> list[User]:
    statement = select(users).where(users.c.kind == kind).order_by(users.c.email)
    return [_user(row) for row in tx.execute(statement).mappings()]


def active_owners(tx: Transaction) -> list[str]:
    """Ids of the active owners, locked until the transaction ends: of two who would each remove the other, one
    has to wait and look again."""
    statement = select(users.c.id).where(users.c.role == "owner", users.c.active).order_by(users.c.id).with_for_update()
    return [str(row[0]) for row in tx.execute(statement)]


def update_user(tx: Transaction, id: str, **values: Any) -> None:
    tx.execute(update(users).where(users.c.id == id).values(**values))


def add_token(
    tx: Transaction,
    *,
    id: str,
    user_id: str,
    name: str,
    digest: str,
    scopes: tuple[str, ...],
    expires_at: datetime | None,
    maker_id: str | None = None,
    policy: str | None = None,
    origin: str | None = None,
    made_by: str | None = None,
) -> Token:
    created = now()
    tx.execute(
        insert(tokens).values(
            id=id,
            user_id=user_id,
            name=name,
            digest=digest,
            scopes=" ".join(scopes),
            created_at=rfc3339(created),
            expires_at=rfc3339(expires_at) if expires_at else None,
            maker_id=maker_id,
            policy=policy,
            origin=origin,
            made_by=made_by,
        )
    )
    return Token(id, user_id, name, scopes, created, expires_at, None, None, policy, origin, made_by)


def token_by_digest(tx: Transaction, digest: str) -> tuple[Token, User] | None:
    row = tx.execute(select(tokens).where(tokens.c.digest == digest)).mappings().first()
    if row is None:
        return None
    owner = user(tx, row["user_id"])
    assert owner is not None, "tokens reference users"
    return _token(row), owner


def token(tx: Transaction, id: str) -> tuple[Token, User] | None:
    row = tx.execute(select(tokens).where(tokens.c.id == id)).mappings().first()
    if row is None:
        return None
    owner = user(tx, row["user_id"])
    assert owner is not None, "tokens reference users"
    return _token(row), owner


def lock_active(tx: Transaction, user_id: str) -> bool:
    """Whether the account is active, which nobody changes before this transaction has ended."""
    statement = select(users.c.active).where(users.c.id == user_id).with_for_update()
    return bool(tx.execute(statement).scalar_one_or_none())


def lock_token(tx: Transaction, id: str) -> Token | None:
    """The token, which nobody revokes before this transaction has ended."""
    row = tx.execute(select(tokens).where(tokens.c.id == id).with_for_update()).mappings().first()
    return _token(row) if row else None


def tokens_made_by(tx: Transaction, id: str, user_id: str) -> list[str]:
    """Ids of the tokens that were made by this one, by those, and so on."""
    statement = select(tokens).where(tokens.c.user_id == user_id, tokens.c.maker_id.is_not(None))
    makers = {str(row["id"]): str(row["maker_id"]) for row in tx.execute(statement).mappings()}
    found, fresh = list[str](), {id}
    while fresh:
        fresh = {made for made, maker in makers.items() if maker in fresh}
        found += sorted(fresh)
    return found


def list_tokens(tx: Transaction, user_id: str) -> list[Token]:
    statement = select(tokens).where(tokens.c.user_id == user_id).order_by(tokens.c.id)
    return [_token(row) for row in tx.execute(statement).mappings()]


def every_token(tx: Transaction, kind: AccountKind | None = None) -> list[tuple[Token, User]]:
    """Every account's tokens with their accounts, newest first; with `kind`, those of such accounts."""
    statement = select(tokens).order_by(tokens.c.created_at.desc(), tokens.c.id)
    by_id = {str(row["id"]): _user(row) for row in tx.execute(select(users)).mappings()}
    found = [(_token(row), by_id[row["user_id"]]) for row in tx.execute(statement).mappings()]
    return [each for each in found if kind is None or each[1].kind == kind]


def touch_token(tx: Transaction, id: str, *, address: str = "", origin: str = "") -> None:
    """Note that the token was used now, from where and how."""
    values = {"last_used_at": rfc3339(now()), "last_address": address[:64] or None, "last_origin": origin or None}
    tx.execute(update(tokens).where(tokens.c.id == id).values(**values))


def set_token_policy(tx: Transaction, id: str, policy: str) -> None:
    tx.execute(update(tokens).where(tokens.c.id == id).values(policy=policy))


def revoke_token(tx: Transaction, id: str, user_id: str) -> bool:
    statement = update(tokens).where(tokens.c.id == id, tokens.c.user_id == user_id, tokens.c.revoked_at.is_(None))
    return tx.execute(statement.values(revoked_at=rfc3339(now()))).rowcount == 1


def add_session(
    tx: Transaction, *, digest: str, user_id: str, csrf: str, expires_at: datetime, address: str, agent: str = ""
) -> None:
    tx.execute(delete(sessions).where(sessions.c.expires_at < rfc3339(now())))
    tx.execute(
        insert(sessions).values(
            digest=digest,
            user_id=user_id,
            csrf=csrf,
            created_at=rfc3339(now()),
            expires_at=rfc3339(expires_at),
            address=address,
            agent=agent,
            last_seen_at=rfc3339(now()),
        )
    )


def session(tx: Transaction, digest: str) -> tuple[Session, User] | None:
    row = tx.execute(select(sessions).where(sessions.c.digest == digest)).mappings().first()
    if row is None:
        return None
    owner = user(tx, row["user_id"])
    assert owner is not None, "sessions reference users"
    return _session(row), owner


def list_sessions(tx: Transaction, user_id: str) -> list[Session]:
    """Those that have not ended, the one used last first."""
    mine = (sessions.c.user_id == user_id, sessions.c.expires_at > rfc3339(now()))
    statement = select(sessions).where(*mine).order_by(sessions.c.last_seen_at.desc(), sessions.c.digest)
    return [_session(row) for row in tx.execute(statement).mappings()]


def touch_session(tx: Transaction, digest: str, *, address: str) -> None:
    values = {"last_seen_at": rfc3339(now()), "address": address[:64]}
    tx.execute(update(sessions).where(sessions.c.digest == digest).values(**values))


def copy_session(tx: Transaction, digest: str, to: str) -> None:
    """The same session under another digest, beside the old one."""
    row = tx.execute(select(sessions).where(sessions.c.digest == digest)).mappings().one()
    tx.execute(insert(sessions).values(**{**row, "digest": to}))


def end_session(tx: Transaction, digest: str) -> None:
    tx.execute(delete(sessions).where(sessions.c.digest == digest))


def end_sessions_of(tx: Transaction, user_id: str, *, keep: str | None = None) -> None:
    statement = delete(sessions).where(sessions.c.user_id == user_id)
    tx.execute(statement.where(sessions.c.digest != keep) if keep else statement)


def revoke_tokens_of(tx: Transaction, user_id: str) -> None:
    statement = update(tokens).where(tokens.c.user_id == user_id, tokens.c.revoked_at.is_(None))
    tx.execute(statement.values(revoked_at=rfc3339(now())))


def add_link(tx: Transaction, *, digest: str, user_id: str, expires_at: datetime, made_by: str) -> None:
    values = {"digest": digest, "user_id": user_id, "expires_at": rfc3339(expires_at), "made_by": made_by[:254]}
    tx.execute(insert(sign_in_links).values(values))


def drop_links(tx: Transaction, user_id: str) -> None:
    """Forget the user's links that nobody has used."""
    tx.execute(delete(sign_in_links).where(sign_in_links.c.user_id == user_id, sign_in_links.c.used_at.is_(None)))


def use_link(tx: Transaction, digest: str) -> tuple[str, str] | None:
    """Spend the link; its user's id and who made it, or None when it is unknown, expired or was used before."""
    unspent = (sign_in_links.c.digest == digest, sign_in_links.c.used_at.is_(None))
    statement = update(sign_in_links).where(*unspent, sign_in_links.c.expires_at > rfc3339(now()))
    if tx.execute(statement.values(used_at=rfc3339(now()))).rowcount != 1:
        return None
    wanted = select(sign_in_links.c.user_id, sign_in_links.c.made_by).where(sign_in_links.c.digest == digest)
    found = tx.execute(wanted).one()
    return found.user_id, found.made_by


def add_login(
    tx: Transaction, *, id: str, user_code: str, digest: str, device: str, expires_at: datetime, address: str
) -> None:
    tx.execute(delete(logins).where(logins.c.expires_at < rfc3339(now() - timedelta(hours=1))))
    tx.execute(
        insert(logins).values(
            id=id,
            user_code=user_code,
            digest=digest,
            device=device,
            address=address,
            created_at=rfc3339(now()),
            expires_at=rfc3339(expires_at),
            refused=False,
        )
    )


def drop_oldest_logins(tx: Transaction, address: str, *, keep: int) -> None:
    """Forget what this address asked for, apart from the newest `keep`."""
    older = select(logins.c.id).where(logins.c.address == address).order_by(logins.c.created_at.desc()).offset(keep)
    found = [str(row[0]) for row in tx.execute(older)]
    if found:
        tx.execute(delete(logins).where(logins.c.id.in_(found)))


def login(tx: Transaction, id: str) -> tuple[Login, str] | None:
    """The login and the digest of its secret."""
    row = tx.execute(select(logins).where(logins.c.id == id)).mappings().first()
    return (_login(row), row["digest"]) if row else None


def login_by_code(tx: Transaction, user_code: str) -> Login | None:
    row = tx.execute(select(logins).where(logins.c.user_code == user_code)).mappings().first()
    return _login(row) if row else None


def decide_login(tx: Transaction, id: str, *, user_id: str | None) -> bool:
    """Approve for `user_id`, or refuse; False when it was decided before or has expired."""
    undecided = (logins.c.user_id.is_(None), logins.c.refused.is_(False), logins.c.expires_at > rfc3339(now()))
    statement = update(logins).where(logins.c.id == id, *undecided)
    return tx.execute(statement.values(user_id=user_id, refused=user_id is None)).rowcount == 1


def remove_login(tx: Transaction, id: str) -> bool:
    return tx.execute(delete(logins).where(logins.c.id == id)).rowcount == 1


def failures(tx: Transaction, key: str) -> tuple[int, datetime] | None:
    row = tx.execute(select(failed_attempts).where(failed_attempts.c.key == key)).mappings().first()
    return (row["count"], parse_rfc3339(row["last_at"])) if row else None


def note_failure(tx: Transaction, key: str) -> None:
    """Count one more; a day without any forgets them all."""
    at = now()
    tx.execute(delete(failed_attempts).where(failed_attempts.c.last_at < rfc3339(at - REMEMBERED)))
    first = tx.insert(failed_attempts).values(key=key, count=1, last_at=rfc3339(at))
    again = {"count": failed_attempts.c.count + 1, "last_at": rfc3339(at)}
    tx.execute(first.on_conflict_do_update(index_elements=["key"], set_=again))


def forget_failures(tx: Transaction, key: str) -> None:
    tx.execute(delete(failed_attempts).where(failed_attempts.c.key == key))


def _session(row: RowMapping) -> Session:
    created, expires = parse_rfc3339(row["created_at"]), parse_rfc3339(row["expires_at"])
    seen = parse_rfc3339(row["last_seen_at"]) if row["last_seen_at"] else created
    return Session(row["digest"], row["user_id"], row["csrf"], expires, created, seen, row["address"], row["agent"])


def _user(row: RowMapping) -> User:
    return User(
        row["id"],
        row["email"],
        row["name"],
        row["role"],
        row["active"],
        row["password"] is not None,
        parse_rfc3339(row["created_at"]),
        row["kind"],
    )


def _token(row: RowMapping) -> Token:
    expires, used, revoked = (
        parse_rfc3339(row[key]) if row[key] else None for key in ("expires_at", "last_used_at", "revoked_at")
    )
    created, scopes = parse_rfc3339(row["created_at"]), tuple(row["scopes"].split())
    return Token(
        row["id"],
        row["user_id"],
        row["name"],
        scopes,
        created,
        expires,
        used,
        revoked,
        row["policy"],
        row["origin"],
        row["made_by"],
        row["last_address"],
        row["last_origin"],
    )


def _login(row: RowMapping) -> Login:
    expires = parse_rfc3339(row["expires_at"])
    return Login(row["id"], row["user_code"], row["device"], expires, row["user_id"], row["refused"])
