"""The ways into the portal and out of it: password, one-time link, approval of a device, sign-out."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from highroad.access import actions, store
from highroad.access.actions import NewSession, NoSuchLogin
from highroad.access.model import Login
from highroad.access.secrets import digest
from highroad.db.engine import Transaction
from highroad.errors import TooMany, Unauthenticated
from highroad.kit.clock import now
from highroad.web.auth import client_address, cookie_name, is_secure, session_cookie
from highroad.web.context import Context
from highroad.web.forms import Form, Refusal, read_form, require_own_origin
from highroad.web.pages import Visit, local_path, page_router, present_session, render, visit

Sent = Annotated[Form, Depends(read_form)]


def router(context: Context) -> APIRouter:
    pages = page_router()
    _add_password(pages, context)
    _add_link(pages, context)
    _add_device(pages, context)
    _add_sign_out(pages, context)
    return pages


def _add_password(pages: APIRouter, context: Context) -> None:
    @pages.get("/sign-in")
    def show_sign_in(request: Request, next: str = "/") -> Response:
        target = local_path(next)
        if present_session(context, request) is not None:
            return RedirectResponse(target, 303)
        return _outside("sign-in.html", next=target)

    @pages.post("/sign-in")
    def sign_in(request: Request, form: Sent) -> Response:
        require_own_origin(request)
        target, address = local_path(form.text("next")), client_address(request)
        try:
            user = actions.check_password(
                context.db,
                context.log,
                email=form.text("email")[:254],
                password=form.raw("password")[:1000],
                address=address,
                origin="portal",
            )
        except (Unauthenticated, TooMany) as error:
            return _outside("sign-in.html", Refusal("sign-in", error, form), next=target)
        with context.db.begin() as tx:
            _end_present(tx, request)
            session = actions.start_session(tx, context.log, user, address=address)
        return _come_in(request, session, target)


def _add_link(pages: APIRouter, context: Context) -> None:
    @pages.get("/sign-in/link")
    def show_link() -> Response:
        """The secret stands behind the `#`, which browsers send to nobody; the page's script puts it into the form."""
        return _outside("sign-in-link.html")

    @pages.post("/sign-in/link")
    def use_link(request: Request, form: Sent) -> Response:
        require_own_origin(request)
        # People paste the whole link where the script does not run.
        secret = form.text("secret").rpartition("#")[2]
        try:
            with context.db.begin() as tx:
                session = actions.use_link(tx, context.log, secret, address=client_address(request))
                _end_present(tx, request)
        except Unauthenticated as error:
            return _outside("sign-in-link.html", Refusal("link", error))
        return _come_in(request, session, "/" if session.user.has_password else "/account?welcome=1")


def _add_device(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/login/{user_code}")
    def show_device(visit: Annotated[Visit, visitor], user_code: str) -> Response:
        with context.db.read() as tx:
            login = _waiting(tx, user_code)
        return visit.page("login.html", login=login, decision=None)

    @pages.post("/login/{user_code}")
    def decide(visit: Annotated[Visit, visitor], user_code: str) -> Response:
        """Approves only when that very button was pressed: anything else refuses."""
        approve = visit.form.text("decision") == "approve"
        with context.db.begin() as tx:
            login = actions.decide_login(tx, visit.actor, user_code, approve=approve)
        return visit.page("login.html", login=login, decision="approved" if approve else "refused")


def _waiting(tx: Transaction, user_code: str) -> Login:
    login = store.login_by_code(tx, user_code.strip().upper())
    if login is None or login.user is not None or login.refused or login.expires_at <= now():
        raise NoSuchLogin(
            "No device waits with this code: it was decided before, or ten minutes have passed.",
            next_step="Run highroad login again and compare the code.",
        )
    return login


def _add_sign_out(pages: APIRouter, context: Context) -> None:
    @pages.post("/sign-out")
    def sign_out(visit: Annotated[Visit, Depends(visit(context))]) -> Response:
        with context.db.begin() as tx:
            _end_present(tx, visit.request)
        response = visit.go("/sign-in")
        name, secure = cookie_name(visit.request), is_secure(visit.request)
        response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")
        return response


def _outside(template: str, refused: Refusal | None = None, **values: object) -> Response:
    """A page for people who are not signed in."""
    text = render(template, refused=refused, actor=None, csrf="", **values)
    return HTMLResponse(text, refused.error.status if refused else 200)


def _end_present(tx: Transaction, request: Request) -> None:
    """End the session that the browser came with: a new sign-in never goes on with an old secret."""
    cookie = session_cookie(request)
    if cookie:
        store.end_session(tx, digest(cookie))


def _come_in(request: Request, session: NewSession, target: str) -> Response:
    response = RedirectResponse(target, 303)
    response.set_cookie(
        cookie_name(request),
        session.secret,
        max_age=int(actions.SESSION_LIFE.total_seconds()),
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )
    return response
