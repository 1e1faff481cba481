"""Checks cron expressions when they are read, not when they would first fire. Used by `config`.

Five fields as in crontab(5): minute, hour, day of month, month, day of week; lists, ranges, steps, and English names
for months and days.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_PART = re.compile(r"(?:\*|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\d{1,3}))?", re.ASCII)


def flaw(expression: str) -> str | None:
    """What is wrong with a cron expression, in words, or None when it can fire."""
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        return f"a schedule has five fields (minute hour day month weekday, as '0 3 * * *'), not {len(parts)}"
    for text, (name, least, most, names) in zip(parts, _FIELDS, strict=True):
        for part in text.split(","):
            if not _fits(part, least, most, names):
                return f"{part[:40]!r} is not a {name} ({least} to {most})"
    if parts[4] == "*" and not _ever_comes(parts[2], parts[3]):  # with weekdays, either may fire
        return "this day never comes"
    return None


def _ever_comes(days: str, months: str) -> bool:
    """Whether one of the months has one of the days; `29 2` comes in leap years."""
    earliest = min(_values(days, 1, 31, ()))
    return any(earliest <= _LONGEST_MONTH.get(month, 31) for month in _values(months, 1, 12, _MONTHS))


def _values(text: str, least: int, most: int, names: Sequence[str]) -> set[int]:
    """All numbers that a field which `_fits` stands for."""
    found: set[int] = set()
    for match in (_PART.fullmatch(part) for part in text.split(",")):
        assert match is not None, "checked before"
        low, high = match["low"], match["high"] or match["low"]
        first, last = (least, most) if low is None else (_number(low, least, names), _number(high, least, names))
        assert first is not None, "checked before"
        assert last is not None, "checked before"
        found |= set(range(first, last + 1, int(match["step"] or 1)))
    return found


def _fits(part: str, least: int, most: int, names: Sequence[str]) -> bool:
    match = _PART.fullmatch(part)
    if match is None or (match["step"] is not None and not 1 <= int(match["step"]) <= most):
        return False
    if match["low"] is None:
        return True
    # A step after a single number ("5/15") is read differently from one cron to the next.
    if match["step"] is not None and match["high"] is None:
        return False
    low, high = _number(match["low"], least, names), _number(match["high"] or match["low"], least, names)
    return low is not None and high is not None and least <= low <= high <= most


def _number(text: str, least: int, names: Sequence[str]) -> int | None:
    if text.lower() in names:
        return names.index(text.lower()) + least
    return int(text) if text.isdigit() and len(text) < 4 else None
