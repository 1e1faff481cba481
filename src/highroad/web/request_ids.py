"""Every request has an id: the caller's own `X-Request-Id`, or a new one. It comes back as a header of every answer,
also of those to errors that nobody foresaw, and stands in the audit log beside what the request did.

`composition` wraps the whole application with it; `auth` puts the id into the actor.
"""

from __future__ import annotations

import re

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from highroad.kit.ids import new_id

HEADER = "x-request-id"
_TAKEN = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}")
"""Of callers' own ids, those that can do no harm in a header or a log. Others are replaced."""


class RequestIds:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == HEADER.encode()), b"")
        identifier = given if _TAKEN.fullmatch(given) else new_id("req").encode()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (HEADER.encode(), identifier)]}
            await send(message)

        state = {**scope.get("state", {}), "request_id": identifier.decode()}
        await self._app({**scope, "state": state}, receive, answer)


def request_id(request: Request) -> str:
    """The id of this request; empty where the application is not wrapped."""
    return str(getattr(request.state, "request_id", ""))
