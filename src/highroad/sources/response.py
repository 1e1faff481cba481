"""The gateway's side of an answer: ASGI messages, errors as plain text, and noticing that the client has left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

from highroad.errors import HighroadError
from highroad.sources.body import Receive

T = TypeVar("T")
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Watch:
    """A task that ends when the client goes away; only for after the body has been read."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    async def __aenter__(self) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._wait())
        return self._task

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def first(task: asyncio.Task[T], gone: asyncio.Task[None]) -> T | None:
    """What `task` gives, or None when the client goes away first."""
    await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return task.result()
    task.cancel()
    return None


async def start(send: Send, content_type: str) -> None:
    headers = [(b"content-type", content_type.encode()), (b"cache-control", b"no-cache, max-age=0, must-revalidate")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def piece(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def end(send: Send, body: bytes = b"") -> None:
    await send({"type": "http.response.body", "body": body})


async def tell(send: Send, error: HighroadError) -> None:
    """An error as plain text, which git shows as `remote:` lines and a browser as it is."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    if error.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="Highroad"'))
    if error.status == 503:
        headers.append((b"retry-after", b"30"))
    text = f"{error.title}: {error.detail}\nNext: {error.next_step}\n"
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await end(send, text.encode())
