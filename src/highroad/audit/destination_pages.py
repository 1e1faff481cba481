"""The page of destinations: what the audit log is sent on to, how far that got, and forms to change it."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access.permissions import allowed, require
from highroad.audit import destination_store as store
from highroad.audit import destinations, trial
from highroad.audit.search import newest
from highroad.audit.trial import Trial
from highroad.errors import HighroadError
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, visit


def add_destinations(pages: APIRouter, context: Context) -> None:
    _add_list(pages, context)
    _add_changes(pages, context)


def _page(
    visit: Visit,
    refused: Refusal | None = None,
    *,
    secret: str = "",
    secret_of: str = "",
    tried: Trial | None = None,
    tried_name: str = "",
) -> Response:
    require(visit.actor, "audit:read")
    with visit.context.db.read() as tx:
        found = store.list_destinations(tx)
        last = newest(tx)
    return visit.page(
        "audit-destinations.html",
        refused=refused,
        destinations=found,
        newest=last,
        secret=secret,
        secret_of=secret_of,
        tried=tried,
        tried_name=tried_name,
    )


def _add_list(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/audit/destinations", openapi_extra=does("audit:read"))
    def show_destinations(visit: Annotated[Visit, visitor]) -> Response:
        return _page(visit)

    @pages.post("/audit/destinations", openapi_extra=does("audit:write"))
    def add_destination(visit: Annotated[Visit, visitor]) -> Response:
        """The signing secret stands in this answer and in no other: hence no redirect."""
        form = visit.form
        try:
            with context.db.begin() as tx:
                made, secret = destinations.create_destination(
                    tx,
                    context.log,
                    visit.actor,
                    name=form.text("name"),
                    url=form.text("url"),
                    mode=form.text("mode") or "structured",
                    format=form.text("format") or "cloudevents",
                    authorization=form.text("authorization"),
                    from_beginning=form.text("from_beginning") == "yes",
                )
        except HighroadError as error:
            return _refused(visit, "add", error)
        return _page(visit, secret=secret, secret_of=made.name) if secret else visit.go("/audit/destinations")


def _add_changes(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.post("/audit/destinations/{id}/test", openapi_extra=does("audit:write"))
    def test_destination(visit: Annotated[Visit, visitor], id: str) -> Response:
        tried = trial.send_test(context, visit.actor, id)
        with context.db.read() as tx:
            name = destinations.find(tx, id).name
        return _page(visit, tried=tried, tried_name=name)

    @pages.post("/audit/destinations/{id}/state", openapi_extra=does("audit:write"))
    def set_state(visit: Annotated[Visit, visitor], id: str) -> Response:
        try:
            with context.db.begin() as tx:
                changes = {"state": visit.form.text("state")}
                destinations.change_destination(tx, context.log, visit.actor, id, changes)
        except HighroadError as error:
            return _refused(visit, "destinations", error)
        return visit.go("/audit/destinations")

    @pages.post("/audit/destinations/{id}/secret", openapi_extra=does("audit:write"))
    def rotate_secret(visit: Annotated[Visit, visitor], id: str) -> Response:
        """Shown in this answer and in no other."""
        try:
            with context.db.begin() as tx:
                secret = destinations.rotate_secret(tx, context.log, visit.actor, id)
                name = destinations.find(tx, id).name
        except HighroadError as error:
            return _refused(visit, "destinations", error)
        return _page(visit, secret=secret, secret_of=name)

    @pages.post("/audit/destinations/{id}/remove", openapi_extra=does("audit:write"))
    def remove_destination(visit: Annotated[Visit, visitor], id: str) -> Response:
        with context.db.begin() as tx:
            destinations.remove_destination(tx, context.log, visit.actor, id)
        return visit.go("/audit/destinations")


def _refused(visit: Visit, form: str, error: HighroadError) -> Response:
    if not allowed(visit.actor, "audit:write"):
        raise error  # the form that would say so is not theirs to see
    return _page(visit, visit.refusal(form, error))
