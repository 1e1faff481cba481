"""The pages about the company's policies: what is in force, an editor with validation and dry run, and the history."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from highroad.access import company_policies
from highroad.access.company_policies import NoSuchPolicy
from highroad.access.grants import CompanyPolicy, PolicyVersion
from highroad.access.permissions import allowed, require
from highroad.access.policy.checking import BadPolicy, Problem, problems
from highroad.access.policy.schema import schema_text
from highroad.access.replay import DAYS, MOST_SHOWN, Replayed, replay
from highroad.errors import HighroadError
from highroad.people.whereabouts import Whereabouts
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.forms import Refusal
from highroad.web.pages import Visit, page_router, visit

EXAMPLE = """\
// Nobody deploys to production on a Friday afternoon (UTC); rolling back stays possible.
forbid(principal, action == Action::"deployment:write", resource)
when {
  resource has mode && resource.mode == "production" &&
  context.weekday == "fri" && context.hour >= 12 &&
  !(context has kind && context.kind == "rollback")
};
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the editor as it was sent, with what is wrong with the statement that begins there."""

    number: int
    text: str
    problem: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What a check of a text found: its lines with problems, or the dry run."""

    lines: tuple[Line, ...]
    found: Replayed | None


def router(context: Context, where: Whereabouts) -> APIRouter:
    pages = page_router()
    _add_reading(pages, context)
    _add_editor(pages, context, where)
    _add_changes(pages, context)
    return pages


def _add_reading(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.get("/policies", openapi_extra=does("policy:read"))
    def show_policies(visit: Annotated[Visit, visitor]) -> Response:
        return _list(visit)

    @pages.get("/policies/schema", openapi_extra=does("policy:read"))
    def show_schema(visit: Annotated[Visit, visitor]) -> Response:
        require(visit.actor, "policy:read")
        return visit.page("policy-schema.html", schema=schema_text())

    @pages.get("/policies/{policy}", openapi_extra=does("policy:read"))
    def show_policy(visit: Annotated[Visit, visitor], policy: str) -> Response:
        return _policy(visit, policy)


def _add_editor(pages: APIRouter, context: Context, where: Whereabouts) -> None:
    visitor = Depends(visit(context))

    @pages.post("/policies", openapi_extra=does("policy:write", "policy:read"))
    def create(visit: Annotated[Visit, visitor]) -> Response:
        return _edited(visit, where, visit.form.text("name"), new=True)

    @pages.post("/policies/{policy}", openapi_extra=does("policy:write", "policy:read"))
    def change(visit: Annotated[Visit, visitor], policy: str) -> Response:
        return _edited(visit, where, policy, new=False)


def _edited(visit: Visit, where: Whereabouts, name: str, *, new: bool) -> Response:
    """The button says whether the text is only looked at, or comes into force."""
    form, context = visit.form, visit.context
    text = form.raw("text")
    if form.text("what") == "check":
        require(visit.actor, "policy:read")
        return _shown(visit, name, new, looked=_look(visit, where, name, text), text=text)
    try:
        with context.db.begin() as tx:
            company_policies.apply(tx, context.log, visit.actor, name=name, text=text, note=form.text("note"))
    except HighroadError as error:
        if not allowed(visit.actor, "policy:write"):
            raise  # there is no editor that would say so
        looked = _look(visit, where, name, text) if isinstance(error, BadPolicy) else None
        return _shown(visit, name, new, looked=looked, text=text, refused=visit.refusal("policy", error))
    return visit.go(f"/policies/{name}?done=applied")


def _look(visit: Visit, where: Whereabouts, name: str, text: str) -> Looked:
    wrong = problems(text)
    if wrong:
        return Looked(_lines(text, wrong), None)
    with visit.context.db.read() as tx:
        candidate = company_policies.with_candidate(tx, name, text)
        return Looked((), replay(tx, candidate, where.recorded))


def _lines(text: str, wrong: Sequence[Problem]) -> tuple[Line, ...]:
    by_line = {each.line: each.detail for each in reversed(wrong)}
    return tuple(
        Line(number, line, by_line.get(number, "")) for number, line in enumerate(text.splitlines() or [""], start=1)
    )


def _shown(
    visit: Visit, name: str, new: bool, *, looked: Looked | None, text: str, refused: Refusal | None = None
) -> Response:
    if new:
        return _list(visit, refused, looked=looked, text=text, name=name)
    return _policy(visit, name, refused, looked=looked, text=text)


def _list(
    visit: Visit,
    refused: Refusal | None = None,
    *,
    looked: Looked | None = None,
    text: str = EXAMPLE,
    name: str = "",
) -> Response:
    with visit.context.db.read() as tx:
        found = company_policies.visible(tx, visit.actor)
    return visit.page(
        "policies.html",
        refused=refused,
        policies=found,
        looked=looked,
        text=text,
        name=name,
        days=DAYS,
        shown=MOST_SHOWN,
        done=visit.request.query_params.get("done", ""),
    )


def _policy(
    visit: Visit, name: str, refused: Refusal | None = None, *, looked: Looked | None = None, text: str | None = None
) -> Response:
    with visit.context.db.read() as tx:
        policy = company_policies.find(tx, visit.actor, name)
        history = company_policies.history(tx, visit.actor, name)
    return visit.page(
        "policy.html",
        refused=refused,
        policy=policy,
        versions=_with_changes(history),
        looked=looked,
        text=policy.text if text is None else text,
        days=DAYS,
        shown=MOST_SHOWN,
        done=visit.request.query_params.get("done", ""),
    )


def _with_changes(history: Sequence[PolicyVersion]) -> list[tuple[PolicyVersion, list[str]]]:
    """Each version with the lines it changed against the one before: they begin with `+`, `-`, a space or `@@`."""
    texts = [each.text for each in history[1:]] + [""]
    return [
        (each, list(difflib.unified_diff(old.splitlines(), each.text.splitlines(), lineterm="", n=2))[2:])
        for each, old in zip(history, texts, strict=True)
    ]


def _add_changes(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.post("/policies/{policy}/revert", openapi_extra=does("policy:write"))
    def revert(visit: Annotated[Visit, visitor], policy: str) -> Response:
        version = visit.form.number("version") or 0
        with context.db.begin() as tx:
            company_policies.revert(tx, context.log, visit.actor, name=policy, version=version)
        return visit.go(f"/policies/{policy}?done=reverted")

    @pages.post("/policies/{policy}/disable", openapi_extra=does("policy:write"))
    def disable(visit: Annotated[Visit, visitor], policy: str) -> Response:
        with context.db.begin() as tx:
            company_policies.disable(tx, context.log, visit.actor, name=policy)
        return visit.go(f"/policies/{policy}?done=disabled")

    @pages.post("/policies/{policy}/delete", openapi_extra=does("policy:write"))
    def delete(visit: Annotated[Visit, visitor], policy: str) -> Response:
        """Only after its name was typed."""
        try:
            with context.db.begin() as tx:
                _require_typed(visit, company_policies.find(tx, visit.actor, policy))
                company_policies.delete(tx, context.log, visit.actor, name=policy)
        except NoSuchPolicy:
            raise
        except HighroadError as error:
            if not allowed(visit.actor, "policy:write"):
                raise
            return _policy(visit, policy, visit.refusal("delete", error))
        return visit.go("/policies?done=deleted")


class NotTyped(BadPolicy):
    code = "policy-deletion-not-confirmed"
    title = "The deletion was not confirmed"


def _require_typed(visit: Visit, policy: CompanyPolicy) -> None:
    require(visit.actor, "policy:write")
    if visit.form.text("confirm") != policy.name:
        raise NotTyped("Nothing was deleted.", next_step=f"Type {policy.name} to delete it.")
