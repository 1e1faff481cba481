"""The route class of the API: `Idempotency-Key` on POST, `ETag` and `If-None-Match` on GET.

Idempotency-Key follows draft-ietf-httpapi-idempotency-key-header: same key and same request replays the first answer,
another request with the key is 422, one still in flight 409. A bare key is taken beside the quoted form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from highroad.errors import Conflict, Invalid
from highroad.web import store
from highroad.web.auth import bearer
from highroad.web.context import Context

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class KeyReused(Invalid):
    code = "idempotency-key-reused"
    title = "This Idempotency-Key belongs to another request"


class KeyInFlight(Conflict):
    code = "idempotency-key-in-flight"
    title = "The first request with this Idempotency-Key is still going on"


def etag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:24]}"'


class ApiRoute(APIRoute):
    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            key = request.headers.get("idempotency-key", "").strip().strip('"')
            if request.method == "POST" and key:
                return await _once(request, handler, key)
            response = await handler(request)
            body = getattr(response, "body", None)  # a stream has none
            if request.method == "GET" and response.status_code == 200 and body is not None:
                tag = etag_of(bytes(body))
                if tag in request.headers.get("if-none-match", ""):
                    return Response(status_code=304, headers={"ETag": tag})
                response.headers["ETag"] = tag
            return response

        return handle


async def _once(request: Request, handler: Handler, key: str) -> Response:
    context: Context = request.app.state.context
    body = await request.body()
    who = bearer(request) or request.cookies.get("highroad_session", "")
    scope = f"{key}\0{who}\0{request.method}\0{request.url.path}".encode()
    name, fingerprint = hashlib.sha256(scope).hexdigest(), hashlib.sha256(body).hexdigest()
    earlier = await run_in_threadpool(_take, context, name, fingerprint)
    if earlier is not None:
        return _replay(earlier, fingerprint)
    try:
        response = await handler(request)
    except BaseException:
        await run_in_threadpool(_release, context, name)
        raise
    if response.status_code >= 500 or not hasattr(response, "body"):
        await run_in_threadpool(_release, context, name)
    else:
        await run_in_threadpool(_keep, context, name, response.status_code, bytes(response.body).decode())
    return response


def _replay(earlier: dict[str, Any], fingerprint: str) -> Response:
    if earlier["request"] != fingerprint:
        raise KeyReused(
            "The first request with this key had another body.", next_step="Make a new key for a new request."
        )
    if earlier["status"] is None:
        raise KeyInFlight("It has not been answered yet.", next_step="Wait a moment and send the same request again.")
    headers = {"Idempotency-Replayed": "true"}
    return Response(earlier["body"], earlier["status"], headers, "application/json")


def _take(context: Context, name: str, fingerprint: str) -> dict[str, Any] | None:
    with context.db.begin() as tx:
        return store.take_key(tx, name, fingerprint)


def _keep(context: Context, name: str, status: int, body: str) -> None:
    with context.db.begin() as tx:
        store.keep_answer(tx, name, status, body)


def _release(context: Context, name: str) -> None:
    with context.db.begin() as tx:
        store.release_key(tx, name)
