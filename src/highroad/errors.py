"""The root of every error that a person can meet.

An error carries an HTTP status, a stable code, a title, a detail about this case and, always, what to do next. It is
rendered in one place per surface: problem details (RFC 9457) by the API, a page by the portal, three lines on stderr
by the CLI, a `remote:` line by the Git server. Slices subclass the families below, one class per situation.

`Temporary` and `Permanent` are how a driver or an integration tells a workflow whether a retry can help; foreign
exceptions are translated at that seam and chained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple


class FieldError(NamedTuple):  # importing dataclasses would cost every push, whose credential helper needs this, 10 ms
    """One wrong field: `pointer` is a JSON pointer (RFC 6901) or a file path with a line; `detail` says what."""

    pointer: str
    detail: str


class HighroadError(Exception):
    """Base of all errors shown to people. `code` ends the problem type URI and is stable across releases."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong inside Highroad"

    def __init__(
        self,
        detail: str,
        *,
        next_step: str,
        errors: Sequence[FieldError] = (),
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.next_step = next_step
        self.errors = tuple(errors)
        self.extra = dict(extra or {})


class Invalid(HighroadError):
    status = 422
    code = "invalid"
    title = "The input is not valid"


class Malformed(HighroadError):
    status = 400
    code = "malformed"
    title = "The request cannot be understood"


class Unauthenticated(HighroadError):
    status = 401
    code = "unauthenticated"
    title = "Sign in first"


class Forbidden(HighroadError):
    status = 403
    code = "forbidden"
    title = "You may not do this"


class NotFound(HighroadError):
    status = 404
    code = "not-found"
    title = "Not found"


class Conflict(HighroadError):
    status = 409
    code = "conflict"
    title = "This conflicts with the present state"


class Outdated(HighroadError):
    status = 412
    code = "outdated"
    title = "Somebody changed this in the meantime"


class TooLarge(HighroadError):
    status = 413
    code = "too-large"
    title = "Too large"


class TooMany(HighroadError):
    status = 429
    code = "too-many"
    title = "Too many attempts"


class Unavailable(HighroadError):
    status = 503
    code = "unavailable"
    title = "Not available at the moment"


class Temporary(Exception):
    """A driver's or integration's failure that a retry can cure (engine restarting, connection refused)."""


class Permanent(Exception):
    """A driver's or integration's failure that no retry cures (image does not exist, command not found)."""

    def __init__(self, detail: str, *, next_step: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.next_step = next_step
