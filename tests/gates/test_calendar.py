"""Calendars: forms, zones, edges, summer time, exceptions, and what comes next; compared with a clock on the wall."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from highroad.gates.calendar import BadCalendar, Calendar, Span, calendar, in_zone, instant, spans, standing

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "UTC")
MINUTE = timedelta(minutes=1)


def at(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def inside(text: str, *rules: str, zone: str = "Europe/Berlin", exceptions: tuple[str, ...] = ()) -> bool:
    return standing(calendar(zone, rules, exceptions), at(text, zone)).inside


@pytest.mark.parametrize(
    ("rule", "within", "without"),
    [
        ("fri 16:00 - mon 08:00", "2026-11-27 16:00", "2026-11-27 15:59"),
        ("fri 16:00 - mon 08:00", "2026-11-30 07:59", "2026-11-30 08:00"),
        ("fri 16:00 to mon 08:00", "2026-11-28 12:00", "2026-12-01 12:00"),
        ("mon-fri 09:00-17:00", "2026-11-27 09:00", "2026-11-27 17:00"),
        ("mon-fri 9:00 - 17:00", "2026-11-24 09:00", "2026-11-28 12:00"),
        ("sat,sun", "2026-11-28 00:00", "2026-11-30 00:00"),
        ("fri-mon", "2026-11-30 23:59", "2026-12-01 00:00"),
        ("daily 22:00-06:00", "2026-11-28 05:59", "2026-11-28 06:00"),
        ("wed 12:00 - wed 11:00", "2026-12-02 10:59", "2026-12-02 11:00"),
        ("day 1,15 08:00-12:00", "2026-12-15 08:00", "2026-12-14 08:00"),
        ("day last", "2027-02-28 10:00", "2027-02-27 10:00"),
        ("dec 20 - jan 3", "2027-01-03 23:59", "2027-01-04 00:00"),
        ("dec 20 - jan 3", "2026-12-20 00:00", "2026-12-19 23:59"),
        ("dec 24 12:00 - dec 26 18:00", "2026-12-24 12:00", "2026-12-26 18:00"),
        ("feb 29 - mar 1", "2027-02-28 10:00", "2027-03-02 00:00"),
        ("2026-12-19 18:00 - 2027-01-04 08:00", "2026-12-19 18:00", "2027-01-04 08:00"),
        ("2026-12-24", "2026-12-24 23:59", "2026-12-25 00:00"),
    ],
)
def test_each_form_has_its_begin_and_not_its_end(rule: str, within: str, without: str) -> None:
    assert inside(within, rule)
    assert not inside(without, rule)


@pytest.mark.parametrize(
    "rule",
    [
        "", "sometimes", "mon 09:00", "fri 25:00 - mon 08:00", "xyz 09:00-17:00", "mon-xyz", "2026-13-01", "2026-02-30",
        "2026-12-24 - 2026-12-20", "2026-12-24 10:00", "day 32", "feb 30 - mar 1", "foo 1 - mar 1", "0001-01-01",
        "9999-12-31", "mon-fri 09:00-17:00;drop", "x" * 500, "mon 09:60-10:00", "day 0",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_line(rule: str) -> None:
    with pytest.raises(BadCalendar) as refused:
        calendar("UTC", [rule])
    assert refused.value.next_step


@pytest.mark.parametrize(
    "zone", ["", "Mars/Phobos", "../../etc/passwd", "Europe", " UTC x", "/etc/localtime", "a" * 99]
)
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(BadCalendar, match="time zone"):
        calendar(zone, ["daily 09:00-10:00"])


def test_a_calendar_has_some_lines_and_not_hundreds() -> None:
    for rules in ([], ["  "], ["daily"] * 51):
        with pytest.raises(BadCalendar, match="1 to 50"):
            calendar("UTC", rules)


def test_exceptions_are_taken_out_also_in_the_middle() -> None:
    times = calendar("UTC", ["2026-12-19 - 2026-12-22"], ["2026-12-20 10:00 - 2026-12-20 12:00"])
    found = spans(times, at("2026-12-01", "UTC"), at("2027-01-01", "UTC"))
    assert [(each.begins.day, each.begins.hour, each.ends.day, each.ends.hour) for each in found] == [
        (19, 0, 20, 10),
        (20, 12, 23, 0),
    ]


def test_adjoining_times_are_one() -> None:
    times = calendar("Europe/Berlin", ["mon-fri 08:00-12:00", "mon-fri 12:00-18:00", "mon 17:00-20:00"])
    assert standing(times, at("2026-11-30 09:00")).until == at("2026-11-30 20:00")


def test_it_says_when_it_ends_and_when_the_next_one_begins() -> None:
    times = calendar("Europe/Berlin", ["fri 16:00 - mon 08:00"])
    assert standing(times, at("2026-11-28 12:00")).until == at("2026-11-30 08:00")
    assert standing(times, at("2026-11-30 08:00")).until == at("2026-12-04 16:00")


def test_what_comes_in_years_is_found_and_what_never_ends_has_no_end() -> None:
    assert standing(calendar("UTC", ["2029-05-01"]), at("2026-11-28", "UTC")).until == at("2029-05-01", "UTC")
    always = standing(calendar("UTC", ["daily"]), at("2026-11-28", "UTC"))
    assert (always.inside, always.until) == (True, None)
    over = standing(calendar("UTC", ["2020-05-01"]), at("2026-11-28", "UTC"))
    assert (over.inside, over.until) == (False, None)


# Summer time


def test_a_time_in_the_hour_that_is_skipped_is_not_there() -> None:
    times = calendar("Europe/Berlin", ["2026-03-29 02:15 - 2026-03-29 02:45"])
    assert spans(times, at("2026-03-28"), at("2026-03-31")) == []


def test_a_begin_in_the_skipped_hour_is_when_the_clock_leaps() -> None:
    times = calendar("Europe/Berlin", ["2026-03-29 02:30 - 2026-03-29 04:00"])
    [found] = spans(times, at("2026-03-28"), at("2026-03-31"))
    assert found == Span(datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 3, 29, 2, tzinfo=UTC))


def test_an_hour_that_is_repeated_counts_twice() -> None:
    times = calendar("Europe/Berlin", ["daily 02:00-03:00"])
    [found] = spans(times, at("2026-10-25 00:00"), at("2026-10-25 12:00"))
    assert found.ends - found.begins == timedelta(hours=2)
    assert standing(times, at("2026-10-25 02:30", fold=1)).inside


def test_a_weekend_is_an_hour_longer_or_shorter_where_the_clock_is_changed() -> None:
    times = calendar("Europe/Berlin", ["fri 16:00 - mon 08:00"])
    lengths = [
        each.ends - each.begins
        for each in spans(times, at("2026-03-25"), at("2026-04-01")) + spans(times, at("2026-10-20"), at("2026-10-28"))
    ]
    assert lengths == [timedelta(hours=63), timedelta(hours=65)]


def _first_crossing(local: datetime, zone: ZoneInfo, *, last: bool) -> datetime:
    """By looking at the clock on the wall every minute of five days."""
    middle = local.replace(tzinfo=UTC)
    minutes = [middle - timedelta(hours=30) + number * MINUTE for number in range(60 * 60)]
    after = [each.astimezone(zone).replace(tzinfo=None) >= local for each in minutes]
    index = len(after) - after[::-1].index(False) if last else after.index(True)
    return minutes[index]


@settings(deadline=None, max_examples=60)
@given(
    zone=some.sampled_from(ZONES),
    day=some.dates(date(2011, 12, 20), date(2027, 12, 31)),
    minute=some.integers(0, 1439),
    last=some.booleans(),
)
def test_an_instant_is_where_the_clock_on_the_wall_crosses_it(zone: str, day: object, minute: int, last: bool) -> None:
    local = datetime.fromisoformat(f"{day}T00:00") + minute * MINUTE
    found = instant(local, ZoneInfo(zone), last=last)
    assert found == _first_crossing(local, ZoneInfo(zone), last=last)


CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
]
RULES = some.sampled_from(
    [
        "fri 16:00 - mon 08:00",
        "daily 02:00-03:00",
        "daily 22:00-02:30",
        "sat,sun",
        "sun 02:15-02:45",
        "day last 01:00-04:00",
    ]
)


@settings(deadline=None)
@given(
    zone=some.sampled_from(ZONES),
    rules=some.lists(RULES, min_size=1, max_size=3),
    exceptions=some.lists(RULES, max_size=1),
    near=some.sampled_from(CHANGES),
    minutes=some.integers(-5000, 5000),
)
def test_the_answer_and_the_next_change_agree_with_the_spans(
    zone: str, rules: list[str], exceptions: list[str], near: datetime, minutes: int
) -> None:
    times, now = calendar(zone, rules, exceptions), near + minutes * MINUTE
    found = standing(times, now)
    around = spans(times, now - timedelta(days=30), now + timedelta(days=30))
    assert found.inside == any(now in each for each in around)
    if found.until is not None:
        assert found.until > now
        assert standing(times, found.until).inside is not found.inside
        assert standing(times, found.until - timedelta(microseconds=1)).inside is found.inside
    for first, second in itertools.pairwise(around):
        assert first.begins < first.ends < second.begins


@settings(deadline=None)
@given(some.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        made = calendar("Europe/Berlin", [text])
    except BadCalendar:
        return
    standing(made, at("2026-11-28 12:00"))


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("2026-11-30 08:00", "Mon 08:00 Europe/Berlin"),
        ("2026-12-20 08:00", "Sun 20 Dec 08:00 Europe/Berlin"),
        ("2027-01-04 08:00", "Mon 4 Jan 2027 08:00 Europe/Berlin"),
    ],
)
def test_an_end_is_told_as_people_say_it(when: str, words: str) -> None:
    assert in_zone(at(when), "Europe/Berlin", at("2026-11-28 12:00")) == words


def test_a_calendar_as_read_is_what_is_kept() -> None:
    made = calendar(" Europe/Berlin ", ["  fri   16:00 - mon 08:00 ", ""])
    assert made == Calendar("Europe/Berlin", ("fri 16:00 - mon 08:00",))
