"""Who makes this request: a Bearer token, or a portal session with its CSRF token on whatever changes something.

Every route depends on `signed_in`; the few that do not are listed in a test.
"""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from fastapi import Request

from highroad.access import actions, store, token_actions
from highroad.access.model import Actor, Origin, Session
from highroad.access.permissions import NotSignedIn
from highroad.access.second_factor import actions as second_factor
from highroad.access.second_factor import store as second_factors
from highroad.access.second_factor.actions import MissingSecondFactor
from highroad.access.secrets import digest
from highroad.db.engine import DatabaseUnavailable
from highroad.errors import Forbidden, Malformed
from highroad.kit.clock import now
from highroad.web.context import Context
from highroad.web.declared import known
from highroad.web.request_ids import request_id

COOKIE = "highroad_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Its name over https: browsers take it only from this very host (RFC 6265bis, 4.1.3.2), so that no app below the same
domain can plant a session of its own."""
SEEN_EVERY = timedelta(minutes=1)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class TwoSessions(Malformed):
    code = "two-session-cookies"
    title = "The browser sent two sessions"


class BadCsrf(Forbidden):
    code = "bad-csrf-token"
    title = "The form is out of date"


def client_address(request: Request) -> str:
    """The person's address. The control plane listens on a Unix socket that only our router reaches, so the last
    entry of X-Forwarded-For is the router's own word."""
    forwarded = request.headers.get("x-forwarded-for", "")
    return forwarded.rsplit(",", 1)[-1].strip()[:64] or (request.client.host if request.client else "local")


def is_secure(request: Request) -> bool:
    """Whether the browser speaks https, which may end in front of us."""
    return request.headers.get("x-forwarded-proto", request.url.scheme) == "https"


def cookie_name(request: Request) -> str:
    return SECURE_COOKIE if is_secure(request) else COOKIE


def session_cookie(request: Request) -> str | None:
    """The secret of the session that the browser came with. Raises `TwoSessions`: one of two is not from us."""
    return sole_cookie(request, cookie_name(request))


def sole_cookie(request: Request, name: str) -> str | None:
    """As `session_cookie`, for any cookie of ours that holds a secret."""
    pairs = (pair.partition("=") for line in request.headers.getlist("cookie") for pair in line.split(";"))
    if sum(key.strip() == name for key, _, _ in pairs) > 1:
        raise TwoSessions(
            "One of them was set by somebody else, perhaps by an app below the same domain.",
            next_step="Remove this site's cookies in the browser and sign in again.",
        )
    return request.cookies.get(name)


def origin_of(request: Request) -> Origin:
    return "cli" if request.headers.get("user-agent", "").startswith("highroad/") else "api"


def bearer(request: Request) -> str | None:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.strip() else None


def signed_in(context: Context) -> Callable[[Request], Actor]:
    """The dependency that gives a route its `Actor`, or answers 401."""
    known = perhaps_signed_in(context)

    def dependency(request: Request) -> Actor:
        actor = known(request)
        if actor is None:
            raise NotSignedIn(
                "This needs a token.", next_step="highroad login URL, or send Authorization: Bearer hr_..."
            )
        return actor

    return dependency


def perhaps_signed_in(context: Context) -> Callable[[Request], Actor | None]:
    """As `signed_in`, for open routes that tell more to those they know. A token that does not hold is 401 here too."""

    def dependency(request: Request) -> Actor | None:
        secret = bearer(request)
        if secret is not None:
            actor = authenticate(context, secret, origin=origin_of(request), address=client_address(request))
            return known(request, replace(actor, request=request_id(request)))
        cookie = session_cookie(request)
        of_session = session_actor(context, request, cookie) if cookie else None
        return known(request, of_session) if of_session else None

    return dependency


def authenticate(context: Context, secret: str, *, origin: Origin, address: str) -> Actor:
    with context.db.read() as tx:
        actor = actions.authenticate(tx, secret, origin=origin, address=address)
        found = store.token_by_digest(tx, digest(secret))
    if found is not None and token_actions.stale_last_use(found[0]):
        # A full disk or a long lock must not keep people from reading for the sake of this note.
        with contextlib.suppress(DatabaseUnavailable), context.db.begin() as tx:
            store.touch_token(tx, found[0].id, address=address, origin=origin)
    return actor


def session_actor(context: Context, request: Request, cookie: str) -> Actor | None:
    """The portal's actor; on a changing request the CSRF token must come with it, as header or form field."""
    with context.db.read() as tx:
        found = actions.actor_of_session(tx, cookie, address=client_address(request))
    if found is None:
        return None
    actor, session = found
    note_use(context, session, client_address(request))
    require_second_factor(context, actor)
    request.state.csrf = session.csrf
    if request.method not in SAFE_METHODS and not hmac.compare_digest(
        request.headers.get("x-csrf-token", "").encode(), session.csrf.encode()
    ):
        raise BadCsrf(
            "The request did not carry this session's CSRF token.", next_step="Reload the page and try again."
        )
    return replace(actor, request=request_id(request))


def note_use(context: Context, session: Session, address: str) -> None:
    """When and where a session was last seen, to the minute."""
    if session.last_seen_at is not None and now() - session.last_seen_at < SEEN_EVERY and session.address == address:
        return
    with contextlib.suppress(DatabaseUnavailable), context.db.begin() as tx:
        store.touch_session(tx, session.id, address=address)


def require_second_factor(context: Context, actor: Actor) -> None:
    """Raise `MissingSecondFactor` for somebody of whom the installation wants a second factor, until there is one."""
    if not second_factor.required(context.settings.second_factor, actor):
        return
    with context.db.read() as tx:
        if second_factors.has_factor(tx, actor.id):
            return
    raise MissingSecondFactor(
        "This installation wants a second factor of you.", next_step="Set it up: Your account, Second factor."
    )
