"""Server-sent events: a reader with a cursor becomes a stream that ends when its subject does.

A reader is a plain blocking function from a cursor to the next piece; the stream calls it in a worker thread, sends
what it gave, and waits for the bell. `Last-Event-ID` resumes anywhere, also on another control-plane process.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from highroad.kit.bell import Bell

PING_SECONDS = 15.0
POLL_SECONDS = 1.0
MEDIA_TYPE = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Message:
    """One event of the stream: `kind` is line, state or end; `data` becomes JSON."""

    kind: str
    data: object


@dataclass(frozen=True, slots=True)
class Piece:
    """What a reader found: messages, the cursor behind them, and whether that was the end."""

    messages: Sequence[Message]
    cursor: str
    ended: bool = False


Reader = Callable[[str | None], Piece]


def wants_stream(request: Request) -> bool:
    return MEDIA_TYPE in request.headers.get("accept", "")


def stream(request: Request, bell: Bell, read: Reader, *, poll: float = POLL_SECONDS) -> StreamingResponse:
    """`poll` bounds how late a change made without our bell (another process, an app's log) is seen, in seconds."""
    cursor = request.headers.get("last-event-id") or request.query_params.get("cursor")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(bell, read, cursor, poll), headers=headers, media_type=MEDIA_TYPE)


async def _events(bell: Bell, read: Reader, cursor: str | None, poll: float) -> AsyncIterator[str]:
    quiet = 0.0
    yield ": connected\n\n"
    while True:
        seen = bell.rung
        piece = await run_in_threadpool(read, cursor)
        cursor = piece.cursor
        if piece.messages:
            quiet = 0.0
            yield "".join(_frame(message, cursor) for message in piece.messages)
            if not piece.ended:
                continue
        if piece.ended:
            return
        await bell.wait_async(seen, poll)
        quiet += poll
        if quiet >= PING_SECONDS:
            quiet = 0.0
            yield ": ping\n\n"


def _frame(message: Message, cursor: str) -> str:
    return f"id: {cursor}\nevent: {message.kind}\ndata: {json.dumps(message.data, separators=(',', ':'))}\n\n"
