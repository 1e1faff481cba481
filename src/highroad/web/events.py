"""The event log over HTTP: read from a cursor, or followed live."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from highroad.access.model import Actor
from highroad.db.engine import Transaction
from highroad.errors import Malformed
from highroad.events import store
from highroad.events.log import cloud_event
from highroad.events.model import Recorded
from highroad.kit.numbers import whole_number
from highroad.web.api import api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context
from highroad.web.streams import Message, Piece, stream, wants_stream


class BadEventCursor(Malformed):
    code = "bad-event-cursor"
    title = "The cursor is not one of ours"


Visible = Callable[[Transaction, Actor], Callable[[Recorded], bool]]
"""Of one actor in one transaction, which events he may see."""


def router(context: Context, visible: Visible) -> APIRouter:
    api = api_router("events")

    @api.get(
        "/events",
        response_model=None,
        responses={200: {"content": {"text/event-stream": {}}}},
        openapi_extra=does("event:read"),
    )
    def list_events(
        request: Request,
        actor: Annotated[Actor, Depends(signed_in(context))],
        after: Annotated[str | None, Query(description="Events behind this cursor; without it, the newest.")] = None,
        project: str | None = None,
        type: Annotated[str | None, Query(description="Beginning of the event type.")] = None,
        page_size: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Response:
        """The facts of this installation as CloudEvents, oldest first; `text/event-stream` follows them live."""

        def read(cursor: str | None) -> Piece:
            position = _position(cursor or after)
            with context.db.read() as tx:
                found, last = store.read_visible(
                    tx, visible(tx, actor), after=position, limit=page_size, project=project, type_prefix=type
                )
            return Piece([Message("line", cloud_event(each)) for each in found], str(last))

        if wants_stream(request):
            return stream(request, context.bell, read)
        piece = read(None)
        body: dict[str, Any] = {"items": [message.data for message in piece.messages], "cursor": piece.cursor}
        return JSONResponse(body)

    return api


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    position = whole_number(cursor)
    if position is None:
        raise BadEventCursor("after must be the cursor of an event.", next_step="Leave it out for the newest events.")
    return position
