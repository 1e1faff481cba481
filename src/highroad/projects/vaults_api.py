"""External stores of secrets over HTTP: connected, changed, tried and disconnected. No answer holds a credential."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.db.engine import Transaction
from highroad.projects import store as projects
from highroad.projects import vaults
from highroad.projects.actions import find_project
from highroad.projects.vaults import Credentials, Store, StoreSettings
from highroad.vaults.command import program_of
from highroad.web.api import Answer, Body, Listing, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context

_HIDDEN = Field(default=None, max_length=4096, description="Never shown again.")


class StoreFields(Body):
    address: str | None = Field(default=None, max_length=500, description="Of a Vault: http(s)://host:port.")
    namespace: str | None = Field(default=None, max_length=200)
    mount: str | None = Field(default=None, max_length=200, description="Of its key-value engine, version 2.")
    auth_mount: str | None = Field(default=None, max_length=200, description="Of its AppRole method.")
    command: str | None = Field(
        default=None,
        max_length=63,
        description="Of a command: its name in the operator's directory `vault-commands`, without path and arguments.",
    )
    prefix: str | None = Field(
        default=None,
        max_length=200,
        description="Paths have to begin with it; `{project}` in it is the project that asks.",
    )
    every_project: bool | None = Field(
        default=None, description="Read it for every project, also for those to come, and not just for those named."
    )
    token: str | None = _HIDDEN
    role_id: str | None = _HIDDEN
    secret_id: str | None = _HIDDEN


class NewStore(StoreFields):
    name: str = Field(max_length=63, description="A DNS label.")
    kind: Literal["vault", "command"] = "vault"
    projects: list[str] = Field(
        default_factory=list, max_length=1000, description="Names of the projects that it is read for; none at first."
    )


class StoreAnswer(Answer):
    name: str
    kind: Literal["vault", "command"]
    address: str
    namespace: str
    mount: str
    auth_mount: str
    command: str
    prefix: str
    projects: list[str] = Field(description="Names of those it is read for, unless it is for every one.")
    every_project: bool
    sign_in: Literal["token", "approle", "none"]


class ProjectNamed(Body):
    project: str = Field(max_length=63)


class TryRequest(Body):
    path: str = Field(max_length=500)
    version: int | None = Field(default=None, ge=1)


class TriedAnswer(Answer):
    keys: list[str] = Field(description="Names that the entry holds; no value.")


def router(context: Context) -> APIRouter:
    api = api_router("vaults")
    _add_list(api, context)
    _add_store(api, context)
    _add_projects(api, context)
    return api


def store_answer(tx: Transaction, store: Store) -> StoreAnswer:
    settings, secret = store.settings, store.credentials
    return StoreAnswer(
        name=store.name,
        kind=store.kind,
        address=settings.address,
        namespace=settings.namespace,
        mount=settings.mount,
        auth_mount=settings.auth_mount,
        command=settings.command,
        prefix=settings.prefix,
        projects=sorted(each.name for id in settings.projects if (each := projects.project_by_id(tx, id))),
        every_project=settings.every_project,
        sign_in="token" if secret.token else "approle" if secret.role_id else "none",
    )


def _given(context: Context, body: StoreFields) -> dict[str, Any]:
    names = StoreSettings.__dataclass_fields__.keys() - {"projects"}
    given = {name: getattr(body, name) for name in names if getattr(body, name) is not None}
    if "command" in given:
        program_of(context.settings.vault_commands, given["command"])
    return given


def _credentials(body: StoreFields) -> Credentials | None:
    given = (body.token, body.role_id, body.secret_id)
    if not any(given):
        return None
    return Credentials(*(each.strip() if each else "" for each in given))


def _add_list(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/vaults", openapi_extra=does("vault:read"))
    def list_vaults(actor: Annotated[Actor, actor_of]) -> Listing[StoreAnswer]:
        """The connected stores, by name."""
        require(actor, "vault:read")
        with context.db.read() as tx:
            return Listing(items=[store_answer(tx, each) for each in vaults.list_stores(tx)])

    @api.post("/vaults", status_code=201, openapi_extra=does("vault:write"))
    def connect_vault(actor: Annotated[Actor, actor_of], body: NewStore) -> StoreAnswer:
        """Connect a HashiCorp Vault, an OpenBao, or a command of the operator. Its credentials are sealed. It is read
        for the named projects only, unless `every_project` says otherwise."""
        require(actor, "vault:write")
        given = _given(context, body)
        with context.db.begin() as tx:
            named = tuple(find_project(tx, actor, each).id for each in dict.fromkeys(body.projects))
            made = vaults.connect(
                tx,
                context.log,
                actor,
                name=body.name,
                kind=body.kind,
                settings=StoreSettings(**given, projects=named),
                credentials=_credentials(body) or Credentials(),
            )
            return store_answer(tx, made)


def _add_store(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.patch("/vaults/{id}", openapi_extra=does("vault:write"))
    def change_vault(actor: Annotated[Actor, actor_of], id: str, body: StoreFields) -> StoreAnswer:
        """Change a store, by its name. Another address needs its credentials anew."""
        require(actor, "vault:write")
        given = _given(context, body)
        with context.db.begin() as tx:
            changed = vaults.change(tx, context.log, actor, id, settings=given, credentials=_credentials(body))
            return store_answer(tx, changed)

    @api.delete("/vaults/{id}", status_code=204, openapi_extra=does("vault:write"))
    def disconnect_vault(actor: Annotated[Actor, actor_of], id: str) -> None:
        """Disconnect a store that no secret is read from, by its name."""
        require(actor, "vault:write")
        with context.db.begin() as tx:
            vaults.disconnect(tx, context.log, actor, id)

    @api.post("/vaults/{id}/try", openapi_extra=does("vault:write"))
    def try_vault(actor: Annotated[Actor, actor_of], id: str, body: TryRequest) -> TriedAnswer:
        """Ask a store for an entry; the names of its keys, without their values."""
        require(actor, "vault:write")
        with context.db.read() as tx:
            store = vaults.get_store(tx, id)
        return TriedAnswer(keys=sorted(store.open(context.settings.vault_commands).read(body.path, body.version)))


def _add_projects(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.post("/vaults/{id}/allow", openapi_extra=does("vault:write"))
    def allow_project(actor: Annotated[Actor, actor_of], id: str, body: ProjectNamed) -> StoreAnswer:
        """Read a store, by its name, for one more project: its secrets can name any place below the prefix."""
        require(actor, "vault:write")
        with context.db.begin() as tx:
            changed = vaults.allow(tx, context.log, actor, id, find_project(tx, actor, body.project))
            return store_answer(tx, changed)

    @api.post("/vaults/{id}/deny", openapi_extra=does("vault:write"))
    def deny_project(actor: Annotated[Actor, actor_of], id: str, body: ProjectNamed) -> StoreAnswer:
        """Read a store, by its name, for a project no more. Deployments that need it fail; what runs goes on."""
        require(actor, "vault:write")
        with context.db.begin() as tx:
            changed = vaults.deny(tx, context.log, actor, id, find_project(tx, actor, body.project))
            return store_answer(tx, changed)
