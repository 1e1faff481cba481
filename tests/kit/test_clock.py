"""Instants as text and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from highroad.kit.clock import now, parse_rfc3339, rfc3339

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
