"""The page behind an invitation's link, for people who are not users yet: a name and a password, or a provider."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from highroad.access import invitation_actions as actions
from highroad.access.federation import store as federation
from highroad.access.invitations import Invitation
from highroad.errors import HighroadError
from highroad.web.account import PasswordsDiffer
from highroad.web.api import OPEN
from highroad.web.auth import client_address
from highroad.web.context import Context
from highroad.web.forms import Form, Refusal, read_form, require_own_origin
from highroad.web.pages import page_router
from highroad.web.sign_in import come_in, end_present, outside

Sent = Annotated[Form, Depends(read_form)]


def router(context: Context) -> APIRouter:
    pages = page_router()

    @pages.get("/invitation", openapi_extra=OPEN)
    def show() -> Response:
        """The secret stands behind the `#`, which browsers send to nobody; the page's script puts it into the form."""
        return outside("invitation-link.html")

    @pages.post("/invitation", openapi_extra=OPEN)
    def look(request: Request, form: Sent) -> Response:
        require_own_origin(request)
        secret = form.text("secret").rpartition("#")[2][:200]  # people paste the whole link where no script runs
        try:
            return _welcome(context, secret, _invitation(context, secret))
        except HighroadError as error:
            return outside("invitation-link.html", Refusal("link", error))

    @pages.post("/invitation/accept", openapi_extra=OPEN)
    def accept(request: Request, form: Sent) -> Response:
        require_own_origin(request)
        secret = form.raw("secret")[:200]
        try:
            invitation = _invitation(context, secret)
        except HighroadError as error:
            return outside("invitation-link.html", Refusal("link", error))
        try:
            if form.raw("password") != form.raw("again"):
                raise PasswordsDiffer("You are not a user yet.", next_step="Type the same password twice.")
            session = actions.accept(
                context.db,
                context.log,
                secret,
                name=form.text("name"),
                password=form.raw("password"),
                address=client_address(request),
                agent=request.headers.get("user-agent", ""),
            )
        except HighroadError as error:
            return _welcome(context, secret, invitation, Refusal("accept", error, form))
        with context.db.begin() as tx:
            end_present(tx, request)
        return come_in(request, session, "/")

    return pages


def _invitation(context: Context, secret: str) -> Invitation:
    with context.db.read() as tx:
        return actions.look(tx, secret)


def _welcome(context: Context, secret: str, invitation: Invitation, refused: Refusal | None = None) -> Response:
    with context.db.read() as tx:
        providers = federation.offered(tx)
    return outside("invitation.html", refused, invitation=invitation, secret=secret, providers=providers)
