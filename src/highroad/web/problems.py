"""Errors as problem details (RFC 9457) for the API. The portal renders the same errors as a page, in `pages`.

An error that is not ours becomes a 500 with an id; what happened stands in the log beside the id and not in the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed
from highroad.access.refusals import refused
from highroad.db.engine import DatabaseUnavailable
from highroad.errors import FieldError, HighroadError, Invalid, Malformed, NotFound
from highroad.kit.ids import new_id
from highroad.web.declared import who
from highroad.web.request_ids import request_id

TYPES = "https://highroad.dev/problems/"
MEDIA_TYPE = "application/problem+json"
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457). `code` is stable; `next_step` says what to do about it.",
    "required": ["type", "title", "status", "detail", "instance", "code", "next_step"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string"},
        "next_step": {"type": "string"},
        "request_id": {"type": "string", "description": "The id of the request, as in the header X-Request-Id."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer to the wrong field."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request cannot be carried out; `code` says why.", "content": _CONTENT},
    "5XX": {"description": "Highroad cannot carry it out at the moment.", "content": _CONTENT},
}
"""What every operation of the API documents as its failures; `document` adds the schema that they point to."""
logger = logging.getLogger(__name__)


class BadRequestBody(Invalid):
    code = "bad-request-body"
    title = "The request does not fit the API"


class NoSuchPage(NotFound):
    code = "no-such-page"


class MethodNotAllowed(Malformed):
    status = 405
    code = "method-not-allowed"
    title = "This address does not take that method"


class Unexpected(HighroadError):
    """The answer to an error that nobody foresaw."""


def problem(error: HighroadError, instance: str) -> dict[str, object]:
    document: dict[str, object] = {
        "type": TYPES + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "next_step": error.next_step,
    }
    if error.errors:
        document["errors"] = [{"pointer": each.pointer, "detail": each.detail} for each in error.errors]
    return document | error.extra


def problem_response(error: HighroadError, request: Request, given: Mapping[str, str] | None = None) -> Response:
    headers = dict(given or {})
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="Highroad"'
    if "retry_after" in error.extra:
        headers["Retry-After"] = str(error.extra["retry_after"])
    document = problem(error, request.url.path)
    if identifier := request_id(request):
        document["request_id"] = identifier
    return JSONResponse(document, error.status, headers, MEDIA_TYPE)


def from_validation(error: RequestValidationError) -> HighroadError:
    """FastAPI's complaint in our form. Inputs are never repeated: they may hold a secret."""
    errors = [
        FieldError(_pointer(each["loc"]), str(each["msg"]).removeprefix("Value error, ")) for each in error.errors()
    ]
    if any(each["type"] == "json_invalid" for each in error.errors()):
        return Malformed("The body is not JSON.", next_step="Send a JSON object with Content-Type application/json.")
    text = "; ".join(f"{each.pointer}: {each.detail}" for each in errors)
    return BadRequestBody(text[:1000], next_step="See /api/v1/openapi.json for what this address takes.", errors=errors)


def _pointer(place: Sequence[int | str]) -> str:
    """`("body", "counts", "web")` as `/counts/web`: of a body its JSON pointer, of a parameter its name."""
    parts = [str(part).replace("~", "~0").replace("/", "~1")[:200] for part in place[1:]]
    return "".join(f"/{part}" for part in parts)


def is_page(request: Request) -> bool:
    """Whether the one who asks expects a page: the API, the Git server and SCIM have their own forms of an error."""
    return not request.url.path.startswith(("/api/", "/git/", "/scim/"))


def from_http(error: HTTPException, request: Request) -> HighroadError:
    path, people = request.url.path[:200], is_page(request)
    if error.status_code == 404:
        where = "Go to the start page." if people else "See /api/v1/openapi.json for the API's addresses."
        return NoSuchPage(f"There is nothing at {path}.", next_step=where)
    if error.status_code == 405:
        where = "Go to the start page." if people else "See /api/v1/openapi.json."
        return MethodNotAllowed(f"{path} does not take this method.", next_step=where)
    return Malformed(str(error.detail)[:300], next_step="See /api/v1/openapi.json.")


def unexpected(error: Exception, path: str) -> HighroadError:
    identifier = new_id("err")
    logger.error("%s at %s", identifier, path, exc_info=error)
    return Unexpected(
        f"Highroad met an error that it did not foresee ({identifier}).",
        next_step=f"Nothing half-done was kept. The operator finds {identifier} in the control plane's log.",
    )


def document(app: FastAPI) -> None:
    """Add to the app's OpenAPI document what all operations have: the schema of a problem, and how to sign in."""
    without = app.openapi

    def openapi() -> dict[str, Any]:
        described = without()
        components = described.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "hr_..."}}
        described["security"] = [{"token": []}]
        return described

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation of "Extending OpenAPI" has it


def _complete(request: Request, actor: Actor, error: NotAllowed) -> None:
    """Who could help, and a record of what was refused. Both are worth less than the refusal itself."""
    context = getattr(request.app.state, "context", None)
    if context is None:
        return
    try:
        refused(context.db, context.log, actor, error)
    except DatabaseUnavailable:
        logger.warning("a refusal could not be recorded", exc_info=True)


ErrorPage = Callable[[Request, HighroadError], Awaitable[Response]]


def install(app: FastAPI, *, page: ErrorPage | None = None) -> None:
    """Render every error of this app: by `page` where people look (`pages.error_page`), else as a problem document."""

    document(app)

    async def answer(request: Request, error: HighroadError, headers: Mapping[str, str] | None = None) -> Response:
        if page is not None and is_page(request):
            return await page(request, error)
        return problem_response(error, request, headers)

    @app.exception_handler(HighroadError)
    async def _ours(request: Request, error: HighroadError) -> Response:
        actor = who(request)
        if isinstance(error, NotAllowed) and actor is not None:
            await run_in_threadpool(_complete, request, actor, error)
        return await answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        return await answer(request, from_validation(error))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return await answer(request, from_http(error, request), error.headers)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        return await answer(request, unexpected(error, request.url.path))
