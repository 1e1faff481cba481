"""The access review over HTTP, as JSON and as CSV."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from highroad.access.model import Actor
from highroad.audit import reads
from highroad.audit.formats import csv_row
from highroad.audit.review import Asked, Review, make_review
from highroad.kit.clock import rfc3339
from highroad.web.api import Answer, Instant, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context

COLUMNS = ("who", "kind", "place", "mode", "reason", "since", "by", "expires_at", "last_used", "hint", "id")


class ReviewRow(Answer):
    """One account, or one token of it, that may do the action at one place, and why. `last_used` is null where the log
    knows of no use; `hint` says why to look closer."""

    who: str
    id: str
    kind: str
    place: str
    mode: str
    reason: str
    since: Instant | None
    by: str
    expires_at: Instant | None
    last_used: Instant | None
    hint: str


class ReviewAnswer(Answer):
    """`log_since` is when the log begins: earlier uses cannot be seen."""

    action: str
    mode: str | None
    project: str | None
    environment: str | None
    made_at: Instant
    log_since: Instant | None
    items: list[ReviewRow]


def asked(
    action: Annotated[str, Query(description="As deployment:write or secret:read.")] = "deployment:write",
    mode: Annotated[str, Query(description="The mode of environment, or all.")] = "production",
    project: Annotated[str | None, Query(description="Only this project.")] = None,
    environment: Annotated[str | None, Query(description="Only environments of this name.")] = None,
) -> Asked:
    return Asked(action, None if mode == "all" else mode, project or None, environment or None)


def router(context: Context) -> APIRouter:
    api = api_router("audit")
    actor_of = Depends(signed_in(context))

    def made(actor: Actor, wanted: Asked) -> Review:
        reads.require_and_record_review(context.db, context.log, actor, wanted.given())
        with context.db.read() as tx:
            return make_review(tx, wanted)

    @api.get("/audit/access-review", openapi_extra=does("audit:read"))
    def review_access(actor: Annotated[Actor, actor_of], wanted: Annotated[Asked, Depends(asked)]) -> ReviewAnswer:
        """Who may do an action where, why, since when, and when they last did: people, service accounts and tokens."""
        review = made(actor, wanted)
        return ReviewAnswer(
            action=wanted.action,
            mode=wanted.mode,
            project=wanted.project,
            environment=wanted.environment,
            made_at=review.made_at,
            log_since=review.log_since,
            items=[ReviewRow.model_validate(each) for each in review.rows],
        )

    @api.get(
        "/audit/access-review/csv",
        response_model=None,
        responses={200: {"content": {"text/csv": {}}}},
        openapi_extra=does("audit:read"),
    )
    def review_access_as_csv(actor: Annotated[Actor, actor_of], wanted: Annotated[Asked, Depends(asked)]) -> Response:
        """The same as a table for spreadsheets."""
        review = made(actor, wanted)
        headers = {"Content-Disposition": f'attachment; filename="access-review-{review.made_at:%Y%m%dT%H%M%SZ}.csv"'}
        return Response(as_csv(review), media_type="text/csv; charset=utf-8", headers=headers)

    return api


def as_csv(review: Review) -> str:
    lines = [csv_row(list(COLUMNS))]
    for row in review.rows:
        values = [getattr(row, name) for name in COLUMNS]
        lines.append(csv_row([rfc3339(each) if hasattr(each, "isoformat") else each for each in values]))
    return "".join(lines)
