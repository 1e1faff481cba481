"""SCIM over HTTP at /scim/v2: beside the API, because its paths, its JSON and its errors are those of RFC 7644.

A directory comes with the token of an account that may `directory:write`; a policy token that allows just that is best.
"""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from highroad.access import directory_actions as actions
from highroad.access import store, teams
from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed, require
from highroad.access.team_actions import NoSuchTeam, TeamExists
from highroad.access.user_actions import NoSuchUser, UserExists
from highroad.db.engine import Transaction
from highroad.errors import HighroadError, Malformed, TooLarge
from highroad.kit.numbers import whole_number
from highroad.people.scim import resources
from highroad.people.scim.failures import (
    BadValue,
    ChangedMeanwhile,
    NoSuchResource,
    NotImplementedHere,
    NotUnique,
    ScimProblem,
    body,
)
from highroad.people.scim.filters import matches, parse_filter
from highroad.people.scim.patch import patched
from highroad.people.scim.schemas import (
    GROUPS,
    LARGEST_PAGE,
    LIST,
    USERS,
    ResourceKind,
    provider_config,
    resource_types,
    schema_documents,
)
from highroad.web.api import does
from highroad.web.auth import signed_in
from highroad.web.context import Context
from highroad.web.declared import checked

METHODS = ["GET", "PUT", "PATCH", "DELETE", "POST"]
MEDIA_TYPE = "application/scim+json"
LARGEST_BODY = 4 * 1024**2
DEEPEST = 20
PREFIX = "/scim/v2"
ACTION = "directory:write"
DOES = does("directory:write")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Resource = dict[str, Any]


class ScimRoute(APIRoute):
    """Answers errors as RFC 7644, 3.12 has them. All of them decide upon the same action."""

    def get_route_handler(self) -> Handler:
        self.openapi_extra = does(ACTION)
        handler = checked(super().get_route_handler(), (ACTION,))

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except HighroadError as error:
                return _problem(error)

        return handle


class MethodNotTaken(Malformed):
    status = 405
    code = "scim-method-not-taken"


class BodyTooLarge(TooLarge):
    code = "scim-too-large"


def _problem(error: HighroadError) -> Response:
    document = body(error)
    headers = {"WWW-Authenticate": 'Bearer realm="Highroad"'} if error.status == 401 else {}
    return _answer(document, int(str(document["status"])), headers)


def _answer(document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(document), status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def router(context: Context) -> APIRouter:
    api = APIRouter(prefix=PREFIX, route_class=ScimRoute, include_in_schema=False)
    base = f"{context.settings.url}{PREFIX}"
    actor_of = Depends(_directory(context))
    _add_discovery(api, base, actor_of)
    _add_resources(api, context, base, USERS, actor_of)
    _add_resources(api, context, base, GROUPS, actor_of)
    _add_root_search(api, context, base, actor_of)
    _add_rest(api, actor_of)
    return api


def _directory(context: Context) -> Callable[[Request], Actor]:
    known = signed_in(context)

    def dependency(request: Request) -> Actor:
        actor = known(request)
        require(actor, ACTION)
        return actor

    return dependency


def _add_discovery(api: APIRouter, base: str, actor_of: Any) -> None:
    @api.get("/ServiceProviderConfig", dependencies=[actor_of], openapi_extra=DOES)
    def config() -> Response:
        return _answer(provider_config(base))

    for path, documents in (("/ResourceTypes", resource_types(base)), ("/Schemas", schema_documents(base))):
        _add_documents(api, path, documents, actor_of)


def _add_documents(api: APIRouter, path: str, documents: Sequence[Resource], actor_of: Any) -> None:
    @api.get(path, dependencies=[actor_of], openapi_extra=DOES)
    def list_them(request: Request) -> Response:
        if "filter" in request.query_params:
            raise NotAllowed("What there is cannot be filtered.", next_step="Leave the filter out.")  # RFC 7644, 4
        return _answer(_listing(documents, 1, len(documents)))

    @api.get(f"{path}/{{id}}", dependencies=[actor_of], openapi_extra=DOES)
    def get_one(id: str) -> Response:
        found = next((each for each in documents if each["id"] == id), None)
        if found is None:
            raise NoSuchResource(f"There is no {id[:80]!r}.")
        return _answer(found)


# Users and groups


def _add_resources(api: APIRouter, context: Context, base: str, kind: ResourceKind, actor_of: Any) -> None:
    path = kind.endpoint
    read_all = resources.users if kind is USERS else resources.groups
    read_one = resources.user if kind is USERS else resources.group

    @api.get(path, dependencies=[actor_of], openapi_extra=DOES)
    def search(request: Request) -> Response:
        return _search(context, base, read_all, dict(request.query_params))

    @api.post(f"{path}/.search", dependencies=[actor_of], openapi_extra=DOES)
    async def search_by_body(request: Request) -> Response:
        return await run_in_threadpool(_search, context, base, read_all, _asked(await _document(request)))

    @api.get(f"{path}/{{id}}", dependencies=[actor_of], openapi_extra=DOES)
    def get_one(request: Request, id: str) -> Response:
        with context.db.read() as tx:
            found = read_one(tx, id, base)
        if found["meta"]["version"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"ETag": found["meta"]["version"]})
        return _one(found, request)

    @api.post(path, openapi_extra=DOES)
    async def create(request: Request, actor: Annotated[Actor, actor_of]) -> Response:
        sent = kind.read(await _document(request))
        made = await run_in_threadpool(_create, context, base, kind, actor, sent)
        return _one(made, request, 201)

    @api.put(f"{path}/{{id}}", openapi_extra=DOES)
    async def replace(request: Request, actor: Annotated[Actor, actor_of], id: str) -> Response:
        document = await _document(request)
        change = lambda _present: resources.named(kind.read(document)) if kind is USERS else kind.read(document)  # noqa: E731
        return _one(await run_in_threadpool(_change, context, base, kind, actor, id, request, change), request)

    @api.patch(f"{path}/{{id}}", openapi_extra=DOES)
    async def modify(request: Request, actor: Annotated[Actor, actor_of], id: str) -> Response:
        document = await _document(request)
        change = lambda present: patched(kind, present, document)  # noqa: E731
        return _one(await run_in_threadpool(_change, context, base, kind, actor, id, request, change), request)

    @api.delete(f"{path}/{{id}}", openapi_extra=DOES)
    def delete(request: Request, actor: Annotated[Actor, actor_of], id: str) -> Response:
        with context.db.begin() as tx:
            present = read_one(tx, id, base)
            _require_match(request, present)
            _delete(tx, context, kind, actor, id)
        return Response(status_code=204)


def _add_root_search(api: APIRouter, context: Context, base: str, actor_of: Any) -> None:
    @api.post("/.search", dependencies=[actor_of], openapi_extra=DOES)
    async def search_everything(request: Request) -> Response:
        return await run_in_threadpool(_search, context, base, resources.everything, _asked(await _document(request)))


def _asked(document: Resource) -> dict[str, str]:
    """The parameters of a search that came in a body, as they would stand in an address."""
    lists = {key: ",".join(map(str, value)) for key, value in document.items() if isinstance(value, list)}
    return lists | {key: str(value) for key, value in document.items() if isinstance(value, str | int)}


def _search(
    context: Context, base: str, read_all: Callable[[Transaction, str], list[Resource]], asked: Mapping[str, str]
) -> Response:
    start, count = max(1, _number(asked, "startIndex", 1)), _number(asked, "count", LARGEST_PAGE)
    wanted = parse_filter(asked["filter"]) if asked.get("filter") else None
    attributes, excluded = _names(asked, "attributes"), _names(asked, "excludedAttributes")
    with context.db.read() as tx:
        found = read_all(tx, base)
    if wanted is not None:
        found = [each for each in found if matches(wanted, each)]
    size = min(max(0, count), LARGEST_PAGE)
    page = found[start - 1 : start - 1 + size]
    return _answer(_listing([resources.shown(each, attributes, excluded) for each in page], start, len(found)))


def _listing(page: Sequence[Resource], start: int, total: int) -> Resource:
    return {
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(page),
        "Resources": list(page),
    }


def _number(asked: Mapping[str, str], name: str, otherwise: int) -> int:
    text = asked.get(name, "").strip()
    if not text:
        return otherwise
    number = whole_number(text.removeprefix("-"))
    if number is None:
        raise BadValue(f"{name} is a whole number.")
    return -number if text.startswith("-") else number


def _names(asked: Mapping[str, str], name: str) -> list[str]:
    return [each.strip() for each in asked.get(name, "").split(",") if each.strip()]


def _one(document: Resource, request: Request, status: int = 200) -> Response:
    asked = dict(request.query_params)
    shown = resources.shown(document, _names(asked, "attributes"), _names(asked, "excludedAttributes"))
    headers = {"ETag": document["meta"]["version"], "Location": document["meta"]["location"]}
    return _answer(shown, status, headers)


async def _document(request: Request) -> Resource:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_BODY:
            raise BodyTooLarge("The request is too large.", next_step="Send less at a time.")
    try:
        read = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ScimProblem("The body is not JSON.") from error
    if not isinstance(read, dict):
        raise ScimProblem("The body is not an object.")
    return read


def _create(context: Context, base: str, kind: ResourceKind, actor: Actor, sent: Resource) -> Resource:
    with _told_in_scim(), context.db.begin() as tx:
        if kind is USERS:
            wanted = resources.wanted_user(resources.named(sent))
            return resources.user(tx, actions.create_user(tx, context.log, actor, wanted).id, base)
        team = resources.wanted_team(sent, [each.id for each in teams.list_teams(tx)])
        return resources.group(tx, actions.create_team(tx, context.log, actor, team).id, base)


def _change(
    context: Context,
    base: str,
    kind: ResourceKind,
    actor: Actor,
    id: str,
    request: Request,
    change: Callable[[Resource], Resource],
) -> Resource:
    """Read, change and write in one transaction, so that two changes at once are two changes."""
    with _told_in_scim(), context.db.begin() as tx:
        if kind is USERS:
            store.lock_active(tx, id)
            present = resources.user(tx, id, base)
            _require_match(request, present)
            user = store.user(tx, id)
            assert user is not None, "it was just read"
            actions.change_user(tx, context.log, actor, user, resources.wanted_user(change(present), present))
            return resources.user(tx, id, base)
        everyone = teams.lock_all(tx)
        present = resources.group(tx, id, base)
        _require_match(request, present)
        wanted = resources.wanted_team(change(present), [each.id for each in everyone])
        team = next(each for each in everyone if each.id == id)
        actions.change_team(tx, context.log, actor, team, wanted)
        return resources.group(tx, id, base)


def _delete(tx: Transaction, context: Context, kind: ResourceKind, actor: Actor, id: str) -> None:
    if kind is USERS:
        user = store.user(tx, id)
        assert user is not None, "it was just read"
        actions.delete_user(tx, context.log, actor, user)
        return
    team = teams.team(tx, id)
    assert team is not None, "it was just read"
    actions.delete_team(tx, context.log, actor, team)


def _require_match(request: Request, present: Resource) -> None:
    wanted = request.headers.get("if-match", "")
    if wanted and wanted.strip() != "*" and present["meta"]["version"] not in wanted:
        raise ChangedMeanwhile("Somebody changed it in the meantime.", next_step="Read it again.")


class _told_in_scim:
    """Errors of the verbs under it, in the words of SCIM."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, UserExists | TeamExists | actions.NameTakenInDirectory):
            raise NotUnique(error.detail) from error
        if isinstance(error, NoSuchUser | NoSuchTeam):
            raise BadValue(error.detail) from error


# What there is not


def _add_rest(api: APIRouter, actor_of: Any) -> None:
    @api.post("/Bulk", dependencies=[actor_of], openapi_extra=DOES)
    def bulk() -> Response:
        raise NotImplementedHere("There are no bulk operations here.", next_step="Send one request for each.")

    @api.api_route("/Me", methods=METHODS, dependencies=[actor_of], openapi_extra=DOES)
    def me() -> Response:
        raise NotImplementedHere("A directory is no user.", next_step="Use /Users.")

    @api.api_route("/{rest:path}", methods=METHODS, dependencies=[actor_of], openapi_extra=DOES)
    def nothing(request: Request, rest: str) -> Response:
        if rest.split("/")[0] in ("ServiceProviderConfig", "ResourceTypes", "Schemas", "Users", "Groups"):
            raise MethodNotTaken(f"/{rest[:200]} does not take {request.method}.", next_step="See RFC 7644, 3.2.")
        raise NoSuchResource(f"There is nothing at /{rest[:200]}.")
