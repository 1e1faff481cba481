"""How people come in: tokens, sessions, passwords, links and devices. Every verb takes a transaction, the event log and
the actor. What administrators do with users, tokens and teams stands in the modules named for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from highroad.access import grants, store
from highroad.access.brakes import Brake, brakes
from highroad.access.model import SCOPES, SYSTEM, Actor, Login, Origin, Session, User
from highroad.access.permissions import NotAllowed, NotSignedIn, require
from highroad.access.secrets import (
    digest,
    hash_password,
    looks_like_token,
    new_secret,
    new_user_code,
    password_matches,
)
from highroad.access.token_actions import TOKEN_LIFE_DAYS, BadToken, issue_token
from highroad.access.user_actions import NoSuchUser, refuse_raising
from highroad.db.engine import Database, Transaction
from highroad.errors import FieldError, Invalid, NotFound, TooMany
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.clock import now
from highroad.kit.ids import new_id

SESSION_LIFE = timedelta(days=14)
LINK_LIFE = timedelta(hours=24)
LOGIN_LIFE = timedelta(minutes=10)
SHORTEST_PASSWORD = 10
MOST_OPEN_LOGINS = 100
"""From one address. One more displaces the oldest: whoever asks too often is in nobody's way but his own."""


class WrongPassword(NotSignedIn):
    code = "wrong-password"
    title = "The email address or the password is wrong"


class BadLink(NotSignedIn):
    code = "bad-sign-in-link"
    title = "The sign-in link cannot be used"


class SlowDown(TooMany):
    code = "slow-down"


class WeakPassword(Invalid):
    code = "weak-password"


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
    scopes = frozenset(token.scopes) & user.scopes
    standing = (
        grants.standing_of_policy_token(tx, token.policy, user.email)
        if token.policy is not None
        else grants.standing_of(tx, user.id)
    )
    return Actor(
        user.id,
        user.email,
        user.kind,
        origin,
        user.role,
        scopes,
        token=token.id,
        address=address,
        standing=standing,
    )


def actor_named(tx: Transaction, name: str, *, origin: Origin) -> Actor:
    """The account that set off some work earlier, with the rights that it has now: none once it is deactivated."""
    found = store.user_by_email(tx, name)
    if found is None:
        return SYSTEM if name == SYSTEM.name else Actor("unknown", name, "user", origin)
    user = found[0]
    if not user.active:
        return Actor(user.id, user.email, user.kind, origin)
    tokens = store.list_tokens(tx, user.id) if user.kind == "policy" else []
    policy = next((token.policy for token in tokens if token.policy and token.revoked_at is None), None)
    standing = (
        grants.standing_of(tx, user.id) if policy is None else grants.standing_of_policy_token(tx, policy, user.email)
    )
    return Actor(user.id, user.email, user.kind, origin, user.role, user.scopes, standing=standing)


def actor_of_session(tx: Transaction, secret: str, *, address: str) -> tuple[Actor, Session] | None:
    found = store.session(tx, digest(secret))
    if found is None:
        return None
    session, user = found
    if session.expires_at <= now() or not user.active:
        return None
    actor = Actor(
        user.id,
        user.email,
        "user",
        "portal",
        user.role,
        user.scopes,
        session=session.id,
        address=address,
        standing=grants.standing_of(tx, user.id),
    )
    return actor, session


def check_password(db: Database, log: EventLog, *, email: str, password: str, address: str, origin: Origin) -> User:
    """The user, or `WrongPassword`, or `SlowDown` after five failures (`brakes` says of whom).

    It opens its own transactions, because hashing takes too long to hold one open, and a failure must be kept.
    """
    email = email.strip().lower()
    with db.read() as tx:
        held = brakes(email, address, failures=lambda key: store.failures(tx, key))
        for brake in held:
            refuse_when_too_many(brake, store.failures(tx, brake.key))
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


def refuse_when_too_many(brake: Brake, failures: tuple[int, datetime] | None) -> None:
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


def start_session(
    tx: Transaction, log: EventLog, user: User, *, address: str, agent: str = "", link_by: str = ""
) -> NewSession:
    """`link_by` is who made the one-time link that it begins with: that person could be the one who is here."""
    secret = new_secret()
    expires = now() + SESSION_LIFE
    store.add_session(
        tx,
        digest=digest(secret),
        user_id=user.id,
        csrf=new_secret(),
        expires_at=expires,
        address=address[:64],
        agent=agent[:200],
    )
    who = Actor(user.id, user.email, "user", "portal", address=address)
    custom: dict[str, object] = {"address": address}
    if link_by:
        custom["link_by"] = link_by
    log.append(tx, Event(events.USER_SIGNED_IN, user.id, custom=custom), who)
    return NewSession(secret, user)


def use_link(tx: Transaction, log: EventLog, secret: str, *, address: str) -> NewSession:
    user, made_by = spend_link(tx, secret)
    return start_session(tx, log, user, address=address, link_by=made_by)


def spend_link(tx: Transaction, secret: str) -> tuple[User, str]:
    """The user of a one-time link, which opens no longer, and who made it. Raises `BadLink`."""
    found = store.use_link(tx, digest(secret))
    user = store.user(tx, found[0]) if found else None
    if found is None or user is None or not user.active:
        raise BadLink(
            "This sign-in link was used before or has expired.",
            next_step="On the machine that runs Highroad: highroad sign-in-link",
        )
    return user, found[1]


def make_link(tx: Transaction, log: EventLog, actor: Actor, user_id: str) -> str:
    """The secret of a one-time link for `user_id`, valid a day. Links made before for this user open no longer."""
    require(actor, "user:write")
    user = store.user(tx, user_id)
    if user is None or user.kind != "user":
        raise NoSuchUser("There is no such user.", next_step="highroad users list")
    refuse_raising(actor, user, {})  # whoever holds the link is that user
    secret = new_secret()
    store.drop_links(tx, user_id)
    store.add_link(tx, digest=digest(secret), user_id=user_id, expires_at=now() + LINK_LIFE, made_by=actor.name)
    log.append(tx, Event(events.USER_LINK_MADE, user.id, {"email": user.email}), actor)
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
    scopes = tuple(scope for scope in SCOPES if scope in user.scopes)
    _, token = issue_token(tx, log, user, name=login.device, scopes=scopes, days=TOKEN_LIFE_DAYS, origin="cli")
    return user, token


# Passwords


def require_password(new: str) -> None:
    if len(new) < SHORTEST_PASSWORD or len(new) > 1000:
        raise WeakPassword(
            f"A password has at least {SHORTEST_PASSWORD} characters.",
            next_step="Use a few words that only you would put together.",
            errors=[FieldError("/new", f"at least {SHORTEST_PASSWORD} characters")],
        )


def set_password(db: Database, log: EventLog, actor: Actor, *, current: str | None, new: str) -> None:
    """Set the actor's password; `current` is asked for when there is one. Ends the user's other sessions and links.

    A password gives all that its user may do, so no token that may do less can set one; and where there is none to ask
    for, only somebody in the portal can.
    """
    require(actor, "self:write")
    require_password(new)
    with db.read() as tx:
        user = store.user(tx, actor.id)
    if user is None:
        raise NoSuchUser("Only a user has a password.", next_step="Sign in as a user.")
    if user.scopes - actor.scopes:
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
