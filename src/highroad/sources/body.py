"""The body of one HTTP request as the gateway reads it: unpacked, bounded, and with a client that may go away.

`gateway` reads every body to its end before it answers: an ASGI server stops reading from a client whose response is
under way, and a push larger than its buffers would then wait for ever.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from highroad.errors import HighroadError, Malformed, TooLarge

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_PIECE = 256 * 1024  # bytes that one step of unpacking may give
IDLE_SECONDS = 20.0
"""How long a client may send nothing. Git fills a buffer before it begins: only a broken line is silent."""


class BodyTooLarge(TooLarge):
    code = "push-too-large"
    title = "Larger than one push may be"


class BodyTooSlow(HighroadError):
    status = 408
    code = "push-too-slow"
    title = "Not arrived in time"


class NotGzip(Malformed):
    code = "not-gzip"
    title = "The request cannot be unpacked"


class Disconnected(Exception):
    """The client went away in the middle of its request; there is nobody left to tell."""


class Body:
    """Reads a request's body once. `limit` is in bytes after unpacking, because that is what reaches git; `seconds`
    bounds the time from now to the body's end, `idle` the time without a byte.
    """

    def __init__(
        self, receive: Receive, encoding: str, *, limit: int, seconds: float, idle: float = IDLE_SECONDS
    ) -> None:
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise NotGzip(
                f"The content encoding {encoding[:40]!r} is not known.",
                next_step="Send the request plain or with gzip.",
            )
        self._receive = receive
        self._unpack = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
        self._limit = limit
        self._seconds = seconds
        self._idle = idle
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._size = 0
        self._ended = False

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises `BodyTooLarge`, `BodyTooSlow`, `NotGzip`, `Disconnected`."""
        while not self._ended:
            async for piece in self._unpacked(await self._next()):
                self._size += len(piece)
                if self._size > self._limit:
                    raise BodyTooLarge(
                        f"More than {self._limit // 1024**2} MB came in one push.",
                        next_step="Take large files out of the commits or push an older commit first, then the branch.",
                    )
                if piece:
                    yield piece

    async def whole(self) -> bytes:
        return b"".join([piece async for piece in self.pieces()])

    async def drain(self) -> None:
        """Read on and throw away. Raises `BodyTooSlow`, `Disconnected`."""
        while not self._ended:
            await self._next()

    async def _next(self) -> bytes:
        silent = asyncio.get_running_loop().time() + self._idle
        try:
            async with asyncio.timeout_at(min(self._deadline, silent)):
                message = await self._receive()
        except TimeoutError as error:
            late = self._deadline <= silent
            raise BodyTooSlow(
                f"The request did not arrive within {self._seconds:g} s."
                if late
                else f"The client sent nothing for {self._idle:g} s.",
                next_step="Push again over a faster connection, or in parts: an older commit, then the branch.",
            ) from error
        if message["type"] == "http.disconnect":
            raise Disconnected
        self._ended = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    async def _unpacked(self, data: bytes) -> AsyncIterator[bytes]:
        if self._unpack is None:
            yield data
            return
        try:
            while data:
                yield self._unpack.decompress(data, _PIECE)
                data = self._unpack.unconsumed_tail
        except zlib.error as error:
            raise NotGzip(f"The body is not gzip: {error}.", next_step="Push again.") from error
