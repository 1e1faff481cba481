"""Following a stream of server-sent events to its end, over dropped connections and restarts of the control plane.

Called by `api.Client.stream`. The cursor is the `id:` of the last event that was handed on, sent back as
`Last-Event-ID`, so that nothing is lost and nothing comes twice.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from highroad.client.problems import Json, NotHighroad, from_answer, from_failure
from highroad.errors import HighroadError

# The server writes a comment every 15 s: three missing ones mean that the connection is dead.
_SILENCE = 45.0
_LONGEST_DELAY = 2.0
_STEADY = 5.0
_AWAY = (429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `kind` is line, state, end or message; `id` the cursor after it; `data` its JSON object."""

    kind: str
    id: str
    data: Json


@dataclass(frozen=True, slots=True)
class Source:
    """Where a stream is read. `url` is the installation's address as people know it, for messages."""

    http: httpx2.Client
    url: str
    path: str
    params: Mapping[str, str]
    extensions: dict[str, Any]


class _Interrupted(Exception):
    """The connection ended before the stream did; `error` is what to say if it does not come back."""

    def __init__(self, error: HighroadError) -> None:
        super().__init__(str(error))
        self.error = error


def follow(
    source: Source,
    *,
    cursor: str,
    patience: float,
    pause: Callable[[float], None],
    on_gap: Callable[[str], None] | None,
) -> Iterator[Event]:
    """Yield events until `end` (which is yielded too). A first connection that fails is an error at once; later, up to
    `patience` seconds without any event are bridged. `on_gap` is told why each time the connection was lost."""
    delay, deadline, ever_opened = 0.0, 0.0, False
    while True:
        fresh, opened = False, math.inf
        try:
            for event in _connection(source, cursor):
                if event is None:
                    ever_opened, opened = True, time.monotonic()
                    continue
                fresh = True
                cursor = event.id or cursor
                yield event
                if event.kind == "end":
                    return
            return
        except _Interrupted as interruption:
            now = time.monotonic()
            if not ever_opened:
                raise interruption.error from interruption
            # A connection that brought something, or held for a while, was a good one: its loss is a new gap.
            if fresh or delay == 0.0 or now - opened > _STEADY:
                delay, deadline = 0.0, now + patience
                if on_gap is not None:
                    on_gap(interruption.error.detail)
            if now > deadline:
                raise interruption.error from interruption
            delay = min(_LONGEST_DELAY, delay * 2 or 0.1)
            pause(delay)


def _connection(source: Source, cursor: str) -> Iterator[Event | None]:
    """The events of one connection, after None for "connected". Returns when the server says that there is no more
    (HTTP 204), raises `_Interrupted` when the connection ends otherwise."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if cursor:
        headers["Last-Event-ID"] = cursor
    timeout = httpx2.Timeout(10.0, read=_SILENCE)
    options: dict[str, Any] = {"params": dict(source.params), "extensions": source.extensions, "timeout": timeout}
    try:
        with source.http.stream("GET", source.path, headers=headers, **options) as response:
            if response.status_code == 204:
                return
            _require_events(response, source.url)
            yield None
            for event in httpx2.EventSource(response):
                yield Event(event.event, event.id, _object(event.data, source.url))
    except httpx2.TransportError as error:
        raise _Interrupted(from_failure(error, url=source.url, seconds=_SILENCE)) from error
    raise _Interrupted(from_failure(ConnectionResetError("it was closed"), url=source.url, seconds=_SILENCE))


def _require_events(response: httpx2.Response, url: str) -> None:
    if response.is_success:
        kind = response.headers.get("content-type", "")
        if not kind.startswith("text/event-stream"):
            raise NotHighroad(
                f"{url} answered with {kind or 'nothing'} instead of a stream.", next_step="Check the address."
            )
        return
    response.read()
    error = from_answer(response.status_code, response.content, url=url, location=response.headers.get("location", ""))
    if response.status_code in _AWAY:
        raise _Interrupted(error)
    raise error


def _object(data: str, url: str) -> Json:
    try:
        value = json.loads(data or "{}")
    except ValueError as error:
        raise NotHighroad(f"{url} sent an event that is not JSON.", next_step="Check the address.") from error
    return value if isinstance(value, dict) else {"value": value}
