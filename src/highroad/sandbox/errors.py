"""What can go wrong before a command runs at all. Raised by `level` and `prepare`."""

from __future__ import annotations

from highroad.errors import Invalid, Unavailable


class NoIsolation(Unavailable):
    """The machine separates nothing, and nobody said that this is acceptable."""

    code = "no-isolation"
    title = "This machine cannot keep apps apart"


class CannotStart(Invalid):
    """The confinement asks for something that does not exist here."""

    code = "sandbox-cannot-start"
    title = "The command cannot be started in its sandbox"
