"""The portal's plumbing: templates, who looks at a page, answers, the static files and errors as pages.

A page module makes its router with `page_router` and gets a `Visit` in every route: the actor, the form, and `page`
and `go` to answer with. State is changed by POST alone, and `visit` takes none without the session's token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from highroad import __version__
from highroad.access import actions
from highroad.access.model import Actor, Decisions, Session
from highroad.access.permissions import NotSignedIn, allowed
from highroad.access.second_factor.actions import MissingSecondFactor
from highroad.errors import HighroadError, NotFound, Unauthenticated
from highroad.kit.clock import now
from highroad.web import words
from highroad.web.auth import SAFE_METHODS, client_address, note_use, require_second_factor, session_cookie
from highroad.web.context import Context
from highroad.web.declared import checked, declared, known
from highroad.web.forms import Form, Refusal, read_form, require_csrf
from highroad.web.request_ids import request_id

HERE = Path(__file__).parent
STATIC_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
SECURITY_HEADERS = {
    # No inline script or style anywhere, so that no text of a stranger can become one.
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: it would make browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
PRIVATE = SECURITY_HEADERS | {"Cache-Control": "no-store"}
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
WITHOUT_SECOND_FACTOR = ("/account/second-factor", "/sign-out")
"""Pages for people who must have a second factor, and have none yet."""


class NoSuchFile(NotFound):
    code = "no-such-file"


class PageRoute(APIRoute):
    """Puts the portal's headers on every answer of a page route, redirects too."""

    def get_route_handler(self) -> Handler:
        handler = checked(super().get_route_handler(), declared(self.openapi_extra))

        async def handle(request: Request) -> Response:
            response = await handler(request)
            for name, value in PRIVATE.items():
                response.headers.setdefault(name, value)
            return response

        return handle


def page_router() -> APIRouter:
    return APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)


# Templates


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=words.duration,
        clock=words.clock,
        short_type=words.short_type,
        first_line=words.first_line,
        when=lambda instant: words.time_element(instant, now()),
    )
    environment.globals.update(asset=asset, version=__version__, count=lambda _address: 0)
    # A global, because a block does not see what the layout above it imports.
    environment.globals["parts"] = environment.get_template("parts.html").module
    return environment


def render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(**values)


@cache
def _static(name: str) -> tuple[bytes, str, str] | None:
    """Content, media type and fingerprint; None when there is no such file. They change with a release only."""
    file = HERE / "static" / name
    if Path(name).name != name or file.suffix not in STATIC_TYPES or not file.is_file():
        return None
    content = file.read_bytes()
    return content, STATIC_TYPES[file.suffix], hashlib.sha256(content).hexdigest()[:16]


def asset(name: str) -> str:
    """The address of a static file, which changes with its content, so that browsers may keep it for ever."""
    found = _static(name)
    assert found is not None, f"{name} is part of the package"
    return f"/static/{name}?v={found[2]}"


# Who looks


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to a page. `csrf` goes into every form; `actor` is the person that the session belongs to."""

    context: Context
    request: Request
    actor: Actor
    csrf: str
    form: Form

    def page(self, template: str, *, refused: Refusal | None = None, status: int = 200, **values: object) -> Response:
        """The page. With `refused`, its form says why it was not taken, and the status is the error's."""
        path = self.request.url.path
        text = render(
            template,
            actor=self.actor,
            csrf=self.csrf,
            path=path,
            refused=refused,
            # What a page shows or hides is no check of what it does, and must not pass for one.
            may=partial(allowed, replace(self.actor, decisions=Decisions())),
            host=self.context.settings.url,
            count=self._count,
            **values,
        )
        return HTMLResponse(text, refused.error.status if refused else status)

    def _count(self, address: str) -> int:
        """How much waits for this person behind an entry of the navigation."""
        counted = self.context.counts.get(address)
        return counted(self.actor) if counted is not None else 0

    def go(self, path: str) -> Response:
        """To another page after a change, so that a reload repeats nothing."""
        return RedirectResponse(path, 303)

    def refusal(self, form: str, error: HighroadError) -> Refusal:
        return Refusal(form, error, self.form)


def visit(context: Context) -> Callable[..., Visit]:
    """The dependency of every page behind the sign-in. Raises `NotSignedIn`, which `error_page` turns into a way in."""

    def dependency(request: Request, form: Annotated[Form, Depends(read_form)]) -> Visit:
        found = present_session(context, request)
        if found is None:
            raise NotSignedIn("This page is for people who are signed in.", next_step="Sign in.")
        actor, session = found
        note_use(context, session, client_address(request))
        if not request.url.path.startswith(WITHOUT_SECOND_FACTOR):
            require_second_factor(context, actor)
        if request.method not in SAFE_METHODS:
            require_csrf(form, session.csrf)
        return Visit(context, request, known(request, actor), session.csrf, form)

    return dependency


def present_session(context: Context, request: Request) -> tuple[Actor, Session] | None:
    cookie = session_cookie(request)
    if not cookie:
        return None
    with context.db.read() as tx:
        found = actions.actor_of_session(tx, cookie, address=client_address(request))
    return (replace(found[0], request=request_id(request)), found[1]) if found else None


def local_path(text: str, otherwise: str = "/") -> str:
    """`text` if it is a path on this very site, to go to after the sign-in; else `otherwise`."""
    printable = all(character.isprintable() and character not in "\\ " for character in text)
    if not text.startswith("/") or text.startswith("//") or not printable or len(text) > 2000:
        return otherwise
    parts = urlsplit(text)
    return otherwise if parts.scheme or parts.netloc or parts.path.startswith("/sign-in") else text


# Errors


def error_page(context: Context) -> Callable[[Request, HighroadError], Coroutine[Any, Any, Response]]:
    """What `problems.install` calls for errors outside the API: the way to the sign-in, or a page that says why."""

    async def answer(request: Request, error: HighroadError) -> Response:
        if isinstance(error, Unauthenticated):
            return RedirectResponse(f"/sign-in?next={quote(_page_to_return_to(request))}", 303, PRIVATE)
        if isinstance(error, MissingSecondFactor):
            return RedirectResponse("/account/second-factor", 303, PRIVATE)
        actor, csrf = await run_in_threadpool(_who, context, request)
        may = partial(allowed, actor) if actor else lambda _action: False
        text = render("error.html", actor=actor, csrf=csrf, path="", error=error, may=may, host=context.settings.url)
        headers = dict(PRIVATE)
        if "retry_after" in error.extra:
            headers["Retry-After"] = str(error.extra["retry_after"])
        return HTMLResponse(text, error.status, headers)

    return answer


def _who(context: Context, request: Request) -> tuple[Actor | None, str]:
    """Whose name stands above the error. The database may be what the error is about, so it need not answer."""
    try:
        found = present_session(context, request)
    except HighroadError:
        return None, ""
    return (found[0], found[1].csrf) if found else (None, "")


def _page_to_return_to(request: Request) -> str:
    """The page asked for; for a form, the page that it stood on."""
    if request.method == "GET":
        url = request.url
    else:
        referer = urlsplit(request.headers.get("referer", ""))
        if referer.netloc != request.headers.get("host"):
            return "/"
        return local_path(referer.path)
    return local_path(url.path + (f"?{url.query}" if url.query else ""))


# Static files


def router(context: Context) -> APIRouter:  # noqa: ARG001 - every slice's router takes it
    pages = APIRouter(include_in_schema=False)

    @pages.get("/static/{name}")
    def static(request: Request, name: str) -> Response:
        found = _static(name)
        if found is None:
            raise NoSuchFile("There is no such file.", next_step="Go to the start page.")
        content, media_type, fingerprint = found
        current = request.query_params.get("v") == fingerprint
        kept = "public, max-age=31536000, immutable" if current else "no-cache"
        headers = SECURITY_HEADERS | {"Cache-Control": kept, "ETag": f'"{fingerprint}"'}
        if f'"{fingerprint}"' in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return pages
