"""The event log as a page: newest first, by project and kind, each event with all it says."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
import json
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Response

from highroad.events import store
from highroad.events.log import cloud_event
from highroad.events.model import ALL_TYPES
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.events import Visible
from highroad.web.pages import Visit, page_router, visit
from highroad.web.words import short_type

SHOWN = 100


def router(context: Context, visible: Visible) -> APIRouter:
    pages = page_router()

    @pages.get("/events", openapi_extra=does("event:read"))
    def show_events(visit: Annotated[Visit, Depends(visit(context))], project: str = "", type: str = "") -> Response:
        with context.db.read() as tx:
            found, last = store.read_visible(
                tx,
                visible(tx, visit.actor),
                after=None,
                limit=SHOWN,
                project=project or None,
                type_prefix=type or None,
            )
        entries = [(each, json.dumps(cloud_event(each), indent=2, ensure_ascii=False)) for each in reversed(found)]
        follow = {"after": str(last), "project": project, "type": type}
        return visit.page(
            "events.html",
            entries=entries,
            stream="/api/v1/events?" + urlencode({key: value for key, value in follow.items() if value}),
            project=project,
            type=type,
            kinds=_kinds(),
            shown=SHOWN,
        )

    return pages


def _kinds() -> dict[str, str]:
    """What to filter by: the beginning of the type up to its subject, by the subject's name."""
    subjects = {short_type(each.name).partition(".")[0]: each.name for each in ALL_TYPES}
    return {subject: name[: name.index(subject) + len(subject) + 1] for subject, name in sorted(subjects.items())}
