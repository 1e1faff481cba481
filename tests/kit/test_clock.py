"""Instants as text and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.kit.clock import EPOCH, from_unix, now, parse_rfc3339, rfc3339

INSTANTS = st.datetimes(timezones=st.just(UTC)).filter(lambda instant: instant.year >= 1970)


def test_now_is_in_utc() -> None:
    assert now().utcoffset() == timedelta(0)


def test_an_instant_is_written_in_utc_with_microseconds() -> None:
    instant = datetime(2026, 11, 22, 23, 7, 20, 1, tzinfo=timezone(timedelta(hours=1)))
    assert rfc3339(instant) == "2026-11-22T22:07:20.000001Z"


@given(INSTANTS)
def test_reading_gives_back_what_was_written(instant: datetime) -> None:
    assert parse_rfc3339(rfc3339(instant)) == instant


@given(INSTANTS, INSTANTS)
def test_texts_sort_as_their_instants_do(one: datetime, other: datetime) -> None:
    assert (rfc3339(one) < rfc3339(other)) == (one < other)


def test_an_instant_without_an_offset_is_in_utc_wherever_the_machine_stands() -> None:
    assert parse_rfc3339("2026-11-22T23:07:20") == datetime(2026, 11, 22, 23, 7, 20, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_what_is_no_instant_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_rfc3339(text)


@pytest.mark.parametrize("text", ["", "-5", "x", "²", "1.5"])
def test_seconds_that_make_no_sense_are_1970(text: str) -> None:
    assert from_unix(text) == EPOCH


@pytest.mark.parametrize("text", ["99999999999999", "9" * 5000, "253402300800"])
def test_seconds_behind_the_calendar_are_its_end(text: str) -> None:
    assert parse_rfc3339(rfc3339(from_unix(text))) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
