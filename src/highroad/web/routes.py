"""The route class of the API: `Idempotency-Key` on POST, `ETag` and `If-None-Match` on GET, `If-Match` on PATCH and
DELETE, and a limit to what a request may send.

Idempotency-Key follows draft-ietf-httpapi-idempotency-key-header: same key and same request replays the first answer,
another request with the key is 422, one still in flight 409. A bare key is taken beside the quoted form. Only answers
of success are kept; after a failure the request is carried out again. An answer with a secret is not kept at all.
Callers are known before a key is looked up, so a revoked token is told nothing, and keys are of the person with the
scopes, so a request may be sent again with a new token.

`If-Match` is compared with what a GET of the same address gives, just before the change. Of conditional changes of one
address at a time, one goes on and the others are refused.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.types import Message

from highroad.db.engine import DatabaseUnavailable
from highroad.errors import Conflict, Invalid, Outdated, TooLarge
from highroad.kit.numbers import whole_number
from highroad.web import store
from highroad.web.auth import client_address, signed_in
from highroad.web.context import Context
from highroad.web.declared import checked, declared

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

LARGEST_BODY = 4 * 1024**2
NOT_KEPT = "no-store"
_REVALIDATED = "private, no-cache"
logger = logging.getLogger(__name__)


class KeyReused(Invalid):
    code = "idempotency-key-reused"
    title = "This Idempotency-Key belongs to another request"


class KeyInFlight(Conflict):
    code = "idempotency-key-in-flight"
    title = "The first request with this Idempotency-Key is still going on"


class AnswerNotKept(Conflict):
    code = "answer-not-kept"
    title = "This was done before, and its answer is not kept"


class BodyTooLarge(TooLarge):
    code = "body-too-large"
    title = "The request is too large"


class Changed(Outdated):
    code = "changed-meanwhile"


def etag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:24]}"'


class ApiRoute(APIRoute):
    def get_route_handler(self) -> Handler:
        handler = checked(super().get_route_handler(), declared(self.openapi_extra))
        is_open = (self.openapi_extra or {}).get("security") == []

        async def handle(request: Request) -> Response:
            if request.method == "GET":
                return _tagged(request, await handler(request))
            request = await _whole(request)
            key = request.headers.get("idempotency-key", "").strip().strip('"')
            if request.method == "POST" and key:
                return await _once(request, handler, key, is_open=is_open)
            if request.method in ("PATCH", "DELETE") and "if-match" in request.headers:
                return await _if_match(request, handler)
            return await handler(request)

        return handle


async def _whole(request: Request) -> Request:
    """The same request with its body read, as far as it is within the limit."""
    declared = whole_number(request.headers.get("content-length", ""))
    body = bytearray()
    if declared is None or declared <= LARGEST_BODY:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                break
        else:
            return Request(request.scope, _sending(bytes(body)))
    raise BodyTooLarge(
        f"The API takes requests of at most {LARGEST_BODY // 1024**2} MiB.",
        next_step="Send less. Code goes in by git push, and large values do not belong into configuration.",
    )


def _sending(body: bytes) -> Callable[[], Coroutine[Any, Any, Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


# Entity tags


def _tagged(request: Request, response: Response) -> Response:
    body = getattr(response, "body", None)  # a stream has none
    if response.status_code != 200 or body is None:
        return response
    headers = {"ETag": etag_of(bytes(body)), "Cache-Control": _REVALIDATED}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response


_changing: set[tuple[int, str]] = set()
_changing_lock = threading.Lock()


async def _if_match(request: Request, handler: Handler) -> Response:
    entry = (id(request.app), request.url.path)
    with _changing_lock:
        if entry in _changing:
            raise Changed("Somebody else is changing this at this moment.", next_step="Read it again, then decide.")
        _changing.add(entry)
    try:
        status, tag = await _present(request)
        wanted = [each.strip() for each in request.headers["if-match"].split(",")]
        if status == 200 and tag not in wanted and "*" not in wanted:
            raise Changed(
                "Somebody changed this after you had read it. Nothing was changed now.",
                next_step="Read it again, then decide.",
            )
        if status == 405:
            raise Changed("This address has no entity tag to compare.", next_step="Send it without If-Match.")
        return await handler(request)  # what cannot be read, it refuses in its own words
    finally:
        with _changing_lock:
            _changing.discard(entry)


async def _present(request: Request) -> tuple[int, str]:
    """Status and entity tag that a GET of this request's address gives to this very caller."""
    left_out = (b"if-match", b"content-length", b"content-type")
    headers = [each for each in request.scope["headers"] if each[0] not in left_out]
    scope = {**request.scope, "method": "GET", "headers": headers, "state": {}}
    answers: list[Message] = []

    async def send(message: Message) -> None:
        answers.append(message)

    await request.app(scope, _sending(b""), send)
    found = dict(answers[0]["headers"])
    return int(answers[0]["status"]), found.get(b"etag", b"").decode()


# Idempotency


async def _once(request: Request, handler: Handler, key: str, *, is_open: bool) -> Response:
    context: Context = request.app.state.context
    body = await request.body()
    who = client_address(request) if is_open else await run_in_threadpool(_caller, context, request)
    scope = f"{key}\0{who}\0{request.method}\0{request.url.path}?{request.url.query}".encode()
    name, fingerprint = hashlib.sha256(scope).hexdigest(), hashlib.sha256(body).hexdigest()
    earlier = await run_in_threadpool(_take, context, name, fingerprint)
    if earlier is not None:
        return _replay(earlier, fingerprint)
    try:
        response = await handler(request)
    except BaseException:
        await run_in_threadpool(_release, context, name)
        raise
    if response.status_code >= 400 or not hasattr(response, "body"):
        await run_in_threadpool(_release, context, name)
    else:
        secret = response.headers.get("cache-control") == NOT_KEPT
        text = None if secret else bytes(response.body).decode()
        await run_in_threadpool(_keep, context, name, response.status_code, text)
    return response


def _replay(earlier: dict[str, Any], fingerprint: str) -> Response:
    if earlier["request"] != fingerprint:
        raise KeyReused(
            "The first request with this key had another body.", next_step="Make a new key for a new request."
        )
    if earlier["status"] is None:
        raise KeyInFlight("It has not been answered yet.", next_step="Wait a moment and send the same request again.")
    if earlier["body"] is None:
        raise AnswerNotKept(
            "The first request with this key was carried out. Its answer held a secret, which is shown once.",
            next_step="If that answer never came: revoke or remove what was made, and ask again with a new key.",
        )
    headers = {"Idempotency-Replayed": "true"}
    return Response(earlier["body"], earlier["status"], headers, "application/json" if earlier["body"] else None)


def _caller(context: Context, request: Request) -> str:
    actor = signed_in(context)(request)
    return " ".join((actor.id, *sorted(actor.scopes)))


def _take(context: Context, name: str, fingerprint: str) -> dict[str, Any] | None:
    with context.db.begin() as tx:
        return store.take_key(tx, name, fingerprint)


def _keep(context: Context, name: str, status: int, body: str | None) -> None:
    try:
        with context.db.begin() as tx:
            store.keep_answer(tx, name, status, body)
    except DatabaseUnavailable:
        # The request was carried out: to answer with this error would say that it was not.
        logger.warning("an answer could not be kept for its Idempotency-Key", exc_info=True)


def _release(context: Context, name: str) -> None:
    with context.db.begin() as tx:
        store.release_key(tx, name)
