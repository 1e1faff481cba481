"""The ways into the portal and out of it: password, one-time link, approval of a device, sign-out.

Sign-in by a provider stands in `people.oidc_pages`, which answers with what is here.
"""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from highroad.access import actions, sessions, store
from highroad.access.actions import NewSession, NoSuchLogin
from highroad.access.federation import store as federation
from highroad.access.model import Login, User
from highroad.access.permissions import require
from highroad.access.second_factor import actions as second_factor
from highroad.access.second_factor import store as second_factors
from highroad.access.second_factor.actions import SignInOver
from highroad.access.secrets import digest
from highroad.db.engine import Transaction
from highroad.errors import TooMany, Unauthenticated
from highroad.kit.clock import now
from highroad.web.api import OPEN, does
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
    @pages.get("/sign-in", openapi_extra=OPEN)
    def show_sign_in(request: Request, next: str = "/") -> Response:
        target = local_path(next)
        if present_session(context, request) is not None:
            return RedirectResponse(target, 303)
        return sign_in_page(context, target)

    @pages.post("/sign-in", openapi_extra=OPEN)
    def sign_in(request: Request, form: Sent) -> Response:
        require_own_origin(request)
        target = local_path(form.text("next"))
        try:
            user = actions.check_password(
                context.db,
                context.log,
                email=form.text("email")[:254],
                password=form.raw("password")[:1000],
                address=client_address(request),
                origin="portal",
            )
        except (Unauthenticated, TooMany) as error:
            return sign_in_page(context, target, Refusal("sign-in", error, form))
        return _next_step(context, request, user, target)

    @pages.post("/sign-in/code", openapi_extra=OPEN)
    def check_code(request: Request, form: Sent) -> Response:
        """What `waiting` holds is in no address and no cookie: it goes with the form, and is worth five minutes."""
        require_own_origin(request)
        target, waiting = local_path(form.text("next")), form.raw("waiting")[:100]
        with context.db.read() as tx:
            link_by = second_factors.link_maker(tx, waiting)
        try:
            user = second_factor.finish(
                context.db, context.log, secret=waiting, code=form.text("code")[:40], address=client_address(request)
            )
        except SignInOver as error:
            return sign_in_page(context, target, Refusal("sign-in", error))
        except (Unauthenticated, TooMany) as error:
            return outside("sign-in-code.html", Refusal("code", error), next=target, waiting=waiting)
        return _admit(context, request, user, target, link_by)


def _next_step(context: Context, request: Request, user: User, target: str, link_by: str = "") -> Response:
    """For somebody whose password, or link of `link_by`, was right: the second factor, or in."""
    with context.db.begin() as tx:
        waiting = second_factor.waits_for_code(tx, user, link_by=link_by)
    if waiting is not None:
        return outside("sign-in-code.html", next=target, waiting=waiting)
    return _admit(context, request, user, target, link_by)


def _admit(context: Context, request: Request, user: User, target: str, link_by: str) -> Response:
    agent = request.headers.get("user-agent", "")
    with context.db.begin() as tx:
        end_present(tx, request)
        session = actions.start_session(
            tx, context.log, user, address=client_address(request), agent=agent, link_by=link_by
        )
    return come_in(request, session, target)


def _add_link(pages: APIRouter, context: Context) -> None:
    @pages.get("/sign-in/link", openapi_extra=OPEN)
    def show_link() -> Response:
        """The secret stands behind the `#`, which browsers send to nobody; the page's script puts it into the form."""
        return outside("sign-in-link.html")

    @pages.post("/sign-in/link", openapi_extra=OPEN)
    def use_link(request: Request, form: Sent) -> Response:
        require_own_origin(request)
        # People paste the whole link where the script does not run.
        secret = form.text("secret").rpartition("#")[2]
        try:
            with context.db.begin() as tx:
                user, made_by = actions.spend_link(tx, secret)
        except Unauthenticated as error:
            return outside("sign-in-link.html", Refusal("link", error))
        target = "/" if user.has_password else "/account?welcome=1"
        return _next_step(context, request, user, target, made_by)


def _add_device(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/login/{user_code}", openapi_extra=does("self:read"))
    def show_device(visit: Annotated[Visit, visitor], user_code: str) -> Response:
        require(visit.actor, "self:read")
        with context.db.read() as tx:
            login = _waiting(tx, user_code)
        return visit.page("login.html", login=login, decision=None)

    @pages.post("/login/{user_code}", openapi_extra=does("self:write"))
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
    @pages.post("/sign-out", openapi_extra=OPEN)
    def sign_out(visit: Annotated[Visit, Depends(visit(context))]) -> Response:
        cookie = session_cookie(visit.request)
        with context.db.begin() as tx:
            way_out = federation.way_out(tx, cookie) if cookie else None
            end_present(tx, visit.request)
        # A page in between, because a form of ours may lead to no other site (form-action in our CSP).
        response = outside("signed-out.html", way_out=way_out) if way_out else visit.go("/sign-in")
        name, secure = cookie_name(visit.request), is_secure(visit.request)
        response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")
        return response


def sign_in_page(context: Context, target: str, refused: Refusal | None = None) -> Response:
    """All ways in, to come to `target`; with `refused`, why one of them led nowhere."""
    with context.db.read() as tx:
        providers = federation.offered(tx)
    return outside("sign-in.html", refused, next=target, providers=providers)


def outside(template: str, refused: Refusal | None = None, **values: object) -> Response:
    """A page for people who are not signed in."""
    text = render(template, refused=refused, actor=None, csrf="", **values)
    return HTMLResponse(text, refused.error.status if refused else 200)


def end_present(tx: Transaction, request: Request) -> None:
    """End the session that the browser came with: a new sign-in never goes on with an old secret."""
    cookie = session_cookie(request)
    if cookie:
        store.end_session(tx, digest(cookie))


def renew_session(visit: Visit, response: Response) -> Response:
    """`response` with a new secret for the visitor's session, which has become more worth."""
    assert visit.actor.session is not None, "pages are for sessions"
    with visit.context.db.begin() as tx:
        secret = sessions.renew(tx, visit.actor.session)
    _set_cookie(visit.request, response, secret)
    return response


def come_in(request: Request, session: NewSession, target: str) -> Response:
    """To `target`, with the session in the browser's cookie."""
    response = RedirectResponse(target, 303)
    _set_cookie(request, response, session.secret)
    return response


def _set_cookie(request: Request, response: Response, secret: str) -> None:
    response.set_cookie(
        cookie_name(request),
        secret,
        max_age=int(actions.SESSION_LIFE.total_seconds()),
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )
