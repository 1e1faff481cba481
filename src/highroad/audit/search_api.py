"""The audit log over HTTP: search, one event, and exports that stream."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.audit import archive, export, reads, search
from highroad.audit.facts import diff_of
from highroad.audit.formats import FORMATS
from highroad.audit.sequencer import Sequencer
from highroad.errors import FieldError, NotFound
from highroad.events.log import cloud_event
from highroad.events.model import Recorded
from highroad.kit.clock import now, parse_rfc3339
from highroad.kit.paging import PageRequest
from highroad.web.api import Answer, Instant, Listing, api_router, does, listing, paging
from highroad.web.auth import signed_in
from highroad.web.context import Context
from highroad.web.words import short_type

FormatName = Literal["jsonl", "csv", "ocsf", "cloudevents"]

JSON_LINES = "application/x-ndjson"


class NoSuchEvent(NotFound):
    code = "no-such-event"
    title = "There is no such event"


class AuditEvent(Answer):
    """One event as a row: who did what, from where, by which right. `what` is its type without namespace and
    version."""

    id: str
    seq: int
    time: Instant
    what: str
    type: str
    subject: str
    actor: str
    actor_id: str | None
    actor_kind: str | None
    token: str | None
    origin: str
    address: str | None
    request: str | None
    action: str | None
    decision: str | None
    policy: str | None
    project: str | None
    environment: str | None
    service: str | None


class FieldChange(Answer):
    before: Any
    after: Any


class AuditEventDetail(AuditEvent):
    """`event` is the whole event as a CloudEvent."""

    changes: dict[str, FieldChange]
    event: dict[str, Any]


def filters(
    actor: Annotated[str | None, Query(description="A name, as an email address, or an id.")] = None,
    actor_kind: Annotated[str | None, Query(description="user, service, policy or system.")] = None,
    token: Annotated[str | None, Query(description="The id of a token.")] = None,
    origin: Annotated[str | None, Query(description="portal, cli, api, git or system.")] = None,
    address: Annotated[str | None, Query(description="An address, its beginning (10.2.), or 10.2.0.0/16.")] = None,
    action: Annotated[str | None, Query(description="As deployment:write, or deployment:*.")] = None,
    type: Annotated[str | None, Query(description="An event type or its beginning: user, user.signedin.")] = None,
    project: str | None = None,
    environment: str | None = None,
    service: str | None = None,
    subject: Annotated[str | None, Query(description="The id of what it is about.")] = None,
    decision: Annotated[str | None, Query(description="allowed or refused.")] = None,
    policy: Annotated[str | None, Query(description="A part of the id of a policy that decided.")] = None,
    request: Annotated[str | None, Query(description="The id of the request that did it.")] = None,
    since: Annotated[str | None, Query(description="RFC 3339; this instant counts.")] = None,
    until: Annotated[str | None, Query(description="RFC 3339; this instant does not count.")] = None,
    text: Annotated[str | None, Query(description="What stands anywhere in the event.")] = None,
) -> search.Query:
    return search.Query(
        actor=actor,
        actor_kind=actor_kind,
        token=token,
        origin=origin,
        address=address,
        action=action,
        type=type,
        project=project,
        environment=environment,
        service=service,
        subject=subject,
        decision=decision,
        policy=policy,
        request=request,
        since=instant("since", since),
        until=instant("until", until),
        text=text,
    )


def instant(name: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise search.BadFilter(
            f"{name} is not an instant.",
            next_step="Write it as 2026-11-22T10:00:00Z or 2026-11-22.",
            errors=[FieldError(f"/{name}", "must be RFC 3339")],
        ) from error


def router(context: Context, sequencer: Sequencer) -> APIRouter:
    api = api_router("audit")
    actor_of = Depends(signed_in(context))

    @api.get("/audit/events", openapi_extra=does("audit:read"))
    def search_audit_log(
        actor: Annotated[Actor, actor_of],
        query: Annotated[search.Query, Depends(filters)],
        page: Annotated[PageRequest, Depends(paging)],
    ) -> Listing[AuditEvent]:
        """Events newest first, by anything that is known of them.

        A page may hold fewer events than asked for, even none, and still have a next one: then the search has looked
        at a part of the log and goes on with `next_page_token`. The search itself is recorded.
        """
        reads.require_and_record_search(context.db, context.log, actor, query)
        with context.db.read() as tx:
            return Listing(**listing(search.search(tx, query, page), answer))

    @api.get("/audit/events/{id}", openapi_extra=does("audit:read"))
    def show_audit_event(actor: Annotated[Actor, actor_of], id: str) -> AuditEventDetail:
        """One event with all it says: what changed, and the CloudEvent itself."""
        require(actor, "audit:read")
        return detail(find_event(context, id))

    @api.get(
        "/audit/export",
        response_model=None,
        responses={200: {"content": {JSON_LINES: {}}}},
        openapi_extra=does("audit:read"),
    )
    def export_audit_log(
        actor: Annotated[Actor, actor_of],
        query: Annotated[search.Query, Depends(filters)],
        format: Annotated[FormatName, Query(description="The format of the file.")] = "jsonl",
    ) -> Response:
        """The events that fit, oldest first, as one file that is sent while it is read. The export itself is recorded.

        `jsonl` has the events as the log keeps them, with checkpoints, hashes and keys, so that `highroad audit verify`
        can check them offline, also when they are a part of the log. `csv` is for spreadsheets, `ocsf` is JSON Lines by
        OCSF 1.8.0, `cloudevents` is JSON Lines of CloudEvents.
        """
        reads.require_and_record_export(context.db, context.log, actor, query, format)
        made = FORMATS.get(format)
        name = f"highroad-audit-{now():%Y%m%dT%H%M%SZ}.{made.extension if made else 'jsonl'}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        if made is None:
            pieces = archive.pieces(export.proved(sequencer, query))
            return StreamingResponse(pieces, media_type=JSON_LINES, headers=headers)
        text = export.lines(context.db, query, format)
        return StreamingResponse(text, media_type=made.media_type, headers=headers)

    return api


def find_event(context: Context, id: str) -> Recorded:
    with context.db.read() as tx:
        found = search.event(tx, id)
    if found is None:
        raise NoSuchEvent(
            "No event has this id, or retention has dropped it.", next_step="Search for it: highroad audit search"
        )
    return found


def answer(recorded: Recorded) -> AuditEvent:
    return AuditEvent(**_row(recorded))


def detail(recorded: Recorded) -> AuditEventDetail:
    changes = {name: FieldChange(before=old, after=new) for name, (old, new) in diff_of(recorded).items()}
    return AuditEventDetail(**_row(recorded), changes=changes, event=cloud_event(recorded))


def _row(recorded: Recorded) -> dict[str, Any]:
    names = [name for name in AuditEvent.model_fields if name != "what"]
    return {"what": short_type(recorded.type), **{name: getattr(recorded, name) for name in names}}
