"""How pages say instants, durations and event types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from highroad.events.model import RELEASE_CREATED, SERVICE_DEPLOYED
from highroad.web.words import ago, duration, first_line, short_type, time_element

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (9.9, "just now"),
        (10, "10 seconds ago"),
        (60, "1 minute ago"),
        (7300, "2 hours ago"),
        (86_400 * 3, "3 days ago"),
        (86_400 * 800, "2 years ago"),
        (-3700, "in 1 hour"),
        (-(90 * 86_400 - 1), "in 3 months"),
    ],
)
def test_an_instant_is_told_in_its_largest_unit(seconds: float, words: str) -> None:
    assert ago(NOON - timedelta(seconds=seconds), NOON) == words


def test_a_time_element_holds_the_instant_for_people_and_for_programs() -> None:
    made = str(time_element(NOON - timedelta(minutes=5), NOON))
    assert 'datetime="2026-11-22T11:55:00.000000Z"' in made
    assert 'title="22 November 2026, 11:55:00 UTC"' in made
    assert ">5 minutes ago<" in made
    assert str(time_element(None, NOON)) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0.421, "0.42 s"), (3.14, "3.1 s"), (12.4, "12 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")],
)
def test_a_duration_has_as_many_digits_as_it_deserves(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_an_event_type_is_told_without_namespace_and_version() -> None:
    assert short_type(SERVICE_DEPLOYED.name) == "service.deployed"
    assert short_type(RELEASE_CREATED.name) == "release.created"


def test_only_the_first_line_of_a_message_is_shown() -> None:
    assert first_line("Subject\n\nBody") == "Subject"
