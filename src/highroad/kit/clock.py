"""Time as a value: cores take instants, edges ask a `Clock`. All instants are aware and in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def rfc3339(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`, e.g. `2026-11-22T23:07:20.000001Z`; sorts as text."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
