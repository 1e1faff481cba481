"""The pages about who has which role where: of a project, of all projects, and what somebody may do there."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access import granting, grants, questions, service_accounts, store, teams
from highroad.access.granting import Holder
from highroad.access.permissions import allowed, require
from highroad.access.places import ORGANIZATION, Place
from highroad.access.policy.actions import VERBS
from highroad.access.policy.presets import PRESETS
from highroad.access.policy.standing import MODES, Grant, effective
from highroad.db.engine import Transaction
from highroad.errors import HighroadError, Invalid
from highroad.kit.clock import now
from highroad.people.whereabouts import Whereabouts
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit


class BadDate(Invalid):
    code = "bad-date"


@dataclass(frozen=True, slots=True)
class Row:
    """One holder: the grant that counts in each mode, None for nothing, and all that reach the place."""

    holder: Holder
    cells: tuple[Grant | None, ...]
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form about a question said, and its answer."""

    verb: str
    mode: str
    able: tuple[questions.Able, ...]


def router(context: Context, where: Whereabouts) -> APIRouter:
    pages = page_router()
    _add_reading(pages, context, where)
    _add_changes(pages, context, where)
    return pages


def rows(tx: Transaction, place: Place) -> list[Row]:
    """Who holds what at a project, or in all projects: teams first, then people, then service accounts."""
    at = now()
    found = grants.list_grants(tx, project=place.project or "")
    live = [each for each in found if each.expires_at is None or each.expires_at > at]
    known = granting.holders(tx, live)
    order = {"team": 0, "user": 1, "account": 2}
    made = []
    for holder in sorted(known.values(), key=lambda each: (order[each.kind], each.name)):
        own = tuple(each for each in live if each.holder_id == holder.id)
        cells = tuple(next(iter(effective(own, place, mode)), None) for mode in MODES)
        made.append(Row(holder, cells, own))
    return made


def _page(visit: Visit, where: Whereabouts, project: str | None, refused: Refusal | None = None) -> Response:
    with visit.context.db.read() as tx:
        place = where.find(tx, visit.actor, project) if project else ORGANIZATION
        require(visit.actor, "access:read", place)
        matrix = rows(tx, place)
        roles = granting.all_roles(tx)
        asked = _asked(tx, visit, place)
        holders = _holders(tx) if allowed(visit.actor, "access:write", place) else []
    return visit.page(
        "access.html",
        refused=refused,
        place=place,
        base=f"/projects/{project}/access" if project else "/access",
        matrix=matrix,
        roles=roles,
        modes=MODES,
        presets=PRESETS,
        holders=holders,
        may_grant=allowed(visit.actor, "access:write", place),
        verbs=VERBS,
        asked=asked,
        done=visit.request.query_params.get("done", ""),
    )


def _holders(tx: Transaction) -> list[tuple[str, str]]:
    """What can be typed as a holder, with what it is."""
    return [
        *((f"team:{each.name}", each.title) for each in teams.list_teams(tx)),
        *((each.email, each.name) for each in store.list_users(tx) if each.active),
        *((f"account:{each.name}", "service account") for each in service_accounts.everyone(tx, "service")),
    ]


def _asked(tx: Transaction, visit: Visit, place: Place) -> Asked | None:
    verb, mode = (visit.request.query_params.get(name, "") for name in ("verb", "mode"))
    if verb not in VERBS or place.project is None:
        return None
    here = Place(place.project, place.project_name, place.team, mode, mode) if mode in MODES else place
    try:
        action = questions.action_named(verb, here)
    except questions.NotThere:
        here, mode = (place, "") if here.mode else (_anywhere(place), MODES[2])
        action = questions.action_named(verb, here)
    return Asked(verb, mode, tuple(questions.who_can(tx, visit.actor, action, here)))


def _anywhere(place: Place) -> Place:
    """Production, for a question that is about environments and names none."""
    return Place(place.project, place.project_name, place.team, "production", "production")


def _add_reading(pages: APIRouter, context: Context, where: Whereabouts) -> None:
    visitor = Depends(visit(context))

    @pages.get("/access", openapi_extra=does("access:read"))
    def show_all(visit: Annotated[Visit, visitor]) -> Response:
        return _page(visit, where, None)

    @pages.get("/projects/{project}/access", openapi_extra=does("access:read"))
    def show_project(visit: Annotated[Visit, visitor], project: str) -> Response:
        return _page(visit, where, project)


def _add_changes(pages: APIRouter, context: Context, where: Whereabouts) -> None:
    visitor = Depends(visit(context))

    @pages.post("/access", openapi_extra=does("access:write"))
    def grant_everywhere(visit: Annotated[Visit, visitor]) -> Response:
        return _grant(visit, where, None)

    @pages.post("/projects/{project}/access", openapi_extra=does("access:write"))
    def grant_in_project(visit: Annotated[Visit, visitor], project: str) -> Response:
        return _grant(visit, where, project)

    @pages.post("/access/{id}/withdraw", openapi_extra=does("access:write"))
    def withdraw(visit: Annotated[Visit, visitor], id: str) -> Response:
        project = ""
        try:
            with context.db.begin() as tx:
                found = grants.grant_by_id(tx, id)
                place = ORGANIZATION
                if found is not None and found.project is not None:
                    named = where.projects(tx, [found.project]).get(found.project)
                    project = named.project_name if named else ""
                    place = where.find(tx, visit.actor, project) if project else ORGANIZATION
                require(visit.actor, "access:write", place)
                granting.withdraw(tx, context.log, visit.actor, id, place)
        except granting.NotYoursToGrant as error:
            return _page(visit, where, project or None, visit.refusal("matrix", error))
        return visit.go(f"/projects/{project}/access?done=withdrawn" if project else "/access?done=withdrawn")


def _grant(visit: Visit, where: Whereabouts, project: str | None) -> Response:
    form, actor, log = visit.form, visit.actor, visit.context.log
    try:
        with visit.context.db.begin() as tx:
            place = where.find(tx, actor, project) if project else ORGANIZATION
            require(actor, "access:write", place)
            kind, _, name = form.text("holder").rpartition(":")
            holder = granting.find_holder(tx, kind or "user", name)
            ends = _date(form.text("until"))
            preset = form.text("role").removeprefix("preset:")
            if preset != form.text("role"):
                granting.grant_preset(tx, log, actor, holder=holder, place=place, preset=preset, expires_at=ends)
            else:
                mode, role = form.text("mode") or None, form.text("role")
                granting.grant(tx, log, actor, holder=holder, place=place, mode=mode, role=role, expires_at=ends)
    except HighroadError as error:
        with visit.context.db.read() as tx:
            seen = where.find(tx, actor, project) if project else ORGANIZATION
        if not allowed(actor, "access:write", seen):
            raise  # there is no form that would say so
        return _page(visit, where, project, visit.refusal("grant", error))
    return visit.go(f"/projects/{project}/access?done=granted" if project else "/access?done=granted")


def _date(text: str) -> datetime | None:
    """The end of a day as a date field sends it, in UTC."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadDate(f"{text[:20]!r} is no date.", next_step="Write it as 2027-01-31.") from error
    return day + timedelta(days=1)
