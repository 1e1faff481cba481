"""Time as a value: cores take instants, edges ask a `Clock`. All instants are aware and in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z


def now() -> datetime:
    return datetime.now(UTC)


def rfc3339(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`, e.g. `2026-11-22T23:07:20.000001Z`; sorts as text."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> datetime:
    """The instant in UTC; one without an offset counts as UTC. Raises `ValueError` for all that is no instant."""
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:  # an offset that leads out of the calendar
        raise ValueError(f"{text[:40]!r} is outside of the calendar") from error


def from_unix(text: str) -> datetime:
    """The instant so many whole seconds after 1970, at most the end of the year 9999; 1970 for all other texts."""
    if not (text.isascii() and text.isdigit()):
        return EPOCH
    return EPOCH + timedelta(seconds=min(int(text[:18]), _LAST_SECOND))
