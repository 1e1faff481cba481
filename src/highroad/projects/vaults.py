"""External stores of secrets: who may connect one, how it is kept, and what an external secret says about its place.

A store belongs to the organization. Its credentials are sealed and never shown again. It is read for the projects that
an administrator named, or for every one if he said so; for none at first. `prefix` keeps these apart further: paths
have to begin with it, and `{project}` in it is the name of the project that asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Column, RowMapping, String, Table, Text, UniqueConstraint, delete, insert, select, update

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.db.engine import Transaction, metadata
from highroad.db.keys import sealed_column
from highroad.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.clock import now, rfc3339
from highroad.kit.ids import new_id
from highroad.kit.names import require_label
from highroad.projects import variable_store
from highroad.projects.model import Project, Variable
from highroad.vaults.command import CommandVault, check_command
from highroad.vaults.contract import Vault, check_path
from highroad.vaults.hashicorp import AppRoleSignIn, HashiCorpVault, TokenSignIn, check_address

Kind = Literal["vault", "command"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

stores = Table(
    "secret_stores",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(63), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
    UniqueConstraint("name"),
)
# Settings and credentials in one: whoever can write the database cannot have credentials sent to an address of his own,
# nor let a project read what is not meant for it.
_CONTENT = sealed_column(stores, "content", "secret-store:{id}:{name}:{kind}")


class NoSuchStore(NotFound):
    code = "no-such-vault"


class StoreTaken(Conflict):
    code = "vault-name-taken"


class StoreInUse(Conflict):
    code = "vault-in-use"


class BadStore(Invalid):
    code = "bad-vault"
    title = "The store cannot be connected like this"


class StoreNotAllowed(Forbidden):
    code = "vault-not-allowed-here"
    title = "The store is not read for this project"


class BadExternalReference(Invalid):
    code = "bad-external-reference"
    title = "This is no place in an external store"


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`address`, `namespace`, `mount` and `auth_mount` are of a Vault, `command` of a command: the name of one that the
    operator put there. `projects` are ids of those that it is read for; `every_project`: for all, also future ones."""

    address: str = ""
    namespace: str = ""
    mount: str = "secret"
    auth_mount: str = "approle"
    command: str = ""
    prefix: str = ""
    projects: tuple[str, ...] = ()
    every_project: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token, or an AppRole; never shown."""

    token: str = field(default="", repr=False)
    role_id: str = field(default="", repr=False)
    secret_id: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Store:
    id: str
    name: str
    kind: Kind
    settings: StoreSettings
    created_at: str
    credentials: Credentials = field(repr=False, default_factory=Credentials)

    def serves(self, project_id: str) -> bool:
        return self.settings.every_project or project_id in self.settings.projects

    def open(self, commands: Path) -> Vault:
        """`commands` is the directory of the operator's programs."""
        settings, secret = self.settings, self.credentials
        if self.kind == "command":
            return CommandVault(commands, settings.command, environ={"PATH": PATH, "LANG": "C.UTF-8"})
        sign_in: TokenSignIn | AppRoleSignIn = TokenSignIn(secret.token)
        if secret.role_id:
            sign_in = AppRoleSignIn(secret.role_id, secret.secret_id, settings.auth_mount)
        return HashiCorpVault(settings.address, sign_in, mount=settings.mount, namespace=settings.namespace)


@dataclass(frozen=True, slots=True)
class ExternalReference:
    """Where an external secret stands: the `key` of an entry at `path` in a store; `version` None is the newest."""

    source: str
    path: str
    key: str = "value"
    version: int | None = None

    def to_json(self) -> str:
        return json.dumps({"source": self.source, "path": self.path, "key": self.key, "version": self.version})


def reference_of(variable: Variable) -> ExternalReference:
    return ExternalReference(**json.loads(variable.value))


# Verbs


def connect(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    *,
    name: str,
    kind: Kind,
    settings: StoreSettings,
    credentials: Credentials,
) -> Store:
    require(actor, "vault:write")
    require_label(name, field="name")
    _check(kind, settings, credentials)
    if find_store(tx, name) is not None:
        raise StoreTaken(f"There is a store {name!r} already.", next_step=f"highroad vaults set {name}")
    store = Store(new_id("vlt"), name, kind, settings, rfc3339(now()), credentials)
    row = {"id": store.id, "name": name, "kind": kind, "created_at": store.created_at}
    tx.execute(insert(stores).values(**row, content=_sealed(tx, store)))
    serves = {"projects": list(settings.projects), "every_project": settings.every_project}
    log.append(tx, Event(events.VAULT_CREATED, store.id, {"name": name, "kind": kind, **serves}), actor)
    return store


def change(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    name: str,
    *,
    settings: Mapping[str, Any],
    credentials: Credentials | None,
) -> Store:
    """Change these fields of the settings; credentials as a whole, if any are given. A new address takes them anew: the
    old ones are not sent to another server."""
    require(actor, "vault:write")
    before = get_store(tx, name)
    after = replace(before, settings=replace(before.settings, **settings))
    if credentials is not None:
        after = replace(after, credentials=credentials)
    elif before.settings.address != after.settings.address:
        after = replace(after, credentials=Credentials())
    _check(after.kind, after.settings, after.credentials)
    tx.execute(update(stores).where(stores.c.id == after.id).values(content=_sealed(tx, after)))
    diff: dict[str, tuple[object, object]] = {
        key: (getattr(before.settings, key), getattr(after.settings, key))
        for key in settings
        if getattr(before.settings, key) != getattr(after.settings, key)
    }
    if before.credentials != after.credentials:
        diff["credentials"] = ("set", "set anew")
    log.append(tx, Event(events.VAULT_MODIFIED, after.id, {"name": name}, diff=diff), actor)
    return after


def disconnect(tx: Transaction, log: EventLog, actor: Actor, name: str) -> None:
    require(actor, "vault:write")
    store = get_store(tx, name)
    used = variable_store.use_of_source(tx, name)
    if used:
        raise StoreInUse(
            f"{name} is where {', '.join(used[:5])} {'is' if len(used) == 1 else 'are'} read from.",
            next_step="Set these secrets elsewhere first, or unset them.",
        )
    tx.execute(delete(stores).where(stores.c.id == store.id))
    log.append(tx, Event(events.VAULT_DELETED, store.id, {"name": name}), actor)


def allow(tx: Transaction, log: EventLog, actor: Actor, name: str, project: Project) -> Store:
    """From now on the store is read for this project."""
    require(actor, "vault:write")
    known = get_store(tx, name).settings.projects
    return change(
        tx, log, actor, name, settings={"projects": tuple(dict.fromkeys((*known, project.id)))}, credentials=None
    )


def deny(tx: Transaction, log: EventLog, actor: Actor, name: str, project: Project) -> Store:
    """Not any more. Deployments that need it fail until their secrets are set elsewhere; what runs keeps its values."""
    require(actor, "vault:write")
    settings = get_store(tx, name).settings
    if settings.every_project:
        raise BadStore(
            f"{name} is read for every project.", next_step=f"First: highroad vaults set {name} --only-named-projects"
        )
    rest = tuple(each for each in settings.projects if each != project.id)
    return change(tx, log, actor, name, settings={"projects": rest}, credentials=None)


def check_reference(tx: Transaction, project: Project, reference: ExternalReference) -> ExternalReference:
    """Raise what is wrong with it, but for what only the store itself can say."""
    store = get_store(tx, reference.source)
    if not store.serves(project.id):
        detail, next_step = not_served(store, project.name)
        raise StoreNotAllowed(detail, next_step=next_step)
    check_path(reference.path)
    if not reference.key or len(reference.key) > 200 or (reference.version is not None and reference.version < 1):
        raise BadExternalReference("Its key or version is none.", next_step="Write it like shop/database#password")
    prefix = prefix_for(store, project.name)
    if not reference.path.startswith(prefix):
        raise BadExternalReference(
            f"In {store.name}, the project {project.name} reads below {prefix} only.",
            next_step="Choose a path there, or have an administrator change the store's prefix.",
            errors=[FieldError("/path", f"has to begin with {prefix}")],
        )
    return reference


def not_served(store: Store, project: str) -> tuple[str, str]:
    """In words, and who can do what about it."""
    return (
        f"The store {store.name} is not read for the project {project}.",
        f"Ask an owner or an administrator: highroad vaults allow {store.name} {project}",
    )


def prefix_for(store: Store, project: str) -> str:
    return store.settings.prefix.replace("{project}", project)


# Kept


def find_store(tx: Transaction, name: str) -> Store | None:
    row = tx.execute(select(stores).where(stores.c.name == name)).mappings().first()
    return _store(tx, row) if row else None


def get_store(tx: Transaction, name: str) -> Store:
    found = find_store(tx, name)
    if found is None:
        raise NoSuchStore(f"There is no store {name[:80]!r}.", next_step="highroad vaults list")
    return found


def list_stores(tx: Transaction) -> Sequence[Store]:
    return [_store(tx, row) for row in tx.execute(select(stores).order_by(stores.c.name)).mappings()]


def _check(kind: Kind, settings: StoreSettings, credentials: Credentials) -> None:
    if kind == "command":
        check_command(settings.command)
    else:
        check_address(settings.address)
        check_path(settings.mount)
        check_path(settings.auth_mount)
        by_token = bool(credentials.token) and not (credentials.role_id or credentials.secret_id)
        if not by_token and not (credentials.role_id and credentials.secret_id and not credentials.token):
            raise BadStore(
                "A Vault takes either a token, or a role id with its secret id.",
                next_step="highroad vaults set NAME --token, or --role-id ID",
            )
        if not all(each.isprintable() and each.isascii() for each in (credentials.token, settings.namespace)):
            raise BadStore("A token or namespace has characters that no header can hold.", next_step="Copy it again.")
    if settings.prefix:
        if not settings.prefix.endswith("/"):
            raise BadStore("A prefix ends with a slash.", next_step="Write it like apps/{project}/")
        check_path(settings.prefix.replace("{project}", "project") + "x")


def _sealed(tx: Transaction, store: Store) -> str:
    content = {"settings": asdict(store.settings), "credentials": asdict(store.credentials)}
    return _CONTENT.seal(tx, json.dumps(content), id=store.id, name=store.name, kind=store.kind)


def _store(tx: Transaction, row: RowMapping) -> Store:
    content = json.loads(_CONTENT.open(tx, row))
    settings = {**content["settings"], "projects": tuple(content["settings"]["projects"])}
    credentials = Credentials(**content["credentials"])
    return Store(row["id"], row["name"], row["kind"], StoreSettings(**settings), row["created_at"], credentials)
