"""The page about roles: what each one allows, as a matrix, and the roles that a company defines."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access import custom_roles, granting, grants
from highroad.access.permissions import allowed, require
from highroad.access.policy.actions import ACTIONS
from highroad.access.policy.presets import PRESETS
from highroad.access.policy.roles import GRANTABLE, ORGANIZATION_MEANING
from highroad.access.policy.standing import MODES
from highroad.errors import HighroadError
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit


def router(context: Context) -> APIRouter:
    pages = page_router()
    visitor = Depends(visit(context))

    @pages.get("/roles", openapi_extra=does("self:read"))
    def show_roles(visit: Annotated[Visit, visitor]) -> Response:
        return _page(visit)

    @pages.post("/roles", openapi_extra=does("role:write"))
    def create_role(visit: Annotated[Visit, visitor]) -> Response:
        form = visit.form
        try:
            with context.db.begin() as tx:
                custom_roles.create(
                    tx,
                    context.log,
                    visit.actor,
                    name=form.text("name"),
                    description=form.text("description"),
                    actions=frozenset(form.all("action")),
                )
        except HighroadError as error:
            return _refused(visit, "new", error)
        return visit.go("/roles?done=created")

    @pages.post("/roles/{role}", openapi_extra=does("role:write"))
    def change_role(visit: Annotated[Visit, visitor], role: str) -> Response:
        form = visit.form
        try:
            with context.db.begin() as tx:
                custom_roles.change(
                    tx,
                    context.log,
                    visit.actor,
                    role,
                    description=form.text("description"),
                    actions=frozenset(form.all("action")),
                )
        except HighroadError as error:
            return _refused(visit, f"role-{role}", error)
        return visit.go("/roles?done=changed")

    @pages.post("/roles/{role}/delete", openapi_extra=does("role:write"))
    def delete_role(visit: Annotated[Visit, visitor], role: str) -> Response:
        try:
            with context.db.begin() as tx:
                custom_roles.delete(tx, context.log, visit.actor, role)
        except HighroadError as error:
            return _refused(visit, f"role-{role}", error)
        return visit.go("/roles?done=deleted")

    return pages


def _refused(visit: Visit, form: str, error: HighroadError) -> Response:
    if not allowed(visit.actor, "role:write"):
        raise error  # there is no form that would say so
    return _page(visit, visit.refusal(form, error))


def _page(visit: Visit, refused: Refusal | None = None) -> Response:
    require(visit.actor, "self:read")
    with visit.context.db.read() as tx:
        roles = granting.all_roles(tx)
        held = {name: grants.role_in_use(tx, name) for name in roles}
    return visit.page(
        "roles.html",
        refused=refused,
        roles=roles.values(),
        held=held,
        actions={name: ACTIONS[name] for name in ACTIONS if name in GRANTABLE},
        organization=ORGANIZATION_MEANING,
        presets=PRESETS,
        modes=MODES,
        done=visit.request.query_params.get("done", ""),
    )
