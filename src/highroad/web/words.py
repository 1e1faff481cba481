"""Values as the portal's pages say them: instants, durations, event types. Filters of the templates, pure."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup, escape

from highroad.kit.clock import rfc3339

_UNITS = (("year", 31_536_000), ("month", 2_592_000), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def ago(instant: datetime, at: datetime) -> str:
    """The distance from `at` in its largest unit: `3 minutes ago`, `in 2 days`, `just now` below ten seconds."""
    left = abs((at - instant).total_seconds())
    if left < 10:
        return "just now"
    unit, size = next((unit, size) for unit, size in _UNITS if left >= size)
    # What was is counted in whole units; what will be is rounded, or 90 days would be `in 2 months` a second later.
    count = round(left / size) if instant > at else int(left // size)
    text = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"in {text}" if instant > at else f"{text} ago"


def time_element(instant: datetime | str | None, at: datetime) -> Markup:
    """A `<time>` with the relative words, the instant for programs, and the full date as its title."""
    if instant is None:
        return Markup("")
    moment = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    title = moment.astimezone(UTC).strftime("%d %B %Y, %H:%M:%S UTC").lstrip("0")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(rfc3339(moment), title, ago(moment, at))


def duration(seconds: float | None) -> str:
    """`0.42 s`, `12 s`, `3 min 5 s`, `2 h 10 min`; empty for None."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock(at: str) -> Markup:
    """The time of day of a log line (RFC 3339 in UTC); the browser puts it into the reader's own zone."""
    return Markup('<time datetime="{}">{}</time>').format(at, escape(at[11:19]))


def short_type(type: str) -> str:
    """`service.deployed` of `dev.cdevents.service.deployed.0.3.0`: the namespace and the version say nothing here."""
    parts = type.removeprefix("dev.cdevents.").removeprefix("dev.cdeventsx.highroad-").split(".")
    return ".".join(part for part in parts if not part.isdigit())


def first_line(text: str) -> str:
    return text.split("\n", 1)[0]
