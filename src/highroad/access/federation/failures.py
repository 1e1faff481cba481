"""What can go wrong with an identity provider, as errors with what to do next. Raised by this package and by `trust`.

A provider is somebody else's server: what it answers is never repeated whole, because it may hold a code or a token.
"""

from __future__ import annotations

from highroad.access.permissions import NotSignedIn
from highroad.errors import Conflict, Forbidden, HighroadError, Invalid, NotFound, Unavailable


class BadProvider(Invalid):
    code = "bad-sign-in-provider"
    title = "The sign-in provider cannot be set up like this"


class NoSuchProvider(NotFound):
    code = "no-such-sign-in-provider"
    title = "There is no such sign-in provider"


class ProviderExists(Conflict):
    code = "sign-in-provider-exists"
    title = "There is a sign-in provider of this name"


class ProviderUnreachable(Unavailable):
    code = "provider-unreachable"
    title = "The identity provider does not answer"


class ProviderMisbehaves(HighroadError):
    """Status 502: we asked it for the caller's sake, and what came back cannot be used."""

    status = 502
    code = "provider-misbehaves"
    title = "The identity provider answers what Highroad cannot accept"


class BadIdToken(NotSignedIn):
    code = "bad-id-token"
    title = "The identity token cannot be accepted"


class StaleSignIn(NotSignedIn):
    code = "stale-sign-in"
    title = "This sign-in cannot be finished"


class ProviderRefused(Forbidden):
    code = "provider-refused"
    title = "The identity provider did not sign you in"


class NotInvited(Forbidden):
    code = "not-invited"
    title = "You are not a user of this installation"


class EmailNotTrusted(Forbidden):
    code = "email-not-trusted"
    title = "Your email address is not accepted from this provider"


class ProviderNotVouched(Forbidden):
    code = "provider-not-vouched"
    title = "This provider may not sign you in"


class UserDeactivated(Forbidden):
    code = "user-deactivated"
    title = "Your user is deactivated"
