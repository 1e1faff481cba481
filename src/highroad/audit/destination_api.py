"""Destinations of the audit log over HTTP. Reading takes `audit:read`, everything else `audit:write`."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.audit import destination_store as store
from highroad.audit import destinations, trial
from highroad.audit.addresses import LONGEST
from highroad.audit.destination_store import Destination
from highroad.web.api import SECRET, Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context


class NewDestination(Body):
    name: str = Field(max_length=63)
    url: str = Field(
        max_length=LONGEST, description="https://HOST/PATH, syslog+tls://HOST:PORT, syslog+tcp:// or syslog+udp://."
    )
    mode: Literal["structured", "binary"] = Field(
        default="structured", description="How a webhook gets a CloudEvent: as the body, or its data with ce- headers."
    )
    format: Literal["cloudevents", "ocsf"] = Field(
        default="cloudevents", description="What a syslog message says; a webhook gets CloudEvents."
    )
    authorization: str = Field(default="", max_length=2000, description="Value of the header Authorization, if any.")
    from_beginning: bool = Field(default=False, description="Also send what happened before, as far as it is kept.")


class DestinationChange(Body):
    url: str | None = Field(
        default=None,
        max_length=LONGEST,
        description="With another scheme, host or port the authorization is forgotten, unless it is given anew, and a "
        "webhook has a new signing secret.",
    )
    mode: Literal["structured", "binary"] | None = None
    format: Literal["cloudevents", "ocsf"] | None = None
    authorization: str | None = Field(default=None, max_length=2000, description="Empty: none any more.")
    state: Literal["active", "paused"] | None = None


class DestinationAnswer(Answer):
    """`shown` is where it goes, without the path, in which collectors keep secrets. `position` is the number of the
    last event that was delivered; `failures` counts attempts since, and `error` says why the last one failed."""

    id: str
    name: str
    shown: str
    mode: str
    format: str
    state: str
    position: int
    delivered: int
    delivered_at: Instant | None
    failures: int
    error: str
    failed_at: Instant | None
    next_at: Instant | None
    created_at: Instant
    created_by: str


class MadeDestination(DestinationAnswer):
    secret: str = Field(description="The signing secret of a webhook (Standard Webhooks); it is shown this once.")


class ChangedDestination(DestinationAnswer):
    secret: str = Field(description="The new signing secret of a webhook that moved, shown this once; else empty.")


class NewSecret(Answer):
    secret: str


class TrialResult(Answer):
    """`error` is empty when it was delivered."""

    event: str
    delivered: bool
    error: str


def router(context: Context) -> APIRouter:
    api = api_router("audit")
    actor_of = Depends(signed_in(context))

    @api.get("/audit/destinations", openapi_extra=does("audit:read"))
    def list_destinations(actor: Annotated[Actor, actor_of]) -> Listing[DestinationAnswer]:
        """Where the audit log is sent on, how far that got, and what went wrong last."""
        require(actor, "audit:read")
        with context.db.read() as tx:
            return Listing(items=[_answer(each) for each in store.list_destinations(tx)])

    @api.get("/audit/destinations/{id}", openapi_extra=does("audit:read"))
    def show_destination(actor: Annotated[Actor, actor_of], id: str) -> DestinationAnswer:
        """One destination, by its id or its name."""
        require(actor, "audit:read")
        with context.db.read() as tx:
            return _answer(destinations.find(tx, id))

    @api.post("/audit/destinations", status_code=201, dependencies=[SECRET], openapi_extra=does("audit:write"))
    def create_destination(actor: Annotated[Actor, actor_of], body: NewDestination) -> MadeDestination:
        """Send the audit log on to a webhook or a syslog collector, from now on or from the beginning."""
        with context.db.begin() as tx:
            made, secret = destinations.create_destination(tx, context.log, actor, **body.model_dump())
        return MadeDestination(**_answer(made).model_dump(mode="python"), secret=secret)

    @api.patch("/audit/destinations/{id}", dependencies=[SECRET], openapi_extra=does("audit:write"))
    def change_destination(actor: Annotated[Actor, actor_of], id: str, body: DestinationChange) -> ChangedDestination:
        """Change where or how, pause or resume. Resuming tries again at once, from where it had got to. Another host
        does not get the authorization or the signing secret of the former one."""
        changes = body.model_dump(exclude_none=True)
        with context.db.begin() as tx:
            changed, secret = destinations.change_destination(tx, context.log, actor, id, changes)
        return ChangedDestination(**_answer(changed).model_dump(mode="python"), secret=secret)

    @api.post(
        "/audit/destinations/{id}/secret", status_code=201, dependencies=[SECRET], openapi_extra=does("audit:write")
    )
    def rotate_destination_secret(actor: Annotated[Actor, actor_of], id: str) -> NewSecret:
        """A new signing secret for a webhook. For a day events are signed with the former one too."""
        with context.db.begin() as tx:
            return NewSecret(secret=destinations.rotate_secret(tx, context.log, actor, id))

    @api.post("/audit/destinations/{id}/test", openapi_extra=does("audit:write"))
    def test_destination(actor: Annotated[Actor, actor_of], id: str) -> TrialResult:
        """Send one event at once, whatever state the destination is in, and say whether it was taken."""
        found = trial.send_test(context, actor, id)
        return TrialResult(event=found.event, delivered=not found.error, error=found.error)

    @api.delete("/audit/destinations/{id}", status_code=204, openapi_extra=does("audit:write"))
    def remove_destination(actor: Annotated[Actor, actor_of], id: str) -> None:
        """Send it no more. What it was sent stays with the receiver."""
        with context.db.begin() as tx:
            destinations.remove_destination(tx, context.log, actor, id)

    return api


def _answer(destination: Destination) -> DestinationAnswer:
    return DestinationAnswer.model_validate(destination)
