"""The portal's pages about gates: what guards an environment, and freezes with deployment windows everywhere."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access.permissions import require_scope
from highroad.errors import HighroadError, Invalid
from highroad.gates import actions, store
from highroad.gates.api import gate_answer
from highroad.gates.calendar import calendar
from highroad.gates.model import MAX_AGE, PASSABLE
from highroad.kit.clock import now
from highroad.kit.paging import PageRequest
from highroad.projects import actions as projects
from highroad.projects.actions import find_environment
from highroad.projects.model import MODES
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit

LOUD = timedelta(days=7)
"""How long a broken glass is shown where people look first."""
ENVIRONMENT = "/projects/{project}/environments/{environment}/gates"


class BadTime(Invalid):
    code = "bad-time"


def router(context: Context) -> APIRouter:
    pages = page_router()
    _add_environment(pages, context)
    _add_rules(pages, context)
    _add_freezes(pages, context)
    return pages


def show_gates(visit: Visit, project: str, environment: str, refused: Refusal | None = None) -> Response:
    with visit.context.db.read() as tx:
        found = find_environment(tx, visit.actor, project, environment)
        guards = store.gates_of(tx, found)
        passes = store.passes_since(tx, now() - LOUD, [found.id])
        waiting = len(store.waits_present(tx, found.id))
    at = now()
    answers = [gate_answer(each, at) for each in guards]
    own = {each.id for each in guards if each.where.environment_id == found.id}
    return visit.page(
        "gates.html",
        refused=refused,
        environment=found,
        place=found.place,
        gates=[each for each in answers if each.kind != "lock"],
        own_lock=any(each.kind == "lock" and each.created_by == visit.actor.name for each in guards),
        lock=next((each for each in answers if each.kind == "lock" and each.closed), None),
        own=own,
        passes=passes,
        waiting=waiting,
        kinds=PASSABLE,
    )


def _add_environment(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get(ENVIRONMENT, openapi_extra=does("project:read"))
    def environment_gates(visit: Annotated[Visit, visitor], project: str, environment: str) -> Response:
        return show_gates(visit, project, environment)

    @pages.post("/projects/{project}/environments/{environment}/lock", openapi_extra=does("lock:write"))
    def change_lock(visit: Annotated[Visit, visitor], project: str, environment: str) -> Response:
        """Locks it with `why` and for `hours`, or with `unlock` takes the lock away."""
        form = visit.form
        try:
            with context.db.begin() as tx:
                found = find_environment(tx, visit.actor, project, environment)
                if form.text("unlock"):
                    actions.unlock(tx, context.log, visit.actor, found, why=form.text("why"))
                else:
                    hours = form.number("hours")
                    until = now() + timedelta(hours=min(hours, 24 * 365)) if hours else None
                    why = form.text("why")
                    actions.lock(tx, context.log, visit.actor, found, why=why, until=until, at=now())
        except HighroadError as error:
            return show_gates(visit, project, environment, visit.refusal("lock", error))
        return visit.go(f"/projects/{project}/environments/{environment}/gates")


def _add_rules(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.post(ENVIRONMENT, openapi_extra=does("gate:write"))
    def require_approvals(visit: Annotated[Visit, visitor], project: str, environment: str) -> Response:
        form = visit.form
        try:
            with context.db.begin() as tx:
                found = find_environment(tx, visit.actor, project, environment)
                hours = form.number("max_age")
                actions.add_approval_rule(
                    tx,
                    context.log,
                    visit.actor,
                    actions.of_environment(found),
                    rule=form.text("rule"),
                    not_author=bool(form.text("not_author")),
                    void_on_change=bool(form.text("void_on_change")),
                    max_age=timedelta(hours=hours) if hours else MAX_AGE,
                    passes=form.all("passes"),
                )
        except HighroadError as error:
            return show_gates(visit, project, environment, visit.refusal("rule", error))
        return visit.go(f"/projects/{project}/environments/{environment}/gates")

    @pages.post("/gates/{id}/remove", openapi_extra=does("gate:write"))
    def remove_gate(visit: Annotated[Visit, visitor], id: str) -> Response:
        with context.db.begin() as tx:
            found = actions.find_gate(tx, visit.actor, id, "approvals", "freeze", "window")
            actions.remove_gate(tx, context.log, visit.actor, found)
        where = found.where
        if where.environment_id is not None and found.kind == "approvals":
            return visit.go(f"/projects/{where.project}/environments/{where.environment}/gates")
        return visit.go("/freezes")


def _add_freezes(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/freezes", openapi_extra=does("project:read"))
    def show(visit: Annotated[Visit, visitor]) -> Response:
        return _freezes(visit)

    @pages.post("/freezes", openapi_extra=does("gate:write"))
    def add(visit: Annotated[Visit, visitor]) -> Response:
        """A freeze, or with `kind` window a deployment window. `place`: a project, `project/environment`, or empty."""
        form = visit.form
        project, _, environment = form.text("place").partition("/")
        try:
            with context.db.begin() as tx:
                require_scope(visit.actor, "gate:write")
                where, _place = actions.where_of(
                    tx,
                    visit.actor,
                    project=project or None,
                    environment=environment or None,
                    mode=form.text("mode") or None,
                )
                times = calendar(
                    form.text("zone") or "UTC", form.raw("times").split("\n"), form.raw("exceptions").split("\n")
                )
                shared = {"name": form.text("name"), "times": times, "passes": form.all("passes")}
                if form.text("kind") == "window":
                    actions.add_window(tx, context.log, visit.actor, where, **shared)  # type: ignore[arg-type]  # by name
                else:
                    reason = form.text("reason")
                    actions.add_freeze(tx, context.log, visit.actor, where, reason=reason, **shared)  # type: ignore[arg-type]
        except HighroadError as error:
            return _freezes(visit, visit.refusal("freeze", error))
        return visit.go("/freezes")

    @pages.post("/gates/{id}/exceptions", openapi_extra=does("gate:write"))
    def except_times(visit: Annotated[Visit, visitor], id: str) -> Response:
        try:
            with context.db.begin() as tx:
                found = actions.find_gate(tx, visit.actor, id)
                actions.except_times(tx, context.log, visit.actor, found, [visit.form.text("times")])
        except HighroadError as error:
            return _freezes(visit, visit.refusal(f"except-{id}", error))
        return visit.go("/freezes")


def _freezes(visit: Visit, refused: Refusal | None = None) -> Response:
    require_scope(visit.actor, "project:read")
    with visit.context.db.read() as tx:
        found = actions.visible(tx, visit.actor, store.list_gates(tx, "freeze", "window", "lock"))
        names = [each.name for each in projects.visible_projects(tx, visit.actor, PageRequest(500)).items]
    at = now()
    answers = [gate_answer(each, at) for each in found]
    return visit.page(
        "freezes.html",
        refused=refused,
        freezes=[each for each in answers if each.kind == "freeze"],
        windows=[each for each in answers if each.kind == "window"],
        locks=[each for each in answers if each.kind == "lock"],
        projects=names,
        modes=MODES,
        kinds=PASSABLE,
        today=datetime.now(UTC).date().isoformat(),
    )
