"""Sign-in with a provider in the portal: off to the provider, and back with its answer (OpenID Connect).

Both pages wait for somebody else's server, so they are coroutines with a deadline and hold neither a worker thread nor
a transaction meanwhile. A failure leads to the sign-in page, which says why and shows the other ways in.
"""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from highroad.access.actions import NewSession
from highroad.access.federation import actions, flow, store
from highroad.access.federation.failures import StaleSignIn
from highroad.access.federation.issuers import Issuers
from highroad.access.federation.model import Attempt, Person, Provider
from highroad.access.second_factor import actions as second_factor
from highroad.errors import HighroadError
from highroad.web.api import OPEN
from highroad.web.auth import client_address, is_secure, sole_cookie
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import local_path, page_router
from highroad.web.sign_in import come_in, end_present, outside, sign_in_page

COOKIE = "highroad_sign_in"
LONGEST_ANSWER = 8 * 1024


def redirect_uri(context: Context, name: str) -> str:
    """The address that the provider must know, letter by letter."""
    return f"{context.settings.url}/sign-in/with/{name}/callback"


def router(context: Context, issuers: Issuers | None = None) -> APIRouter:
    pages = page_router()
    asked = issuers or Issuers()
    _add_departure(pages, context, asked)
    _add_return(pages, context, asked)
    return pages


def _add_departure(pages: APIRouter, context: Context, issuers: Issuers) -> None:
    @pages.get("/sign-in/with/{name}", openapi_extra=OPEN)
    async def depart(request: Request, name: str, next: str = "/") -> Response:
        target = local_path(next)
        try:
            browser = sole_cookie(request, _cookie_name(request))
            provider = await run_in_threadpool(_provider, context, name)
            metadata = await issuers.metadata(provider.issuer)
            attempt = await run_in_threadpool(_begin, context, provider, target, browser, client_address(request))
            address = flow.authorization_url(provider, metadata, attempt, redirect_uri=redirect_uri(context, name))
        except HighroadError as error:
            return await run_in_threadpool(sign_in_page, context, target, Refusal("sign-in", error))
        response = RedirectResponse(address, 303)
        response.set_cookie(
            _cookie_name(request),
            attempt.browser,
            max_age=int(store.ATTEMPT_LIFE.total_seconds()),
            path="/",
            secure=is_secure(request),
            httponly=True,
            samesite="lax",  # strict would keep it back when the provider sends the browser here
        )
        return response


def _add_return(pages: APIRouter, context: Context, issuers: Issuers) -> None:
    @pages.get("/sign-in/with/{name}/callback", openapi_extra=OPEN)
    async def come_back(request: Request, name: str) -> Response:
        try:
            answer = _answer(request)
            browser = sole_cookie(request, _cookie_name(request))
            provider, secret, attempt = await run_in_threadpool(_take, context, name, answer.get("state", ""), browser)
        except HighroadError as error:
            return await run_in_threadpool(sign_in_page, context, "/", Refusal("sign-in", error))
        person: Person | None = None
        try:
            where = redirect_uri(context, name)
            person, metadata = await flow.finish(issuers, provider, secret, attempt, answer, redirect_uri=where)
            way_out = flow.logout_url(
                provider, metadata, id_token=person.id_token, back_to=f"{context.settings.url}/sign-in"
            )
            session = await run_in_threadpool(_sign_in, context, request, provider, person, way_out)
        except HighroadError as error:
            await run_in_threadpool(_note_refusal, context, provider, error, person, client_address(request))
            return await run_in_threadpool(sign_in_page, context, attempt.next, Refusal("sign-in", error))
        if isinstance(session, str):
            return outside("sign-in-code.html", next=attempt.next, waiting=session)
        return come_in(request, session, attempt.next)


def _cookie_name(request: Request) -> str:
    return f"__Host-{COOKIE}" if is_secure(request) else COOKIE


def _answer(request: Request) -> dict[str, str]:
    """The provider's answer out of the query. What stands there twice could be read in two ways."""
    pairs = request.query_params.multi_items()
    if len({name for name, _ in pairs}) != len(pairs) or len(request.url.query) > LONGEST_ANSWER:
        raise StaleSignIn("The provider's answer cannot be read.", next_step="Sign in again.")
    return dict(pairs)


def _provider(context: Context, name: str) -> Provider:
    with context.db.read() as tx:
        return actions.find_active(tx, name)


def _begin(context: Context, provider: Provider, target: str, browser: str | None, address: str) -> Attempt:
    with context.db.begin() as tx:
        return actions.begin(tx, provider, next=target, browser=browser, address=address)


def _take(context: Context, name: str, state: str, browser: str | None) -> tuple[Provider, str | None, Attempt]:
    with context.db.begin() as tx:
        provider = actions.find_active(tx, name)
        return provider, store.secret_of(tx, provider.id), actions.take(tx, provider, state=state, browser=browser)


def _sign_in(
    context: Context, request: Request, provider: Provider, person: Person, logout_url: str | None
) -> NewSession | str:
    """The session, or the secret with which the sign-in waits for a code of somebody who has a second factor here."""
    with context.db.begin() as tx:
        user = actions.recognise(tx, context.log, provider, person)
        waiting = second_factor.waits_for_code(tx, user)
        if waiting is not None:
            return waiting
        end_present(tx, request)
        return actions.start_session(
            tx,
            context.log,
            provider,
            user,
            logout_url=logout_url,
            address=client_address(request),
            agent=request.headers.get("user-agent", ""),
        )


def _note_refusal(
    context: Context, provider: Provider, error: HighroadError, person: Person | None, address: str
) -> None:
    with context.db.begin() as tx:
        actions.note_refusal(tx, context.log, provider, error, person=person, address=address)
