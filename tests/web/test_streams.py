"""A reader with a cursor as server-sent events: nothing is lost, and the stream ends when it should."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
from starlette.requests import Request

from highroad.access import grants
from highroad.errors import Malformed
from highroad.kit.bell import Bell
from highroad.web import streams
from highroad.web.streams import Message, Piece, stream, wants_stream
from tests.web.following import Seen, parse
from tests.world import Api


class Counter:
    """A reader of the numbers up to `end`; its cursor is the number before the next one."""

    def __init__(self, end: int, *, step: int = 2, ended: bool = True) -> None:
        self.end, self.step, self.ended = end, step, ended
        self.calls = 0

    def __call__(self, cursor: str | None) -> Piece:
        self.calls += 1
        if cursor is not None and not cursor.isdigit():
            raise Malformed("not a number", next_step="count")
        start = int(cursor or 0)
        last = min(start + self.step, self.end)
        numbers = [Message("line", number) for number in range(start + 1, last + 1)]
        return Piece(numbers, str(last), self.ended and last == self.end)


def request(api: Api, **headers: str) -> Request:
    token = {"authorization": f"Bearer {api.people.member_token}", **headers}
    raw = [(key.replace("_", "-").encode(), value.encode()) for key, value in token.items()]
    app: Any = type("App", (), {"state": type("State", (), {"context": api.platform.context})})
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": raw, "app": app}
    return Request({**scope, "client": ("127.0.0.1", 1)})


def text_of(api: Api, bell: Bell, read: Callable[[str | None], Piece], **headers: str) -> str:
    """The whole stream."""

    async def collect() -> str:
        answer = stream(request(api, **headers), bell, read)
        chunks = cast("AsyncIterator[str]", answer.body_iterator)
        return "".join([chunk async for chunk in chunks])

    return asyncio.run(asyncio.wait_for(collect(), 20))


def numbers(events: list[Seen]) -> list[int]:
    return [event.data for event in events]


def test_everything_comes_in_order_and_then_the_stream_ends(sqlite_api: Api) -> None:
    assert numbers(parse(text_of(sqlite_api, Bell(), Counter(7)))) == [1, 2, 3, 4, 5, 6, 7]


def test_it_goes_on_behind_the_last_event_that_was_seen(sqlite_api: Api) -> None:
    assert numbers(parse(text_of(sqlite_api, Bell(), Counter(7), last_event_id="4"))) == [5, 6, 7]


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_wherever_it_is_cut_off_the_reader_misses_nothing(sqlite_api: Api, cut: int) -> None:
    whole = text_of(sqlite_api, Bell(), Counter(7, step=3))
    before = parse(whole[:cut])
    cursor = next((event.id for event in reversed(before) if event.id), None)
    rest = parse(text_of(sqlite_api, Bell(), Counter(7, step=3), **({"last_event_id": cursor} if cursor else {})))
    assert set(numbers(before)) | set(numbers(rest)) == set(range(1, 8))


def test_what_is_new_comes_with_the_bell(sqlite_api: Api) -> None:
    bell, reader = Bell(), Counter(2, ended=False)

    def more() -> None:
        reader.end, reader.ended = 3, True
        bell.ring()

    threading.Timer(0.2, more).start()
    began = time.monotonic()
    assert numbers(parse(text_of(sqlite_api, bell, reader))) == [1, 2, 3]
    assert time.monotonic() - began < streams.POLL_SECONDS
    assert reader.calls < 6, "nobody asks in a loop"


def test_what_is_new_without_a_bell_is_seen_at_the_next_look(sqlite_api: Api) -> None:
    reader = Counter(2, ended=False)

    def more() -> None:
        reader.end, reader.ended = 3, True

    threading.Timer(0.1, more).start()
    assert numbers(parse(text_of(sqlite_api, Bell(), reader))) == [1, 2, 3]


def test_a_cursor_that_cannot_be_read_is_an_error_before_the_stream(sqlite_api: Api) -> None:
    with pytest.raises(Malformed):
        stream(request(sqlite_api, last_event_id="nonsense"), Bell(), Counter(1))


def test_a_quiet_stream_says_that_it_is_alive(sqlite_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PING_SECONDS", 0.05)
    reader, bell = Counter(1, ended=False), Bell()

    def end() -> None:
        reader.ended = True

    threading.Timer(1.2, end).start()
    assert ": ping\n\n" in text_of(sqlite_api, bell, reader)


def test_a_stream_ends_soon_after_its_reader_may_not_read_any_more(
    sqlite_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PING_SECONDS", 0.05)
    bell, reader = Bell(), Counter(1, ended=False)

    def deactivate() -> None:
        sqlite_api.admin.patch(f"/users/{sqlite_api.people.member.id}", json={"active": False})

    threading.Timer(0.1, deactivate).start()
    assert numbers(parse(text_of(sqlite_api, bell, reader))) == [1]


def test_a_deactivation_ends_a_stream_within_seconds_of_it(sqlite_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "RECHECK_SECONDS", 0.05)
    bell, reader = sqlite_api.platform.context.bell, Counter(1, ended=False)

    def deactivate() -> None:
        sqlite_api.admin.patch(f"/users/{sqlite_api.people.member.id}", json={"active": False})

    threading.Timer(0.1, deactivate).start()
    assert numbers(parse(text_of(sqlite_api, bell, reader))) == [1]


def test_a_stream_ends_when_a_role_of_its_reader_does(sqlite_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PING_SECONDS", 0.05)
    bell, reader = Bell(), Counter(1, ended=False)

    def withdraw() -> None:
        with sqlite_api.db.begin() as tx:
            grants.forget_holder(tx, sqlite_api.people.member.id)

    threading.Timer(0.1, withdraw).start()
    assert numbers(parse(text_of(sqlite_api, bell, reader))) == [1]


def test_nobody_on_the_way_keeps_or_buffers_a_stream(sqlite_api: Api) -> None:
    answer = stream(request(sqlite_api), Bell(), Counter(1))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(("accept", "wanted"), [("text/event-stream", True), ("*/*", False), ("", False)])
def test_a_stream_is_for_who_asks_for_one(sqlite_api: Api, accept: str, wanted: bool) -> None:
    assert wants_stream(request(sqlite_api, accept=accept)) is wanted
