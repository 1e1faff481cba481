"""Failures of the command line's own, and how any failure ends: an exit code, and three lines or a problem document.

Called by `boundary`, the only place that prints errors. The exit codes are part of the public interface.
"""

from __future__ import annotations

from highroad.client.problems import ApiProblem, Json
from highroad.errors import HighroadError, Invalid

FAILED, USAGE, NOT_SIGNED_IN, NOT_FOUND, CONFLICT, UNREACHABLE, INTERRUPTED = 1, 2, 3, 4, 5, 6, 130

_TYPES = "https://highroad.dev/problems/"
_EXIT_BY_STATUS = {
    400: USAGE,
    401: NOT_SIGNED_IN,
    404: NOT_FOUND,
    409: CONFLICT,
    410: NOT_FOUND,
    412: CONFLICT,
    413: USAGE,
    422: USAGE,
    502: UNREACHABLE,
    503: UNREACHABLE,
    504: UNREACHABLE,
}


class Usage(Invalid):
    code = "usage"
    title = "This command line is not understood"


class NoTarget(Usage):
    code = "no-target"
    title = "Which service do you mean?"


class OperationFailed(HighroadError):
    """A run, deployment or command came to a bad end; `headline` names it."""

    code = "operation-failed"
    title = "The operation failed"

    def __init__(self, headline: str, detail: str, *, next_step: str) -> None:
        super().__init__(detail, next_step=next_step)
        self.headline = headline


class Detached(HighroadError):
    """Ctrl-C while following: only we stopped."""

    code = "detached"
    title = "Detached"


class Crash(HighroadError):
    code = "crash"
    title = "The command line met something unforeseen"


def exit_code(error: HighroadError) -> int:
    if isinstance(error, Detached):
        return INTERRUPTED
    if isinstance(error, OperationFailed):
        return FAILED
    status = error.answered if isinstance(error, ApiProblem) else error.status
    return _EXIT_BY_STATUS.get(status, FAILED)


def headline(error: HighroadError) -> str:
    if isinstance(error, ApiProblem):
        return error.problem_title
    return error.headline if isinstance(error, OperationFailed) else error.title


def as_lines(error: HighroadError) -> list[str]:
    """What, why, what next. Several wrong fields follow the why, one a line."""
    fields = [f"       {each.pointer}: {each.detail}" for each in error.errors] if len(error.errors) > 1 else []
    return [f"Error: {headline(error)}", f"Why:   {error.detail}", *fields, f"Next:  {error.next_step}"]


def as_document(error: HighroadError) -> Json:
    """RFC 9457 problem details; what the API sent is passed on as it is."""
    if isinstance(error, ApiProblem):
        return error.document
    return {
        "type": f"{_TYPES}{error.code}",
        "title": headline(error),
        # No answer of HTTP stands behind an operation that came to a bad end, or behind Ctrl-C.
        **({} if isinstance(error, OperationFailed | Detached) else {"status": error.status}),
        "code": error.code,
        "detail": error.detail,
        "next_step": error.next_step,
        "errors": [{"pointer": each.pointer, "detail": each.detail} for each in error.errors],
    }
