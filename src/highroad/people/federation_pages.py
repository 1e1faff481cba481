"""The page about whom Highroad believes: sign-in providers for people, and trust rules for CI jobs."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from starlette.concurrency import run_in_threadpool

from highroad.access import store as accounts
from highroad.access.federation import actions as providers
from highroad.access.federation import store as provider_store
from highroad.access.federation.issuers import Issuers
from highroad.access.federation.model import GroupRule
from highroad.access.federation.probe import Finding, probe
from highroad.access.permissions import allowed, require
from highroad.access.trust import actions as trust
from highroad.access.trust import store as trust_store
from highroad.access.trust.model import GITHUB, GITLAB, LONGEST_MINUTES, SCOPES, Condition
from highroad.errors import HighroadError, Invalid
from highroad.people.oidc_pages import redirect_uri
from highroad.people.providers_api import find, works
from highroad.web.api import does
from highroad.web.context import Context
from highroad.web.forms import Form, Refusal
from highroad.web.pages import Visit, page_router, visit

HERE = "/sign-in-providers"


class BadLine(Invalid):
    code = "bad-line"
    title = "A line cannot be read"


def router(context: Context, issuers: Issuers | None = None) -> APIRouter:
    pages = page_router()
    _add_page(pages, context)
    _add_providers(pages, context)
    _add_test(pages, context, issuers or Issuers())
    _add_trust(pages, context)
    return pages


def _page(
    visit: Visit, refused: Refusal | None = None, tested: str = "", findings: tuple[Finding, ...] = ()
) -> Response:
    require(visit.actor, "federation:read")
    with visit.context.db.read() as tx:
        listed = provider_store.list_providers(tx)
        rules = trust_store.list_rules(tx)
        services = accounts.list_users(tx, kind="service")
    return visit.page(
        "federation.html",
        refused=refused,
        providers=listed,
        rules=rules,
        services=[each for each in services if each.active],
        redirect_uri=lambda name: redirect_uri(visit.context, name),
        tested=tested,
        findings=findings,
        works=works(list(findings)),
        scopes=SCOPES,
        issuers=(GITHUB, GITLAB),
        minutes=LONGEST_MINUTES,
    )


def _refused(visit: Visit, form: str, error: HighroadError) -> Response:
    if not allowed(visit.actor, "federation:write"):
        raise error  # the page that would say so is not theirs to see either
    return _page(visit, visit.refusal(form, error))


def _add_page(pages: APIRouter, context: Context) -> None:
    @pages.get(HERE, openapi_extra=does("federation:read"))
    def show_federation(visit: Annotated[Visit, Depends(visit(context))]) -> Response:
        return _page(visit)


def _add_providers(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.post(HERE, openapi_extra=does("federation:write"))
    def add_provider(visit: Annotated[Visit, visitor]) -> Response:
        form = visit.form
        try:
            with context.db.begin() as tx:
                providers.add_provider(
                    tx,
                    context.log,
                    visit.actor,
                    name=form.text("name"),
                    issuer=form.text("issuer"),
                    client_id=form.text("client_id"),
                    secret=form.raw("client_secret") or None,
                    title=form.text("title"),
                    **_options(form),
                )
        except HighroadError as error:
            return _refused(visit, "provider", error)
        return visit.go(HERE)

    @pages.post(HERE + "/{id}/change", openapi_extra=does("federation:write"))
    def change_provider(visit: Annotated[Visit, visitor], id: str) -> Response:
        """Switch on or off, or set what the form about the provider has."""
        form = visit.form
        try:
            changes = {"active": form.text("active") == "yes"} if form.text("active") else _options(form)
            secret = form.raw("client_secret") or None
            with context.db.begin() as tx:
                providers.change_provider(tx, context.log, visit.actor, id, changes, secret=secret)
        except HighroadError as error:
            return _refused(visit, f"provider-{id}", error)
        return visit.go(HERE)

    @pages.post(HERE + "/{id}/remove", openapi_extra=does("federation:write"))
    def remove_provider(visit: Annotated[Visit, visitor], id: str) -> Response:
        with context.db.begin() as tx:
            providers.remove_provider(tx, context.log, visit.actor, id)
        return visit.go(HERE)


def _add_test(pages: APIRouter, context: Context, issuers: Issuers) -> None:
    @pages.post(HERE + "/{id}/test", openapi_extra=does("federation:write"))
    async def check_provider(visit: Annotated[Visit, Depends(visit(context))], id: str) -> Response:
        require(visit.actor, "federation:write")
        provider = await run_in_threadpool(find, context, id)
        findings = await probe(provider, issuers)
        return await run_in_threadpool(_page, visit, None, provider.id, tuple(findings))


def _add_trust(pages: APIRouter, context: Context) -> None:
    visitor = Depends(visit(context))

    @pages.post("/trust-rules", openapi_extra=does("federation:write"))
    def add_rule(visit: Annotated[Visit, visitor]) -> Response:
        form = visit.form
        try:
            with context.db.begin() as tx:
                trust.add_rule(
                    tx,
                    context.log,
                    visit.actor,
                    name=form.text("rule"),
                    issuer=form.text("rule_issuer"),
                    audience=form.text("audience") or context.settings.url,
                    conditions=_conditions(form.text("conditions")),
                    account=form.text("account"),
                    scopes=form.all("scope"),
                    minutes=form.number("minutes") or LONGEST_MINUTES,
                    once=form.text("once") == "yes",
                )
        except HighroadError as error:
            return _refused(visit, "trust", error)
        return visit.go(f"{HERE}#trust")

    @pages.post("/trust-rules/{id}/change", openapi_extra=does("federation:write"))
    def change_rule(visit: Annotated[Visit, visitor], id: str) -> Response:
        with context.db.begin() as tx:
            trust.change_rule(tx, context.log, visit.actor, id, {"active": visit.form.text("active") == "yes"})
        return visit.go(f"{HERE}#trust")

    @pages.post("/trust-rules/{id}/remove", openapi_extra=does("federation:write"))
    def remove_rule(visit: Annotated[Visit, visitor], id: str) -> Response:
        with context.db.begin() as tx:
            trust.remove_rule(tx, context.log, visit.actor, id)
        return visit.go(f"{HERE}#trust")


def _options(form: Form) -> dict[str, Any]:
    return {
        "scopes": tuple(form.text("scopes").split()) or providers.SCOPES,
        "group_claim": form.text("group_claim"),
        "groups": _group_rules(form.text("groups")),
        "creates_users": form.text("creates_users") == "yes",
        "domains": tuple(form.text("domains").replace(",", " ").split()),
        "email_trust": "always" if form.text("email_trust") == "always" else "verified",
    }


def _group_rules(text: str) -> tuple[GroupRule, ...]:
    """One `group -> team` a line."""
    pairs = [_pair(line, "->", "group -> team") for line in text.splitlines() if line.strip()]
    return tuple(GroupRule(*pair) for pair in pairs)


def _conditions(text: str) -> tuple[Condition, ...]:
    """One `claim=pattern` a line."""
    pairs = [_pair(line, "=", "claim=pattern") for line in text.splitlines() if line.strip()]
    return tuple(Condition(*pair) for pair in pairs)


def _pair(line: str, between: str, form: str) -> tuple[str, str]:
    first, found, second = line.partition(between)
    if not found or not first.strip() or not second.strip():
        raise BadLine(f"{line.strip()[:80]!r} is not of the form {form}.", next_step=f"Write {form}, one a line.")
    return first.strip(), second.strip()
