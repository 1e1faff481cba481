"""What several forms of these pages have in common."""

from __future__ import annotations

from highroad.errors import Invalid
from highroad.web.forms import Form

LONGEST_LIFE = 3650
"""Days of a token."""


def days_of(form: Form) -> int | None:
    """The field `days` of a form for a token; None when it is empty: it does not expire."""
    days = form.number("days")
    if days is not None and not 1 <= days <= LONGEST_LIFE:
        raise Invalid(
            f"A token lives 1 to {LONGEST_LIFE} days.", next_step="Leave it empty for one that never expires."
        )
    return days
