"""A schedule is accepted only if it can fire, and everything accepted is understood by the clock that fires it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from highroad.workload.schedule import flaw


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "0 3 * * *",
        "*/15 8-18 * * mon-fri",
        "0,30 0 1 jan *",
        "0 0 29 2 *",
        "0 0 * * 7",
        "0 0 31 2 mon",
        "0 0 28-30 feb *",
    ],
)
def test_usual_schedules_are_accepted(text: str) -> None:
    assert flaw(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0 3 * *", "not 4"),
        ("0 0 3 * * *", "not 6"),
        ("@daily", "not 1"),
        ("", "not 0"),
        ("60 * * * *", "'60' is not a minute (0 to 59)"),
        ("* 24 * * *", "is not a hour"),
        ("* * 0 * *", "is not a day of the month"),
        ("* * * 13 *", "is not a month"),
        ("* * * * 8", "is not a day of the week"),
        ("*/0 * * * *", "'*/0' is not a minute"),
        ("5-1 * * * *", "'5-1' is not a minute"),
        ("a b c d e", "'a' is not a minute"),
        *((f"0 0 {days} *", "this day never comes") for days in ("31 2", "30 feb", "30-31 2", "31 2,4", "31 4-6/2")),
    ],
)
def test_others_are_refused_with_the_wrong_part(text: str, why: str) -> None:
    assert why in (flaw(text) or "")


_part = st.sampled_from(
    ["*", "*/5", "0", "1", "5", "1-5", "1,3", "2-20/4", "jan", "mon", "feb", "30", "30-31", "31", "59", "7"]
)


@given(st.tuples(_part, _part, _part, _part, _part))
def test_what_is_accepted_has_a_next_time(parts: tuple[str, ...]) -> None:
    text = " ".join(parts)
    if flaw(text) is None:
        assert croniter(text, datetime(2026, 1, 1, tzinfo=UTC)).get_next(datetime)
