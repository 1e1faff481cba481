"""The event log as a page: newest first, by project and kind, each event with all it says."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
import json
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Response

from highroad.access.permissions import require
from highroad.events import store
from highroad.events.log import cloud_event
from highroad.events.model import ALL_TYPES
from highroad.web.context import Context
from highroad.web.pages import Visit, page_router, visit
from highroad.web.words import short_type

SHOWN = 100


def router(context: Context) -> APIRouter:
    pages = page_router()

    @pages.get("/events")
    def show_events(visit: Annotated[Visit, Depends(visit(context))], project: str = "", type: str = "") -> Response:
        require(visit.actor, "event:read")
        with context.db.read() as tx:
            found = store.latest(tx, limit=SHOWN, project=project or None, type_prefix=type or None)
        entries = [(each, json.dumps(cloud_event(each), indent=2, ensure_ascii=False)) for each in reversed(found)]
        follow = {"after": str(found[-1].seq if found else 0), "project": project, "type": type}
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
