"""Streams: resumed exactly where they broke, and given up with a clear word."""

from __future__ import annotations

import pytest

from highroad.client.api import Client
from highroad.client.problems import ApiProblem, NotHighroad, NothingAnswers, Unreachable
from tests.client.canned import Canned, event, serving

LOG = "/runs/run_1/log"


def test_a_stream_ends_with_its_end_event(canned: Canned, client: Client) -> None:
    canned.stream(LOG, event("line", {"text": "hello"}, "1"), ": ping\n\n", event("end", {"state": "succeeded"}, "2"))
    events = list(client.stream(LOG))
    assert [(each.kind, each.data) for each in events] == [("line", {"text": "hello"}), ("end", {"state": "succeeded"})]
    assert canned.requests[0].headers["Accept"] == "text/event-stream"


def test_a_dropped_connection_is_resumed_after_the_last_event(canned: Canned, client: Client) -> None:
    canned.stream(LOG, event("line", {"n": 1}, "c1"), event("line", {"n": 2}, "c2"))
    canned.answer("GET", LOG, drop=True)
    canned.answer("GET", LOG, "bad gateway", 502)
    canned.stream(LOG, event("line", {"n": 3}, "c3"), event("end", {}, "c4"))
    gaps: list[str] = []
    assert [each.data.get("n") for each in client.stream(LOG, on_gap=gaps.append)] == [1, 2, 3, None]
    assert [each.headers.get("Last-Event-ID") for each in canned.requests] == [None, "c2", "c2", "c2"]
    assert len(gaps) == 1


def test_half_an_event_is_not_handed_on(canned: Canned, client: Client) -> None:
    canned.stream(LOG, event("line", {"n": 1}, "c1"), 'id: c2\nevent: line\ndata: {"n"')
    canned.stream(LOG, event("line", {"n": 2}, "c2"), event("end", {}))
    assert [each.data.get("n") for each in client.stream(LOG)] == [1, 2, None]


def test_a_stream_begins_after_a_given_cursor(canned: Canned, client: Client) -> None:
    canned.stream(LOG, event("end", {}))
    list(client.stream(LOG, cursor="c9"))
    assert canned.requests[0].headers["Last-Event-ID"] == "c9"


def test_a_first_connection_that_fails_is_an_error_at_once(waits: list[float]) -> None:
    with serving() as gone:
        url = gone.url
    with Client(url, pause=waits.append) as client, pytest.raises(NothingAnswers):
        list(client.stream(LOG))
    assert waits == []


def test_an_installation_that_stays_away_is_given_up_after_the_patience(canned: Canned, client: Client) -> None:
    canned.stream(LOG, event("line", {}, "c1"))
    canned.answer("GET", LOG, "bad gateway", 502)
    with pytest.raises(Unreachable):
        list(client.stream(LOG, patience=0.05))


def test_a_server_that_only_opens_and_closes_is_given_up_too(canned: Canned, client: Client) -> None:
    canned.stream(LOG)
    with pytest.raises(Unreachable):
        list(client.stream(LOG, patience=0.05))


def test_a_refusal_while_resuming_is_an_error(canned: Canned, client: Client) -> None:
    canned.stream(LOG, event("line", {}, "c1"))
    canned.problem("GET", LOG, 401, "token-revoked")
    with pytest.raises(ApiProblem) as caught:
        list(client.stream(LOG))
    assert caught.value.problem_code == "token-revoked"


def test_no_content_means_that_there_is_no_more(canned: Canned, client: Client) -> None:
    canned.answer("GET", LOG, status=204)
    assert list(client.stream(LOG)) == []


def test_an_answer_that_is_no_stream_is_refused(canned: Canned, client: Client) -> None:
    canned.answer("GET", LOG, {"items": []})
    with pytest.raises(NotHighroad):
        list(client.stream(LOG))
