"""The audit log in the portal: search with a filter form, one event, where it is sent on, and the access review."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Response

from highroad.access.permissions import require
from highroad.access.policy.actions import ACTIONS
from highroad.access.policy.standing import MODES
from highroad.audit import reads, search, tree
from highroad.audit.destination_pages import add_destinations
from highroad.audit.facts import diff_of, place_of
from highroad.audit.review import Asked, BadReview, Review, make_review
from highroad.audit.search import Query
from highroad.audit.search_api import find_event, instant
from highroad.errors import HighroadError
from highroad.events.log import cloud_event
from highroad.events.model import ALL_TYPES, Recorded
from highroad.kit.paging import Page, page_request
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.pages import Visit, page_router, visit
from highroad.web.words import short_type

SHOWN = 50
PATIENCE = 0.3
"""Seconds that a person waits for a page of a search, before it says how far it has looked."""
LONGEST_REVIEW = 1000
"""Rows of a review on the page; the CSV has all."""
_NAMES = tuple(each.name for each in fields(Query))


def router(context: Context) -> APIRouter:
    pages = page_router()
    _add_search(pages, context)
    _add_review(pages, context)
    add_destinations(pages, context)
    return pages


# Search


def _add_search(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/audit", openapi_extra=does("audit:read"))
    def show_audit_log(visit: Annotated[Visit, visitor], page_token: str = "") -> Response:
        asked = {name: visit.request.query_params.get(name, "").strip() for name in _NAMES}
        try:
            return _found(visit, asked, page_token)
        except search.BadFilter as error:
            return _page(visit, asked, refused=error)

    @pages.get("/audit/events/{id}", openapi_extra=does("audit:read"))
    def show_event(visit: Annotated[Visit, visitor], id: str) -> Response:
        require(visit.actor, "audit:read")
        found = find_event(context, id)
        with context.db.read() as tx:
            proof = tree.proof_state(tx, found.seq)
        return visit.page(
            "audit-event.html",
            event=found,
            what=short_type(found.type),
            place=place_of(found),
            target=target_of(found),
            changes={name: (_said(old), _said(new)) for name, (old, new) in diff_of(found).items()},
            document=json.dumps(cloud_event(found), indent=2, ensure_ascii=False),
            proof=proof,
        )


def _found(visit: Visit, asked: Mapping[str, str], page_token: str) -> Response:
    context, query = visit.context, query_of(asked)
    reads.require_and_record_search(context.db, context.log, visit.actor, query)
    with context.db.read() as tx:
        request = page_request(SHOWN, page_token or None)
        page = search.search(tx, query, request, seconds=PATIENCE)
        checkpoint = tree.proof_state(tx, 0).checkpoint
        newest = search.newest(tx)
    rows = [(each, short_type(each.type), place_of(each), tree.covers(checkpoint, each.seq)) for each in page.items]
    return _page(visit, asked, page=page, rows=rows, first=not page_token, newest=newest)


def _page(
    visit: Visit,
    asked: Mapping[str, str],
    *,
    page: Page[Recorded] | None = None,
    rows: list[tuple[Recorded, str, str, bool]] | None = None,
    first: bool = True,
    newest: int = 0,
    refused: HighroadError | None = None,
) -> Response:
    given = {name: value for name, value in asked.items() if value}
    older = urlencode({**given, "page_token": page.next_page_token}) if page and page.next_page_token else ""
    return visit.page(
        "audit.html",
        status=refused.status if refused else 200,
        error=refused,
        asked=asked,
        given=given,
        rows=rows or [],
        older=older,
        first=first,
        kinds=sorted({short_type(each.name).partition(".")[0] for each in ALL_TYPES}),
        stream=f"/api/v1/events?after={newest}",
        exported=urlencode(_exported(given)),
    )


def query_of(asked: Mapping[str, str]) -> Query:
    """The query that a form means. A day as its end counts until it is over."""
    values: dict[str, Any] = {name: value or None for name, value in asked.items()}
    values["since"] = instant("since", asked["since"])
    until = instant("until", asked["until"])
    values["until"] = until + timedelta(days=1) if until and len(asked["until"]) == 10 else until
    return Query(**values)


def _exported(given: Mapping[str, str]) -> dict[str, str]:
    """The same filter for the API, or nothing while it cannot be read."""
    try:
        return query_of({name: given.get(name, "") for name in _NAMES}).given()
    except search.BadFilter:
        return {}


def target_of(recorded: Recorded) -> str:
    """The page of what the event is about; empty where it has none."""
    kind = recorded.subject.partition("_")[0]
    own = {"dep": "deployments", "run": "runs", "usr": "users", "dst": "audit/destinations"}
    if kind in own:
        return f"/{own[kind]}" if kind == "dst" else f"/{own[kind]}/{quote(recorded.subject, safe='')}"
    if recorded.project is None:
        return ""
    project = f"/projects/{quote(recorded.project, safe='')}"
    return f"{project}/services/{quote(recorded.service, safe='')}" if recorded.service else project


def _said(value: object) -> str | None:
    """None for what there was not."""
    return None if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# The access review


def _add_review(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/audit/access-review", openapi_extra=does("audit:read"))
    def show_review(
        visit: Annotated[Visit, visitor],
        action: str = "deployment:write",
        mode: str = "production",
        project: str = "",
    ) -> Response:
        wanted = Asked(action.strip(), None if mode == "all" else mode, project.strip() or None)
        error: BadReview | None = None
        review: Review | None = None
        reads.require_and_record_review(context.db, context.log, visit.actor, wanted.given())
        try:
            with context.db.read() as tx:
                review = make_review(tx, wanted)
        except BadReview as refused:
            error = refused
        return visit.page(
            "access-review.html",
            status=error.status if error else 200,
            error=error,
            review=replace(review, rows=review.rows[:LONGEST_REVIEW]) if review else None,
            total=len(review.rows) if review else 0,
            accounts=len({row.who for row in review.rows}) if review else 0,
            wanted=wanted,
            mode=mode,
            modes=MODES,
            actions={name: each.meaning for name, each in ACTIONS.items() if not name.startswith("self:")},
            asked=urlencode({"action": wanted.action, "mode": mode, "project": project}),
        )
