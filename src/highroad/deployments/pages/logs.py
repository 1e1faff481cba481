"""Logs in pages: what is there is rendered with the page, and its cursor is where the live stream goes on."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Response

from highroad.access.permissions import require
from highroad.deployments.desk import Desk
from highroad.deployments.follow import Followed
from highroad.deployments.instances import stream_of
from highroad.deployments.streaming import matches
from highroad.drivers.contract import LogLine, LogPage
from highroad.errors import Permanent, Temporary
from highroad.kit.clock import rfc3339
from highroad.projects.actions import find_environment, find_service
from highroad.web.api import does
from highroad.web.pages import Visit, page_router, visit

MOST_LINES = 2000
TAIL = 500


@dataclass(frozen=True, slots=True)
class ShownLine:
    """`source` is the task of a run or the label of an instance; `at` is RFC 3339."""

    at: str
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownLog:
    """The last lines, how many before them are left out of the page, and where the stream goes on."""

    lines: Sequence[ShownLine]
    left_out: int
    cursor: str


def shown_log(followed: Followed) -> ShownLog:
    lines = followed.lines[-MOST_LINES:]
    shown = [ShownLine(each.at, each.task, each.text) for each in lines]
    return ShownLog(shown, len(followed.lines) - len(lines), followed.cursor)


def router(desk: Desk) -> APIRouter:
    pages = page_router()

    @pages.get("/projects/{project}/services/{service}/environments/{environment}/logs", openapi_extra=does("log:read"))
    def show_logs(
        visit: Annotated[Visit, Depends(visit(desk.context))],
        project: str,
        service: str,
        environment: str,
        process: str = "",
    ) -> Response:
        with desk.context.db.read() as tx:
            found = find_service(tx, visit.actor, project, service)
            where = find_environment(tx, visit.actor, project, environment)
            require(visit.actor, "log:read", where.place.of_service(found.name))
            placement = desk.placements(tx, found, [where])[0]
        page, trouble = _read(desk, stream_of(found.id, where.id))
        kept = [_line(each) for each in page.lines if matches(each, process or None)]
        query = {"process": process, "cursor": page.cursor, "tail": "0"}
        return visit.page(
            "logs.html",
            placement=placement,
            process=process,
            processes=[*(each.name for each in placement.processes), *(each.label for each in placement.instances)],
            log=ShownLog(kept, 0, page.cursor),
            trouble=trouble,
            stream=f"/api/v1{visit.request.url.path}?"
            + urlencode({key: value for key, value in query.items() if value}),
        )

    return pages


def _read(desk: Desk, stream: str) -> tuple[LogPage, str]:
    """The last lines; without them, why the target does not give them now."""
    try:
        return desk.driver.read_logs(stream, tail=TAIL), ""
    except (Temporary, Permanent) as error:
        return LogPage((), ""), str(error)


def _line(line: LogLine) -> ShownLine:
    return ShownLine(rfc3339(line.at), line.label, line.text)
