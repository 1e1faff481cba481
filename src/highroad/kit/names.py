"""Names of projects, services, environments and processes: DNS labels, because they become host names."""

from __future__ import annotations

import re

from highroad.errors import FieldError, Invalid

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class NotALabel(Invalid):
    code = "not-a-label"
    title = "This name cannot become a host name"


def is_label(name: str) -> bool:
    """True for an RFC 1123 label: 1 to 63 of a-z, 0-9 and '-', with no '-' at either end."""
    return _LABEL.fullmatch(name) is not None


def to_label(text: str) -> str:
    """The nearest label to a free text, or an empty string when none of its characters can be used."""
    return re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9]+", "-", text.lower())).strip("-")[:63].strip("-")


def require_label(name: str, *, field: str) -> str:
    """Return `name`, or raise `NotALabel` naming the field and the nearest name that would do."""
    if is_label(name):
        return name
    nearest = to_label(name)
    raise NotALabel(
        f"{field} {name[:80]!r} is not a DNS label (1 to 63 of a-z, 0-9 and '-', no '-' at either end).",
        next_step=f"Use {nearest!r} instead." if nearest else "Choose a name of lower-case letters and digits.",
        errors=[FieldError(f"/{field}", "must be a DNS label")],
    )
