"""The page of one's own second factor: set up, confirm, new recovery codes, turn off; and the reset by others."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

import segno
from fastapi import APIRouter, Depends, Response

from highroad.access.second_factor import actions
from highroad.access.second_factor.actions import Enrolment
from highroad.errors import HighroadError
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit
from highroad.web.sign_in import renew_session

PATH = "/account/second-factor"


def router(context: Context) -> APIRouter:
    pages = page_router()
    _add_set_up(pages, context)
    _add_changes(pages, context)
    _add_reset(pages, context)
    return pages


def _page(
    visit: Visit, refused: Refusal | None = None, enrolment: Enrolment | None = None, codes: list[str] | None = None
) -> Response:
    with visit.context.db.read() as tx:
        standing = actions.standing(tx, visit.actor, rule=visit.context.settings.second_factor)
    return visit.page(
        "second-factor.html",
        refused=refused,
        standing=standing,
        enrolment=enrolment,
        picture=_picture(enrolment.address) if enrolment else "",
        codes=codes or [],
        done=visit.request.query_params.get("done", ""),
    )


def _picture(address: str) -> str:
    """A QR code as an SVG element, light under dark also on a dark page: readers need it so."""
    return segno.make(address, micro=False).svg_inline(scale=4, border=4, light="#fff", dark="#000")


def _add_set_up(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get(PATH, openapi_extra=does("self:read"))
    def show(visit: Annotated[Visit, visitor]) -> Response:
        return _page(visit)

    @pages.post(PATH, openapi_extra=does("self:write"))
    def begin(visit: Annotated[Visit, visitor]) -> Response:
        """The seed stands in this answer and in no other: hence no redirect."""
        try:
            password = visit.form.raw("password")[:1000]
            enrolment = actions.begin(
                context.db, context.log, visit.actor, password=password, installation=context.settings.domain
            )
        except HighroadError as error:
            return _page(visit, visit.refusal("begin", error))
        return _page(visit, enrolment=enrolment)

    @pages.post(f"{PATH}/confirm", openapi_extra=does("self:write"))
    def confirm(visit: Annotated[Visit, visitor]) -> Response:
        try:
            codes = actions.confirm(context.db, context.log, visit.actor, code=visit.form.text("code")[:40])
        except HighroadError as error:
            with context.db.read() as tx:
                waiting = actions.pending(tx, visit.actor, installation=context.settings.domain)
            return _page(visit, visit.refusal("confirm", error), enrolment=waiting)
        return renew_session(visit, _page(visit, codes=codes))


def _add_changes(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.post(f"{PATH}/recovery-codes", openapi_extra=does("self:write"))
    def renew(visit: Annotated[Visit, visitor]) -> Response:
        try:
            code = visit.form.text("code")[:40]
            codes = actions.renew_recovery_codes(context.db, context.log, visit.actor, code=code)
        except HighroadError as error:
            return _page(visit, visit.refusal("codes", error))
        return _page(visit, codes=codes)

    @pages.post(f"{PATH}/off", openapi_extra=does("self:write"))
    def turn_off(visit: Annotated[Visit, visitor]) -> Response:
        try:
            code, rule = visit.form.text("code")[:40], context.settings.second_factor
            actions.disable(context.db, context.log, visit.actor, code=code, rule=rule)
        except HighroadError as error:
            return _page(visit, visit.refusal("off", error))
        return renew_session(visit, visit.go(f"{PATH}?done=off"))


def _add_reset(pages: APIRouter, context: Context) -> None:
    @pages.post("/users/{id}/second-factor/reset", openapi_extra=does("user:write"))
    def reset(visit: Annotated[Visit, Depends(visit(context))], id: str) -> Response:
        with context.db.begin() as tx:
            actions.reset(tx, context.log, visit.actor, id)
        return visit.go("/users")
