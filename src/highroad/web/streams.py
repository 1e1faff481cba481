"""Server-sent events: a reader with a cursor becomes a stream that ends when its subject does.

A reader is a plain blocking function from a cursor to the next piece; the stream calls it in a worker thread, sends
what it gave, and waits for the bell. `Last-Event-ID` resumes anywhere, also on another control-plane process.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from highroad.errors import Unauthenticated
from highroad.kit.bell import Bell
from highroad.web.auth import signed_in

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
    """`poll` bounds how late a change made without our bell (another process, an app's log) is seen, in seconds.

    Blocks for the first read, so that a cursor which cannot be read is an ordinary error and not a broken stream.
    """
    cursor = request.headers.get("last-event-id") or request.query_params.get("cursor")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    still = signed_in(request.app.state.context)
    seen = bell.rung
    text = _events(bell, read, read(cursor), seen, poll, lambda: still(request))
    return StreamingResponse(text, headers=headers, media_type=MEDIA_TYPE)


async def _events(
    bell: Bell, read: Reader, piece: Piece, seen: int, poll: float, still: Callable[[], object]
) -> AsyncIterator[str]:
    """`piece` was read when the bell had rung `seen` times. `still` raises `Unauthenticated` when the reader's token or
    session has ended; then the stream ends too."""
    checked = time.monotonic()
    yield ": connected\n\n"
    while True:
        if piece.messages:
            # Only the last message carries the cursor: who is cut off inside a piece gets all of it again, not a gap.
            *before, last = piece.messages
            yield "".join(_frame(each) for each in before) + f"id: {piece.cursor}\n{_frame(last)}"
        if piece.ended:
            return
        if not piece.messages:
            await bell.wait_async(seen, poll)
        if time.monotonic() - checked >= PING_SECONDS:
            checked = time.monotonic()
            try:
                await run_in_threadpool(still)
            except Unauthenticated:
                return
            yield ": ping\n\n"
        seen = bell.rung
        piece = await run_in_threadpool(read, piece.cursor)


def _frame(message: Message) -> str:
    return f"event: {message.kind}\ndata: {json.dumps(message.data, separators=(',', ':'))}\n\n"
