"""What people do to come in and to let others in. Every verb takes a transaction, the event log and the actor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from highroad.access import store
from highroad.access.brakes import Brake, brakes
from highroad.access.model import SCOPES, Actor, Login, Origin, Session, Token, User
from highroad.access.permissions import NotAllowed, NotSignedIn, require
from highroad.access.secrets import (
    digest,
    hash_password,
    looks_like_token,
    new_secret,
    new_token,
    new_user_code,
    password_matches,
)
from highroad.db.engine import Database, Transaction
from highroad.errors import Conflict, FieldError, Invalid, NotFound, TooMany
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.clock import now
from highroad.kit.ids import new_id

SESSION_LIFE = timedelta(days=14)
LINK_LIFE = timedelta(hours=24)
LOGIN_LIFE = timedelta(minutes=10)
TOKEN_LIFE_DAYS = 90
SHORTEST_PASSWORD = 10
MOST_OPEN_LOGINS = 100
"""From one address. One more displaces the oldest: whoever asks too often is in nobody's way but his own."""

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")


class WrongPassword(NotSignedIn):
    code = "wrong-password"
    title = "The email address or the password is wrong"


class BadToken(NotSignedIn):
    code = "bad-token"
    title = "The token cannot be used"


class BadLink(NotSignedIn):
    code = "bad-sign-in-link"
    title = "The sign-in link cannot be used"


class SlowDown(TooMany):
    code = "slow-down"


class UserExists(Conflict):
    code = "user-exists"


class LastAdministrator(Conflict):
    code = "last-administrator"


class WeakPassword(Invalid):
    code = "weak-password"


class NoSuchUser(NotFound):
    code = "no-such-user"


class NoSuchToken(NotFound):
    code = "no-such-token"


class NoSuchLogin(NotFound):
    code = "no-such-login"


@dataclass(frozen=True, slots=True)
class NewSession:
    """`secret` goes into the cookie and nowhere else."""

    secret: str
    user: User


# Coming in


def authenticate(tx: Transaction, secret: str, *, origin: Origin, address: str) -> Actor:
    """The actor of a token. Raises `BadToken`, saying whether it is mistyped, unknown, expired or revoked."""
    if not looks_like_token(secret):
        if secret.startswith("hr_"):
            raise BadToken("This token is mistyped or cut off.", next_step="Copy it again, or: highroad login URL")
        raise BadToken("This is not a Highroad token (they start with hr_).", next_step="highroad login URL")
    found = store.token_by_digest(tx, digest(secret))
    if found is None:
        raise BadToken("This token is unknown here.", next_step="highroad login URL")
    token, user = found
    if not user.active:  # said first: deactivation revokes the tokens too
        raise BadToken(f"{user.email} is deactivated.", next_step="Ask an administrator.")
    if token.revoked_at is not None:
        raise BadToken(f"The token {token.name!r} was revoked.", next_step="highroad login URL")
    if token.expires_at is not None and token.expires_at <= now():
        raise BadToken(f"The token {token.name!r} has expired.", next_step="highroad login URL")
    scopes = frozenset(token.scopes) & scopes_of(user)
    return Actor(user.id, user.email, "user", origin, user.admin, scopes, token=token.id, address=address)


def stale_last_use(token: Token) -> bool:
    """Whether `last_used_at` is worth a write: it is kept to the minute, or reads would all become writes."""
    return token.last_used_at is None or now() - token.last_used_at > timedelta(minutes=1)


def actor_of_session(tx: Transaction, secret: str, *, address: str) -> tuple[Actor, Session] | None:
    found = store.session(tx, digest(secret))
    if found is None:
        return None
    session, user = found
    if session.expires_at <= now() or not user.active:
        return None
    scopes = scopes_of(user)
    return Actor(
        user.id, user.email, "user", "portal", user.admin, scopes, session=session.id, address=address
    ), session


def scopes_of(user: User) -> frozenset[str]:
    """All that a sign-in of this user can be allowed."""
    return frozenset(SCOPES) - (frozenset() if user.admin else {"admin"})


def check_password(db: Database, log: EventLog, *, email: str, password: str, address: str, origin: Origin) -> User:
    """The user, or `WrongPassword`, or `SlowDown` after five failures (`brakes` says of whom).

    It opens its own transactions, because hashing takes too long to hold one open, and a failure must be kept.
    """
    email = email.strip().lower()
    with db.read() as tx:
        held = brakes(email, address, failures=lambda key: store.failures(tx, key))
        for brake in held:
            _refuse_when_too_many(brake, store.failures(tx, brake.key))
        found = store.user_by_email(tx, email)
    user, stored = found if found else (None, None)
    if not password_matches(stored, password) or user is None or not user.active:
        with db.begin() as tx:
            for brake in held:
                store.note_failure(tx, brake.key)
            who = Actor(
                user.id if user else "unknown", user.email if user else "unknown", "user", origin, address=address
            )
            log.append(tx, Event(events.USER_REFUSED, who.id, custom={"address": address}), who)
        raise WrongPassword(
            "No active user has this email address and password.",
            next_step="Try again, or ask an administrator for a sign-in link: highroad sign-in-link EMAIL",
        )
    with db.begin() as tx:
        for brake in held:
            store.forget_failures(tx, brake.key)
    return user


def _refuse_when_too_many(brake: Brake, failures: tuple[int, datetime] | None) -> None:
    if failures is None:
        return
    count, last = failures
    left = (last + brake.wait(count) - now()).total_seconds()
    if left > 0:
        raise SlowDown(
            f"{count} attempts failed.",
            next_step=f"Wait {int(left) + 1} seconds and try again.",
            extra={"retry_after": int(left) + 1},
        )


def start_session(tx: Transaction, log: EventLog, user: User, *, address: str) -> NewSession:
    secret = new_secret()
    expires = now() + SESSION_LIFE
    store.add_session(
        tx, digest=digest(secret), user_id=user.id, csrf=new_secret(), expires_at=expires, address=address[:64]
    )
    who = Actor(user.id, user.email, "user", "portal", address=address)
    log.append(tx, Event(events.USER_SIGNED_IN, user.id, custom={"address": address}), who)
    return NewSession(secret, user)


def use_link(tx: Transaction, log: EventLog, secret: str, *, address: str) -> NewSession:
    user_id = store.use_link(tx, digest(secret))
    user = store.user(tx, user_id) if user_id else None
    if user is None or not user.active:
        raise BadLink(
            "This sign-in link was used before or has expired.",
            next_step="On the machine that runs Highroad: highroad sign-in-link",
        )
    return start_session(tx, log, user, address=address)


def make_link(tx: Transaction, actor: Actor, user_id: str) -> str:
    """The secret of a one-time link for `user_id`, valid a day. Links made before for this user open no longer."""
    require(actor, "user:write")
    if store.user(tx, user_id) is None:
        raise NoSuchUser("There is no such user.", next_step="highroad users list")
    secret = new_secret()
    store.drop_links(tx, user_id)
    store.add_link(tx, digest=digest(secret), user_id=user_id, expires_at=now() + LINK_LIFE)
    return secret


# Devices


def ask_login(tx: Transaction, *, device: str, address: str) -> tuple[Login, str]:
    """Open a device login: what to show and the secret that the device polls with."""
    identifier, code, secret = new_id("login"), new_user_code(), new_secret()
    expires = now() + LOGIN_LIFE
    device = device.strip()[:120] or "a device"
    address = address[:64]
    store.add_login(
        tx, id=identifier, user_code=code, digest=digest(secret), device=device, expires_at=expires, address=address
    )
    store.drop_oldest_logins(tx, address, keep=MOST_OPEN_LOGINS)
    return Login(identifier, code, device, expires, None, False), secret


def decide_login(tx: Transaction, actor: Actor, user_code: str, *, approve: bool) -> Login:
    require(actor, "self:write")
    login = store.login_by_code(tx, user_code.strip().upper())
    if login is None or not store.decide_login(tx, login.id, user_id=actor.id if approve else None):
        raise NoSuchLogin("No device waits with this code.", next_step="Run highroad login again and compare the code.")
    return login


def collect_login(tx: Transaction, log: EventLog, id: str, secret: str) -> tuple[User, str] | None:
    """The user and a new token once the login was approved; None while it waits."""
    found = store.login(tx, id)
    if found is None or found[1] != digest(secret):
        raise NoSuchLogin("This login is unknown or has expired.", next_step="Run highroad login again.")
    login = found[0]
    if login.refused:
        raise NotAllowed("The sign-in was refused in the portal.", next_step="Run highroad login again.")
    if login.expires_at <= now():
        raise NoSuchLogin("This login has expired.", next_step="Run highroad login again.")
    if login.user is None:
        return None
    user = store.user(tx, login.user)
    assert user is not None, "logins reference users"
    if not user.active or not store.remove_login(tx, id):
        raise NoSuchLogin("This login was used before, or its user is gone.", next_step="Run highroad login again.")
    scopes = tuple(scope for scope in SCOPES if scope in scopes_of(user))
    _, token = issue_token(tx, log, user, name=login.device, scopes=scopes, days=TOKEN_LIFE_DAYS, origin="cli")
    return user, token


# Tokens


def issue_token(
    tx: Transaction,
    log: EventLog,
    user: User,
    *,
    name: str,
    scopes: tuple[str, ...],
    days: int | None,
    origin: Origin,
    maker: Token | None = None,
) -> tuple[Token, str]:
    """A token for a user who has just proved who he is. `days` None: it does not expire.

    `maker` is the token by which it was asked for, if any: it expires no later than that, and is revoked with it.
    """
    secret = new_token()
    ends = [now() + timedelta(days=days)] if days is not None else []
    if maker is not None and maker.expires_at is not None:
        ends.append(maker.expires_at)
    token = store.add_token(
        tx,
        id=new_id("tok"),
        user_id=user.id,
        name=name[:120],
        digest=digest(secret),
        scopes=scopes,
        expires_at=min(ends, default=None),
        maker_id=maker.id if maker else None,
    )
    who = Actor(user.id, user.email, "user", origin)
    log.append(tx, Event(events.TOKEN_CREATED, token.id, {"name": token.name, "scopes": list(scopes)}), who)
    return token, secret


def create_token(
    tx: Transaction, log: EventLog, actor: Actor, *, name: str, scopes: list[str], days: int | None
) -> tuple[Token, str]:
    """A further token of the actor, with scopes among the actor's own. Returns it with its secret, shown once.

    Asked for by a token, it lives no longer than that one: neither past its expiry nor past its being revoked.
    """
    require(actor, "self:write")
    wanted = tuple(dict.fromkeys(scopes))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        raise Invalid(
            f"Unknown scopes: {', '.join(unknown)[:200]}." if unknown else "A token needs at least one scope.",
            next_step=f"Choose among {', '.join(SCOPES)}.",
            errors=[FieldError("/scopes", f"among {', '.join(SCOPES)}")],
        )
    beyond = [scope for scope in wanted if scope not in actor.scopes]
    if beyond:
        raise NotAllowed(
            f"You cannot give a token more than you have now: {', '.join(beyond)}.",
            next_step="Create it from the portal, or with a token that has these scopes.",
        )
    user = store.user(tx, actor.id)
    if user is None:
        raise NoSuchUser("Only a user has tokens.", next_step="Sign in as a user.")
    if not name.strip():
        raise Invalid(
            "A token needs a name.", next_step="Say what it is for.", errors=[FieldError("/name", "is empty")]
        )
    maker = store.lock_token(tx, actor.token) if actor.token else None
    if maker is not None and maker.revoked_at is not None:  # since it was looked at
        raise BadToken(f"The token {maker.name!r} was revoked.", next_step="highroad login URL")
    return issue_token(tx, log, user, name=name.strip(), scopes=wanted, days=days, origin=actor.origin, maker=maker)


def revoke_token(tx: Transaction, log: EventLog, actor: Actor, id: str) -> None:
    """End a token of the actor and all that were made by it. Every token may end itself: so a device signs out."""
    require(actor, "self:read" if id == actor.token else "self:write")
    if not store.revoke_token(tx, id, actor.id):
        raise NoSuchToken("You have no such token, or it was revoked before.", next_step="highroad tokens list")
    log.append(tx, Event(events.TOKEN_REVOKED, id), actor)
    for made in store.tokens_made_by(tx, id, actor.id):
        if store.revoke_token(tx, made, actor.id):
            log.append(tx, Event(events.TOKEN_REVOKED, made), actor)


# Users


def create_user(tx: Transaction, log: EventLog, actor: Actor, *, email: str, name: str, admin: bool) -> User:
    require(actor, "user:write")
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise Invalid(
            f"{email[:80]!r} is not an email address.",
            next_step="Pass one like ada@example.com.",
            errors=[FieldError("/email", "is not an email address")],
        )
    try:
        with tx.connection.begin_nested():
            user = store.add_user(
                tx, id=new_id("usr"), email=email, name=(name.strip() or email)[:120], admin=admin, password=None
            )
    except IntegrityError as error:
        raise UserExists(f"{email} is a user already.", next_step="highroad users list") from error
    log.append(tx, Event(events.USER_CREATED, user.id, {"email": email, "admin": admin}), actor)
    return user


def change_user(
    tx: Transaction, log: EventLog, actor: Actor, id: str, *, name: str | None, admin: bool | None, active: bool | None
) -> User:
    """Change what is not None. Deactivation ends the user's sessions, tokens and links in the same transaction."""
    require(actor, "user:write")
    administrators = store.active_admins(tx)
    user = store.user(tx, id)
    if user is None:
        raise NoSuchUser("There is no such user.", next_step="highroad users list")
    values = {"name": name, "admin": admin, "active": active}
    values = {key: value for key, value in values.items() if value is not None}
    if not values:
        return user
    if administrators == [id] and (admin is False or active is False):
        raise LastAdministrator(
            "This is the last active administrator.", next_step="Make somebody else an administrator first."
        )
    store.update_user(tx, id, **values)
    if active is False:
        store.end_sessions_of(tx, id)
        store.revoke_tokens_of(tx, id)
        store.drop_links(tx, id)
    changed = store.user(tx, id)
    assert changed is not None, "it was there a moment ago, in the same transaction"
    log.append(tx, Event(events.USER_MODIFIED, id, {"changed": sorted(values)}), actor)
    return changed


def set_password(db: Database, log: EventLog, actor: Actor, *, current: str | None, new: str) -> None:
    """Set the actor's password; `current` is asked for when there is one. Ends the user's other sessions and links.

    A password gives all that its user may do, so no token that may do less can set one; and where there is none to ask
    for, only somebody in the portal can.
    """
    require(actor, "self:write")
    if len(new) < SHORTEST_PASSWORD or len(new) > 1000:
        raise WeakPassword(
            f"A password has at least {SHORTEST_PASSWORD} characters.",
            next_step="Use a few words that only you would put together.",
            errors=[FieldError("/new", f"at least {SHORTEST_PASSWORD} characters")],
        )
    with db.read() as tx:
        user = store.user(tx, actor.id)
    if user is None:
        raise NoSuchUser("Only a user has a password.", next_step="Sign in as a user.")
    if scopes_of(user) - actor.scopes:
        raise NotAllowed(
            "A password lets its user do more than this token may do.",
            next_step="Change it in the portal, or with a token that has all your scopes.",
        )
    if not user.has_password and actor.session is None:
        raise NotAllowed(
            "A first password is set in the portal.",
            next_step="Sign in there (an administrator makes a link: highroad sign-in-link EMAIL) and open Account.",
        )
    if user.has_password:
        check_password(db, log, email=user.email, password=current or "", address=actor.address, origin=actor.origin)
    hashed = hash_password(new)
    with db.begin() as tx:
        store.update_user(tx, user.id, password=hashed)
        store.end_sessions_of(tx, user.id, keep=actor.session)
        store.drop_links(tx, user.id)
        log.append(tx, Event(events.USER_MODIFIED, user.id, {"changed": ["password"]}), actor)
