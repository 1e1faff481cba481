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

from highroad.access.model import Actor
from highroad.errors import Unauthenticated
from highroad.kit.bell import Bell
from highroad.web.auth import signed_in

PING_SECONDS = 15.0
RECHECK_SECONDS = 3.0
"""How often, at most, something that happened makes a stream ask whether its reader may still read."""
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
    reader_of = signed_in(request.app.state.context)
    before = _rights(reader_of(request))

    def still() -> bool:
        try:
            return _rights(reader_of(request)) == before
        except Unauthenticated:
            return False

    seen = bell.rung
    text = _events(bell, read, read(cursor), seen, poll, still)
    return StreamingResponse(text, headers=headers, media_type=MEDIA_TYPE)


def _rights(actor: Actor) -> tuple[object, ...]:
    """All that decisions about this actor follow from: once it is another, the stream was opened by other rights. Its
    reader comes again with the cursor and is given what he may see by then."""
    standing = actor.standing
    held = (standing.teams, standing.grants, id(standing.policies)) if standing else ()
    return actor.id, actor.role, actor.scopes, held


async def _events(
    bell: Bell, read: Reader, piece: Piece, seen: int, poll: float, still: Callable[[], bool]
) -> AsyncIterator[str]:
    """`piece` was read when the bell had rung `seen` times. `still` is whether the reader's token or session holds and
    gives the same rights; when not, the stream ends."""
    checked = pinged = time.monotonic()
    checked_at = seen
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
        # A deactivation, as everything, rings the bell, unless it comes from another process.
        since = time.monotonic() - checked
        if since >= PING_SECONDS or (since >= RECHECK_SECONDS and bell.rung != checked_at):
            checked, checked_at = time.monotonic(), bell.rung
            if not await run_in_threadpool(still):
                return
        if time.monotonic() - pinged >= PING_SECONDS:
            pinged = time.monotonic()
            yield ": ping\n\n"
        seen = bell.rung
        piece = await run_in_threadpool(read, piece.cursor)


def _frame(message: Message) -> str:
    return f"event: {message.kind}\ndata: {json.dumps(message.data, separators=(',', ':'))}\n\n"
