"""Secrets over HTTP: listed without values, set, removed, revealed, restored, imported. Here and not in `projects`,
because a change is rolled out to what runs."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from highroad.access.model import Actor
from highroad.access.permissions import require, require_scope
from highroad.db.engine import Transaction
from highroad.deployments.answers import DeploymentAnswer
from highroad.deployments.desk import Desk
from highroad.deployments.running_api import reconfigure
from highroad.errors import FieldError, Invalid
from highroad.kit import dotenv
from highroad.projects import secrets, variable_store, vaults
from highroad.projects.actions import find_environment, find_project, find_service
from highroad.projects.model import Variable, VariableKind, VariableScope, resolve
from highroad.projects.secrets import Entry, Scope
from highroad.projects.vaults import ExternalReference
from highroad.web.api import SECRET, Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import signed_in

_DEPLOY = Field(default=True, description="Restart what runs with the changed configuration.")
_NAMES = "Of this environment, and with `service` only for that there; the project's own when both are left out."


class ExternalPlace(Body):
    source: str = Field(max_length=63, description="The name of a connected store.")
    path: str = Field(max_length=500, description="Of the entry, without the mount.")
    key: str = Field(default="value", max_length=200)
    version: int | None = Field(default=None, ge=1, description="Of the entry; the newest when left out.")


class SecretChange(Body):
    """Exactly one of `value`, `alias` and `external`."""

    value: str | None = None
    alias: str | None = Field(default=None, max_length=128, description="The name of another variable or secret.")
    external: ExternalPlace | None = None
    file: str | None = Field(
        default=None, max_length=255, description="Deliver it as a file at this path; empty: as a variable again."
    )
    deploy: bool = _DEPLOY


class Rollout(Body):
    deploy: bool = _DEPLOY


class RestoreChange(Rollout):
    version: int | None = Field(default=None, ge=1, description="Which one; the one before when left out.")


class RevealRequest(Body):
    version: int | None = Field(default=None, ge=1, description="An earlier one; the present when left out.")


class ImportRequest(Body):
    text: str = Field(max_length=100_000, description="Lines of NAME=value, as in a .env file.")
    secret: bool = Field(default=True, description="Store them as secrets; false: as plain variables.")
    dry_run: bool = Field(default=False, description="Only say what would be done.")
    deploy: bool = _DEPLOY


class SecretAnswer(Answer):
    id: str
    name: str
    kind: VariableKind
    scope: VariableScope
    overrides: VariableScope | None = None
    version: int
    file: str = Field(description="Where it is delivered as a file; empty: as a variable.")
    alias: str | None = None
    external: ExternalPlace | None = None
    changed_by: str
    changed_at: Instant | None


class ChangedSecret(SecretAnswer):
    deployments: list[DeploymentAnswer]


class ChangedSecrets(Answer):
    deployments: list[DeploymentAnswer]


class RevealedSecret(Answer):
    name: str
    value: str
    version: int


class VersionAnswer(Answer):
    number: int
    kind: VariableKind
    changed_by: str
    changed_at: Instant | None
    current: bool


class ImportedAnswer(Answer):
    name: str
    effect: Literal["added", "changed", "unchanged", "replaced"] = Field(
        description="`replaced` is all that is said to those who may not know whether it is the same."
    )
    secret: bool


class ImportAnswer(Answer):
    items: list[ImportedAnswer]
    deployments: list[DeploymentAnswer]


class NotOneThing(Invalid):
    code = "not-one-secret"


class NothingToImport(Invalid):
    code = "nothing-to-import"


def secret_answer(variable: Variable) -> SecretAnswer:
    external = vaults.reference_of(variable) if variable.kind == "external" else None
    return SecretAnswer(
        id=variable.id,
        name=variable.name,
        kind=variable.kind,
        scope=variable.scope,
        overrides=variable.overrides,
        version=variable.version,
        file=variable.file,
        alias=variable.value if variable.kind == "alias" else None,
        external=ExternalPlace(source=external.source, path=external.path, key=external.key, version=external.version)
        if external
        else None,
        changed_by=variable.changed_by,
        changed_at=variable.changed_at,
    )


def find_scope(tx: Transaction, actor: Actor, project: str, environment: str | None, service: str | None) -> Scope:
    return Scope(
        find_project(tx, actor, project),
        find_environment(tx, actor, project, environment) if environment else None,
        find_service(tx, actor, project, service) if service else None,
    )


def in_force(tx: Transaction, scope: Scope) -> list[Variable]:
    """What is in force at a scope; plain variables too, whose names secrets share."""
    at = scope.at
    return list(resolve(variable_store.variables_in_force(tx, at.project_id, at.environment_id, at.service_id)))


def entry_of(tx: Transaction, scope: Scope, body: SecretChange) -> Entry:
    if sum(each is not None for each in (body.value, body.alias, body.external)) != 1:
        raise NotOneThing(
            "A secret takes exactly one of value, alias and external.",
            next_step="Send one of them.",
            errors=[FieldError("/value", "exactly one of value, alias and external")],
        )
    if body.external is not None:
        place = body.external
        reference = ExternalReference(place.source, place.path, place.key, place.version)
        return Entry(vaults.check_reference(tx, scope.project, reference).to_json(), "external", body.file)
    if body.alias is not None:
        return Entry(body.alias, "alias", body.file)
    return Entry(body.value or "", "secret", body.file)


def router(desk: Desk) -> APIRouter:
    api = api_router("secrets")
    _add_scopes(api, desk)
    _add_import(api, desk)
    _add_secrets(api, desk)
    _add_versions(api, desk)
    return api


def _add_scopes(api: APIRouter, desk: Desk) -> None:
    actor_of, context = Depends(signed_in(desk.context)), desk.context

    @api.get(
        "/projects/{project}/secrets", description=f"Without values. {_NAMES}", openapi_extra=does("variable:read")
    )
    def list_secrets(
        actor: Annotated[Actor, actor_of], project: str, environment: str | None = None, service: str | None = None
    ) -> Listing[SecretAnswer]:
        """Secrets, aliases and files in force at a scope."""
        with context.db.read() as tx:
            scope = find_scope(tx, actor, project, environment, service)
            require(actor, "variable:read", scope.place)
            found = [each for each in in_force(tx, scope) if each.kind != "plain" or each.file]
        return Listing(items=[secret_answer(each) for each in found])

    @api.put(
        "/projects/{project}/secrets/{name}",
        description=f"A plain variable becomes a secret. {_NAMES}",
        openapi_extra=does("secret:write", "variable:write"),
    )
    def set_secret(
        actor: Annotated[Actor, actor_of],
        project: str,
        name: str,
        body: SecretChange,
        environment: str | None = None,
        service: str | None = None,
    ) -> ChangedSecret:
        """Set a secret, an alias or an external secret at exactly this scope."""
        with context.db.begin() as tx:
            scope = find_scope(tx, actor, project, environment, service)
            require(actor, "variable:write" if body.alias is not None else "secret:write", scope.place)
            entry = entry_of(tx, scope, body)
            changed = secrets.change(tx, context.log, actor, scope, {name: entry})[0]
            started = rolled_out(tx, desk, actor, scope, deploy=body.deploy)
        return ChangedSecret(**secret_answer(changed).model_dump(mode="python"), deployments=started)


def rolled_out(tx: Transaction, desk: Desk, actor: Actor, scope: Scope, *, deploy: bool) -> list[DeploymentAnswer]:
    if not deploy:
        return []
    return reconfigure(tx, desk, actor, (scope.project, scope.environment, scope.service))


def _add_import(api: APIRouter, desk: Desk) -> None:
    actor_of, context = Depends(signed_in(desk.context)), desk.context

    @api.post(
        "/projects/{project}/secrets",
        description=f"With `dry_run`, only says what would be done. {_NAMES}",
        openapi_extra=does("secret:write"),
    )
    def import_secrets(
        actor: Annotated[Actor, actor_of],
        project: str,
        body: ImportRequest,
        environment: str | None = None,
        service: str | None = None,
    ) -> ImportAnswer:
        """Import a .env file: set all of it at one scope, or nothing."""
        with context.db.begin() as tx:
            scope = find_scope(tx, actor, project, environment, service)
            require(actor, "secret:write" if body.secret else "variable:write", scope.place)
            values = dotenv.parse(body.text, file="line")
            effects = imported(tx, desk, actor, scope, values, secret=body.secret, dry_run=body.dry_run)
            deploy = body.deploy and not body.dry_run
            started = rolled_out(tx, desk, actor, scope, deploy=deploy)
        return ImportAnswer(items=[ImportedAnswer.model_validate(each) for each in effects], deployments=started)


def imported(
    tx: Transaction, desk: Desk, actor: Actor, scope: Scope, values: dict[str, str], *, secret: bool, dry_run: bool
) -> list[secrets.Effected]:
    """Do it, or with `dry_run` do nothing; what it does."""
    if not values:
        raise NothingToImport("The file sets no variables.", next_step="Write lines like NAME=value into it.")
    effects = secrets.preview(tx, actor, scope, values, secret=secret)
    if not dry_run:
        entries = {name: Entry(value, "secret" if secret else "plain") for name, value in values.items()}
        secrets.change(tx, desk.context.log, actor, scope, entries)
    return effects


def _add_secrets(api: APIRouter, desk: Desk) -> None:
    actor_of, context = Depends(signed_in(desk.context)), desk.context

    @api.post("/secrets/{id}/reveal", dependencies=[SECRET], openapi_extra=does("secret:read"))
    def reveal_secret(actor: Annotated[Actor, actor_of], id: str, body: RevealRequest) -> RevealedSecret:
        """The value of a secret. That it was read stands in the audit log."""
        with context.db.begin() as tx:
            scope, found = secrets.find_variable(tx, actor, id, "secret:read")
            value = secrets.reveal(tx, context.log, actor, scope, found, body.version)
        return RevealedSecret(name=found.name, value=value, version=body.version or found.version)

    @api.post("/secrets/{id}/expose", openapi_extra=does("secret:read"))
    def expose_secret(actor: Annotated[Actor, actor_of], id: str, body: Rollout) -> SecretAnswer:
        """Turn a secret into a plain variable, which all who see the configuration see."""
        with context.db.begin() as tx:
            scope, found = secrets.find_variable(tx, actor, id, "secret:read")
            changed = secrets.expose(tx, context.log, actor, scope, found)
            rolled_out(tx, desk, actor, scope, deploy=body.deploy)
        return secret_answer(changed)

    @api.delete("/secrets/{id}", openapi_extra=does("secret:write", "variable:write"))
    def unset_secret(actor: Annotated[Actor, actor_of], id: str, deploy: bool = True) -> ChangedSecrets:
        """Remove a secret with all its versions; there is no way back."""
        with context.db.begin() as tx:
            scope, found = _to_change(tx, actor, id)
            secrets.change(tx, context.log, actor, scope, {}, [found.name])
            return ChangedSecrets(deployments=rolled_out(tx, desk, actor, scope, deploy=deploy))


def _to_change(tx: Transaction, actor: Actor, id: str) -> tuple[Scope, Variable]:
    """What it takes beyond reading is for the verb to say: an alias is no secret."""
    require_scope(actor, "variable:write")
    return secrets.find_variable(tx, actor, id, "variable:read")


def _add_versions(api: APIRouter, desk: Desk) -> None:
    actor_of, context = Depends(signed_in(desk.context)), desk.context

    @api.get("/secrets/{id}/versions", openapi_extra=does("variable:read"))
    def list_versions(actor: Annotated[Actor, actor_of], id: str) -> Listing[VersionAnswer]:
        """The present and earlier values of a secret, without them, newest first."""
        with context.db.read() as tx:
            _, found = secrets.find_variable(tx, actor, id, "variable:read")
            return Listing(
                items=[VersionAnswer.model_validate(each) for each in variable_store.list_versions(tx, found)]
            )

    @api.post("/secrets/{id}/restore", openapi_extra=does("secret:write", "variable:write"))
    def restore_secret(actor: Annotated[Actor, actor_of], id: str, body: RestoreChange) -> ChangedSecret:
        """Make an earlier value the present one, as a new version."""
        with context.db.begin() as tx:
            scope, found = _to_change(tx, actor, id)
            changed = secrets.restore(tx, context.log, actor, scope, found, body.version or found.version - 1)
            started = rolled_out(tx, desk, actor, scope, deploy=body.deploy)
        return ChangedSecret(**secret_answer(changed).model_dump(mode="python"), deployments=started)
