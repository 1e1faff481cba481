"""Times on a calendar with a time zone: when a freeze or a deployment window begins, ends and comes next. Pure.

A rule is one line as people write it, in the local time of the calendar's zone:

    2026-12-19 18:00 - 2027-01-04 08:00     once
    fri 16:00 - mon 08:00                   every week
    mon-fri 09:00-17:00                     on each of these days; 22:00-06:00 ends on the next day
    sat,sun                                 whole days
    daily 00:00-06:00
    day 1,15 08:00-12:00                    on days of the month; `day last` is the last one
    dec 20 - jan 3                          every year, both days whole

A time lasts from the first moment at which the clock on the wall shows its begin, or has leapt past it, to the last
moment at which the clock shows its end: an hour that summer time skips is not there, one that it repeats counts twice.
Begins belong to it, ends do not. Overlapping and adjoining times are one. What an exception covers is taken out.
"""

from __future__ import annotations

import calendar as months
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from highroad.errors import FieldError, Invalid

MOST_RULES = 50
LONGEST_RULE = 200
HORIZON = timedelta(days=5 * 366)
"""How far ahead the next change is looked for."""
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY = timedelta(days=1)
_MIDNIGHT = time()


class BadCalendar(Invalid):
    code = "bad-calendar"
    title = "The calendar cannot be read"


@dataclass(frozen=True, slots=True)
class Span:
    """From `begins` up to, not including, `ends`; in UTC."""

    begins: datetime
    ends: datetime

    def __contains__(self, at: object) -> bool:
        return isinstance(at, datetime) and self.begins <= at < self.ends


@dataclass(frozen=True, slots=True)
class Calendar:
    """`zone` is an IANA name; `rules` and `exceptions` are lines as above. Made by `calendar`, which checks them."""

    zone: str
    rules: tuple[str, ...]
    exceptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether an instant lies in one of a calendar's times, and when that changes: None when it does not within five
    years."""

    inside: bool
    until: datetime | None


def calendar(zone: str, rules: Sequence[str], exceptions: Sequence[str] = ()) -> Calendar:
    """Raises `BadCalendar` naming the line that is wrong."""
    made = Calendar(zone.strip(), tuple(_clean(rules)), tuple(_clean(exceptions)))
    if not made.rules or len(made.rules) + len(made.exceptions) > MOST_RULES:
        raise _bad("/rules", f"It takes 1 to {MOST_RULES} lines.", "For example: fri 16:00 - mon 08:00")
    _zone(made.zone)
    for name, lines in (("rules", made.rules), ("exceptions", made.exceptions)):
        for number, line in enumerate(lines):
            _parsed(line, f"/{name}/{number}")
    return made


def standing(calendar: Calendar, at: datetime) -> Standing:
    """Looks near first, because most calendars change within days; what only repeats has shown all of it in a year."""
    lines = (*calendar.rules, *calendar.exceptions)
    rare = any(_parsed(line, "/rules").once is not None or "feb 29" in line.lower() for line in lines)
    for ahead in (timedelta(days=9), timedelta(days=400), *([HORIZON] if rare else [])):
        found = spans(calendar, at - _DAY, at + ahead)
        inside = next((each for each in found if at in each), None)
        if inside is not None and inside.ends < at + ahead:
            return Standing(True, inside.ends)
        following = next((each for each in found if each.begins > at), None)
        if inside is None and following is not None:
            return Standing(False, following.begins)
    return Standing(inside is not None, None)


def spans(calendar: Calendar, since: datetime, until: datetime) -> list[Span]:
    """The calendar's times that reach into `since` to `until`, in order, merged, clipped to it, without exceptions."""
    zone = _zone(calendar.zone)
    wanted = _merged(_between(calendar.rules, zone, since, until))
    excepted = _merged(_between(calendar.exceptions, zone, since, until))
    left = [piece for each in wanted for piece in _without(each, excepted)]
    clipped = (Span(max(each.begins, since), min(each.ends, until)) for each in left)
    return [each for each in clipped if each.begins < each.ends]


def in_zone(at: datetime, zone: str, now: datetime) -> str:
    """`Mon 08:00 Europe/Berlin`, with the date when it is not within six days, with the year when it is another one."""
    local, present = at.astimezone(_zone(zone)), now.astimezone(_zone(zone))
    near = timedelta() <= at - now < timedelta(days=6)
    day = "" if near else f" {local.day} {local:%b}" + ("" if local.year == present.year else f" {local.year}")
    return f"{local:%a}{day} {local:%H:%M} {zone}"


# Wall clocks


@lru_cache(maxsize=4096)
def _zone(name: str) -> ZoneInfo:
    try:
        if name != name.strip() or not re.fullmatch(r"[A-Za-z0-9_+\-/]{1,60}", name):
            raise ValueError(name)
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _bad(
            "/zone", f"There is no time zone {name[:60]!r}.", "Use an IANA name such as Europe/Berlin, or UTC."
        ) from error


def instant(local: datetime, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """The moment at which the clock on the wall first shows `local` or has leapt past it; with `last`, the last one."""
    early, late = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early <= late:
        return late if last else early
    return _leap(zone, late, early)  # in a gap, fold 1 reads the offset after it and comes out before it


def _leap(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second at which the offset changes between two instants."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


# Rules: each gives local begins and ends for a day on which it may begin

Occurrences = Callable[[date], Iterator[tuple[datetime, datetime]]]
"""The times that begin on a local day."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """`longest` is how long before an instant a time can have begun that still lasts then."""

    begins_on: Occurrences
    longest: timedelta
    once: tuple[datetime, datetime] | None = None


def _between(lines: Iterable[str], zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[Span]:
    for line in lines:
        rule = _parsed(line, "/rules")
        if rule.once is not None:
            local: Iterable[tuple[datetime, datetime]] = [rule.once]
        else:
            first = (since - rule.longest).astimezone(zone).date() - _DAY
            count = (until.astimezone(zone).date() - first).days + 2
            local = (each for number in range(count) for each in rule.begins_on(first + number * _DAY))
        for begins, ends in local:
            span = Span(instant(begins, zone), instant(ends, zone, last=True))
            if span.begins < until and span.ends > since:
                yield span


def _merged(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for each in sorted(spans, key=lambda span: (span.begins, span.ends)):
        if each.begins >= each.ends:
            continue
        if found and each.begins <= found[-1].ends:
            found[-1] = Span(found[-1].begins, max(found[-1].ends, each.ends))
        else:
            found.append(each)
    return found


def _without(span: Span, taken: Sequence[Span]) -> Iterator[Span]:
    """What is left of `span`; `taken` is merged."""
    begins = span.begins
    for each in taken:
        if each.ends <= begins or each.begins >= span.ends:
            continue
        if each.begins > begins:
            yield Span(begins, each.begins)
        begins = max(begins, each.ends)
    if begins < span.ends:
        yield Span(begins, span.ends)


# Reading

_TIME = r"(?:[01]?\d|2[0-3]):[0-5]\d|24:00"
_ONCE = re.compile(
    rf"(?P<first>\d{{4}}-\d\d-\d\d)(?:[ T](?P<begin>{_TIME}))?"
    rf"(?: (?:-|to) (?P<last>\d{{4}}-\d\d-\d\d)(?:[ T](?P<end>{_TIME}))?)?"
)
_ACROSS = re.compile(rf"(?P<first>[a-z]{{3}}) (?P<begin>{_TIME}) (?:-|to) (?P<last>[a-z]{{3}}) (?P<end>{_TIME})")
_DAYS = re.compile(rf"(?P<days>daily|[a-z]{{3}}(?:[-,][a-z]{{3}})*)(?: (?P<begin>{_TIME}) ?- ?(?P<end>{_TIME}))?")
_OF_MONTH = re.compile(
    rf"day (?P<days>(?:\d{{1,2}}|last)(?:,(?:\d{{1,2}}|last))*)(?: (?P<begin>{_TIME}) ?- ?(?P<end>{_TIME}))?"
)
_YEARLY = re.compile(
    rf"(?P<first>[a-z]{{3}} \d{{1,2}})(?: (?P<begin>{_TIME}))? (?:-|to) "
    rf"(?P<last>[a-z]{{3}} \d{{1,2}})(?: (?P<end>{_TIME}))?"
)


def _clean(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        text = " ".join(line.split())
        if text:
            yield text


@lru_cache(maxsize=4096)
def _read(line: str) -> _Rule | str:
    """The rule, or what is wrong with the line."""
    text = line.lower().replace(" – ", " - ")
    if len(text) > LONGEST_RULE:
        return "is too long"
    for pattern, make in _FORMS:
        match = pattern.fullmatch(text)
        if match is not None:
            try:
                return make(match)
            except ValueError as error:
                return str(error)
    return "is none of the forms that a calendar knows"


def _parsed(line: str, pointer: str) -> _Rule:
    found = _read(line)
    if isinstance(found, str):
        raise _bad(
            pointer,
            f"{line[:80]!r} {found}.",
            "Write it like: fri 16:00 - mon 08:00, mon-fri 09:00-17:00, 2026-12-19 - 2027-01-04, dec 20 - jan 3",
        )
    return found


def _once(match: re.Match[str]) -> _Rule:
    first = date.fromisoformat(match["first"].upper())
    last = date.fromisoformat(match["last"].upper()) if match["last"] else first
    if not match["last"] and match["begin"]:
        raise ValueError("has a begin and no end")
    if not (2000 <= first.year <= 9000 and 2000 <= last.year <= 9000):
        raise ValueError("is outside of the years 2000 to 9000")
    begins = _at(first, match["begin"] or "00:00")
    ends = _at(last, match["end"] or "24:00")
    if not begins < ends:
        raise ValueError("ends before it begins")
    return _Rule(lambda _day: iter(()), timedelta(), once=(begins, ends))


def _across(match: re.Match[str]) -> _Rule:
    first, last = _weekday(match["first"]), _weekday(match["last"])
    days = (last - first) % 7
    if days == 0 and _moment(match["end"]) <= _moment(match["begin"]):
        days = 7
    return _repeating(lambda day: day.weekday() == first, match["begin"], match["end"], days)


def _days(match: re.Match[str]) -> _Rule:
    chosen = frozenset(range(7)) if match["days"] == "daily" else _weekdays(match["days"])
    return _daily(lambda day: day.weekday() in chosen, match)


def _of_month(match: re.Match[str]) -> _Rule:
    names = match["days"].split(",")
    numbers = {int(name) for name in names if name != "last"}
    if not numbers <= set(range(1, 32)):
        raise ValueError("has a day that no month has")

    def chosen(day: date) -> bool:
        is_last = day.day == months.monthrange(day.year, day.month)[1]
        return day.day in numbers or (is_last and "last" in names)

    return _daily(chosen, match)


def _daily(chosen: Callable[[date], bool], match: re.Match[str]) -> _Rule:
    begin, end = match["begin"] or "00:00", match["end"] or "24:00"
    return _repeating(chosen, begin, end, 0 if _moment(end) > _moment(begin) else 1)


def _repeating(chosen: Callable[[date], bool], begin: str, end: str, days: int) -> _Rule:
    def begins_on(day: date) -> Iterator[tuple[datetime, datetime]]:
        if chosen(day):
            yield _at(day, begin), _at(day + days * _DAY, end)

    return _Rule(begins_on, (days + 2) * _DAY)


def _yearly(match: re.Match[str]) -> _Rule:
    first, last = _date_in_year(match["first"]), _date_in_year(match["last"])
    begin, end = match["begin"] or "00:00", match["end"] or "24:00"
    wraps = (*last, _moment(end)) <= (*first, _moment(begin))

    def begins_on(day: date) -> Iterator[tuple[datetime, datetime]]:
        if (day.month, day.day) == _real(first, day.year):
            year = day.year + wraps
            yield _at(day, begin), _at(date(year, *_real(last, year)), end)

    return _Rule(begins_on, timedelta(days=368))


def _real(day: tuple[int, int], year: int) -> tuple[int, int]:
    """29 February is the 28th where there is none."""
    return (day[0], min(day[1], months.monthrange(year, day[0])[1]))


def _date_in_year(text: str) -> tuple[int, int]:
    name, _, number = text.partition(" ")
    if name not in _MONTHS:
        raise ValueError(f"has {name!r}, which is no month")
    month = _MONTHS.index(name) + 1
    if not 1 <= int(number) <= months.monthrange(2024, month)[1]:
        raise ValueError(f"has a day that {name} does not have")
    return month, int(number)


def _weekday(name: str) -> int:
    if name not in _WEEKDAYS:
        raise ValueError(f"has {name!r}, which is no day of the week")
    return _WEEKDAYS.index(name)


def _weekdays(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin = _weekday(first)
        found |= {(begin + step) % 7 for step in range((_weekday(last or first) - begin) % 7 + 1)}
    return frozenset(found)


def _moment(text: str) -> int:
    """Minutes after midnight; 24:00 is 1440."""
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _at(day: date, text: str) -> datetime:
    return datetime.combine(day, _MIDNIGHT) + timedelta(minutes=_moment(text))


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], _Rule]], ...] = (
    (_ONCE, _once),
    (_ACROSS, _across),
    (_OF_MONTH, _of_month),
    (_YEARLY, _yearly),
    (_DAYS, _days),
)


def _bad(pointer: str, detail: str, next_step: str) -> BadCalendar:
    return BadCalendar(detail, next_step=next_step, errors=[FieldError(pointer, detail)])
