"""Errors of drivers that a person can meet; what a workflow may retry is `Temporary` and `Permanent` instead."""

from __future__ import annotations

from highroad.errors import Malformed, Unavailable


class BadCursor(Malformed):
    code = "bad-log-cursor"
    title = "The position in the log cannot be understood"


class SupervisorFailed(Unavailable):
    """supervisord cannot be started."""

    code = "supervisor-failed"
    title = "The process supervisor does not start"
