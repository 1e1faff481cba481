"""Which actions a route decides upon, as it declares them itself, and the check that it did.

An answer that succeeds although none of its route's actions was asked of the caller is not given: a forgotten check is
a fault of ours, and must not be one that leaks. Called by the route classes of the API and of the pages; a test makes
sure that no route is without a declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from highroad.access.model import Actor

DECLARED = "x-highroad-actions"
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Undecided(AssertionError):
    """A route answered without having asked for any of the actions that it declares."""


def declared(extra: dict[str, Any] | None) -> tuple[str, ...]:
    """The actions in a route's `openapi_extra`."""
    return tuple((extra or {}).get(DECLARED, ()))


def known(request: Request, actor: Actor) -> Actor:
    """Remember who makes this request, for the check and for what is done about a refusal. Returns the actor.

    One request may look up its caller several times: for an Idempotency-Key, or while it streams.
    """
    request.state.actors = [*getattr(request.state, "actors", []), actor]
    return actor


def who(request: Request) -> Actor | None:
    """Who makes this request, as far as it was found out: as the one who was decided upon last."""
    actors: list[Actor] = getattr(request.state, "actors", [])
    return next((each for each in reversed(actors) if each.decisions.asked), actors[-1] if actors else None)


def checked(handler: Handler, actions: tuple[str, ...]) -> Handler:
    """`handler`, whose answers are given only if it has asked for one of `actions`."""
    if not actions:
        return handler

    async def handle(request: Request) -> Response:
        response = await handler(request)
        asked = {name for each in getattr(request.state, "actors", []) for name in each.decisions.asked}
        if response.status_code < 400 and asked.isdisjoint(actions):
            raise Undecided(f"{request.method} {request.url.path} declares {', '.join(actions)} and asked for none")
        return response

    return handle
