"""Tokens: what lets a program in as somebody. Made, listed and ended here; `actions.authenticate` recognises them.

Whoever has the secret of a token may end it, wherever he found it: possession is the proof that it leaked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from highroad.access import store
from highroad.access.model import SCOPES, AccountKind, Actor, Origin, Token, User
from highroad.access.permissions import NotAllowed, NotSignedIn, allowed, require
from highroad.access.secrets import digest, looks_like_token, new_token
from highroad.db.engine import Transaction
from highroad.errors import FieldError, Invalid, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.clock import now
from highroad.kit.ids import new_id

TOKEN_LIFE_DAYS = 90


class BadToken(NotSignedIn):
    code = "bad-token"
    title = "The token cannot be used"


class NoSuchToken(NotFound):
    code = "no-such-token"


def stale_last_use(token: Token) -> bool:
    """Whether `last_used_at` is worth a write: it is kept to the minute, or reads would all become writes."""
    return token.last_used_at is None or now() - token.last_used_at > timedelta(minutes=1)


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
    by: Actor | None = None,
    policy: str | None = None,
) -> tuple[Token, str]:
    """A token for an account: for a user who has just proved who he is, or asked for by `by`. `days` None: it does not
    expire.

    `maker` is the token by which it was asked for, if any: it expires no later than that, and is revoked with it.
    """
    if not store.lock_active(tx, user.id):  # deactivated a moment ago: the token would live again with the account
        raise BadToken(f"{user.email} is deactivated.", next_step="Ask an administrator.")
    who = by or Actor(user.id, user.email, user.kind, origin)
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
        policy=policy,
        origin=origin,
        made_by=who.name,
    )
    content = {"name": token.name, "scopes": list(scopes), "account": user.email}
    log.append(tx, Event(events.TOKEN_CREATED, token.id, content), who)
    return token, secret


def create_token(
    tx: Transaction, log: EventLog, actor: Actor, *, name: str, scopes: list[str], days: int | None
) -> tuple[Token, str]:
    """A further token of the actor, with scopes among the actor's own. Returns it with its secret, shown once.

    Asked for by a token, it lives no longer than that one: neither past its expiry nor past its being revoked.
    """
    require(actor, "self:write")
    user = store.user(tx, actor.id)
    if user is None or user.kind == "policy":
        raise NotAllowed("A policy token makes no further tokens.", next_step="Ask whoever may: highroad who-can")
    wanted = checked_scopes(actor, scopes)
    maker = store.lock_token(tx, actor.token) if actor.token else None
    if maker is not None and maker.revoked_at is not None:  # since it was looked at
        raise BadToken(f"The token {maker.name!r} was revoked.", next_step="highroad login URL")
    return issue_token(
        tx,
        log,
        user,
        name=checked_name(name),
        scopes=wanted,
        days=days,
        origin=actor.origin,
        maker=maker,
        by=actor,
    )


def checked_name(name: str) -> str:
    if not name.strip():
        raise Invalid(
            "A token needs a name.", next_step="Say what it is for.", errors=[FieldError("/name", "is empty")]
        )
    return name.strip()


def checked_scopes(actor: Actor, scopes: Sequence[str]) -> tuple[str, ...]:
    """The scopes, each once, when all exist and the actor has them."""
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
    return wanted


# Everybody's


def every_token(
    tx: Transaction, actor: Actor, *, kind: AccountKind | None = None, account: str | None = None
) -> list[tuple[Token, User]]:
    """Everybody's tokens with their accounts, newest first; of accounts of this kind, or of one account by its id."""
    require(actor, "access:read")
    found = store.every_token(tx, kind)
    return [each for each in found if account is None or each[1].id == account]


def revoke_token(tx: Transaction, log: EventLog, actor: Actor, id: str) -> None:
    """End a token and all that were made by it: one's own, or, for those who may change its account, anybody's. Every
    token may end itself: so a device signs out."""
    require(actor, "self:read" if id == actor.token else "self:write")
    found = store.token(tx, id)
    if found is None or not (found[1].id == actor.id or _may_end(actor, found[1])) or found[0].revoked_at is not None:
        raise NoSuchToken("You have no such token, or it was revoked before.", next_step="highroad tokens list")
    _end(tx, log, actor, *found)


def _may_end(actor: Actor, account: User) -> bool:
    """An administrator also ends an owner's token: that raises nobody, and a leaked one cannot wait."""
    action = "user:write" if account.kind == "user" else "account:write"
    if not allowed(actor, action):
        return False
    require(actor, action)  # what allowed it stands in the event
    return True


def _end(tx: Transaction, log: EventLog, who: Actor, token: Token, account: User, why: str = "") -> bool:
    """False when somebody else was quicker."""
    custom = {"why": why} if why else {}
    ended = store.revoke_token(tx, token.id, account.id)
    for each in [token.id] * ended + [
        made for made in store.tokens_made_by(tx, token.id, account.id) if store.revoke_token(tx, made, account.id)
    ]:
        log.append(tx, Event(events.TOKEN_REVOKED, each, {"account": account.email}, custom=custom), who)
    return ended


# Leaked


@dataclass(frozen=True, slots=True)
class Leak:
    """What became of one text: `unknown` is no token of this installation; `ended` was without effect before."""

    outcome: Literal["revoked", "ended", "unknown", "not-a-token"]
    token: str | None = None


def revoke_leaked(
    tx: Transaction, log: EventLog, secrets: Sequence[str], *, where: str, address: str, origin: Origin
) -> list[Leak]:
    """End the tokens with these secrets. `where` is where they were found, for the event. Nobody needs to be signed in:
    who has a token could do anything with it that it allows, so he may as well end it."""
    who = Actor("unknown", "finder", "user", origin, address=address)
    return [_revoke_leaked(tx, log, who, secret.strip(), where) for secret in secrets]


def _revoke_leaked(tx: Transaction, log: EventLog, who: Actor, secret: str, where: str) -> Leak:
    if not looks_like_token(secret):
        return Leak("not-a-token")
    found = store.token_by_digest(tx, digest(secret))
    if found is None:
        return Leak("unknown")
    why = f"leaked: {where[:500]}" if where else "leaked"
    return Leak("revoked" if _end(tx, log, who, *found, why) else "ended", found[0].id)
