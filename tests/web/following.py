"""A reader of server-sent events who hangs up when it has seen enough. Used by the tests of streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp, Message


@dataclass(frozen=True, slots=True)
class Seen:
    """One event: its `id` is None when it has none of its own."""

    kind: str
    id: str | None
    data: Any


def parse(text: str) -> list[Seen]:
    """The whole events in a stream's text, by the rules of the HTML standard that we use."""
    found = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append(Seen(fields["event"], fields.get("id"), json.loads(fields["data"])))
    return found


def follow(
    app: ASGIApp,
    path: str,
    *,
    headers: Mapping[str, str],
    enough: Callable[[list[Seen]], bool],
    query: str = "",
    meanwhile: Callable[[], object] | None = None,
    seconds: float = 20.0,
) -> tuple[int, list[Seen]]:
    """Status and events of a GET, until `enough` or its end. `meanwhile` is called once the stream is open."""
    return asyncio.run(asyncio.wait_for(_follow(app, path, headers, query, enough, meanwhile), seconds))


async def _follow(
    app: ASGIApp,
    path: str,
    headers: Mapping[str, str],
    query: str,
    enough: Callable[[list[Seen]], bool],
    meanwhile: Callable[[], object] | None,
) -> tuple[int, list[Seen]]:
    hung_up, opened = asyncio.Event(), asyncio.Event()
    status, text, asked = 0, "", False

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status, text
        status = message.get("status", status)
        text += message.get("body", b"").decode()
        opened.set()
        if enough(parse(text)):
            hung_up.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 8080),
    }

    async def answer() -> None:
        await app(scope, receive, send)

    answering = asyncio.create_task(answer())
    await opened.wait()
    if meanwhile is not None:
        await asyncio.to_thread(meanwhile)
    await answering
    return status, parse(text)
