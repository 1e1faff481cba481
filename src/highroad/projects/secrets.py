"""Verbs on secrets, aliases, external secrets and plain variables: set, remove, reveal, restore, import.

Plain variables and secrets share one namespace at each scope. Whoever lacks `secret:read` writes secrets and sees that
they are there: no answer of these verbs has a value, except `reveal`, which is an event of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from highroad.access.model import Actor
from highroad.access.permissions import allowed, require, require_scope
from highroad.access.places import Place
from highroad.db.engine import Transaction
from highroad.errors import Conflict, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event, EventType
from highroad.projects import store, variable_store
from highroad.projects.model import Environment, Project, Service, Variable, VariableKind, check_variables, resolve
from highroad.projects.references import check, check_path

Effect = Literal["added", "changed", "unchanged", "replaced"]


class NoSuchVariable(NotFound):
    code = "no-such-variable"


class NoSuchVersion(NotFound):
    code = "no-such-version"


class HeldElsewhere(Conflict):
    code = "secret-held-elsewhere"
    title = "Highroad does not hold this value"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a value counts: in a project, in one environment or for one service of it, or for a service there."""

    project: Project
    environment: Environment | None = None
    service: Service | None = None

    @property
    def place(self) -> Place:
        place = self.environment.place if self.environment else self.project.place
        return place.of_service(self.service.name) if self.service else place

    @property
    def at(self) -> variable_store.Place:
        environment, service = self.environment, self.service
        return variable_store.Place(
            self.project.id, environment.id if environment else "", service.id if service else ""
        )

    @property
    def subject(self) -> str:
        return (self.service or self.environment or self.project).id


@dataclass(frozen=True, slots=True)
class Entry:
    """What to set a name to. `value` is the target's name for an alias. `file` None keeps where it is delivered."""

    value: str
    kind: VariableKind = "plain"
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Effected:
    """What an import does to one name. "replaced" is said where telling "changed" from "unchanged" would tell a guess
    from the secret."""

    name: str
    effect: Effect
    secret: bool


# Writing


def change(
    tx: Transaction, log: EventLog, actor: Actor, scope: Scope, entries: Mapping[str, Entry], unset: Iterable[str] = ()
) -> list[Variable]:
    """Set and unset at exactly one scope, all or nothing; what is set now. A secret stays one when it is set as a plain
    variable. Raises `NoSuchVariable`, `BadVariable`, `BadReference`, `BadFilePath`."""
    removed = list(unset)
    check_variables({name: entry.value for name, entry in entries.items()})
    present = {each.name: each for each in variable_store.variables_at(tx, scope.at)}
    _require_writing(actor, scope, {name: _kind(entry, present.get(name)) for name, entry in entries.items()}, ())
    _require_writing(actor, scope, {}, [present[name] for name in (*entries, *removed) if name in present])
    if not entries and not removed:
        require(actor, "variable:write", scope.place)
    for name in removed:
        if not variable_store.unset_variable(tx, scope.at, name):
            raise NoSuchVariable(
                f"{name[:128]} is not set at this scope. Nothing was changed.", next_step="highroad config list"
            )
    changed = [_set(tx, actor, scope, name, entry, present.get(name)) for name, entry in entries.items()]
    _check_references(tx, scope)
    gone = [present[name] for name in removed]
    _tell(tx, log, actor, scope, events.SECRETS_CHANGED, [each for each in changed if each.secret], gone, present)
    plain = [each for each in changed if not each.secret]
    _tell(tx, log, actor, scope, events.VARIABLES_CHANGED, plain, [each for each in gone if not each.secret], present)
    return changed


def _kind(entry: Entry, present: Variable | None) -> VariableKind:
    return "secret" if entry.kind == "plain" and present is not None and present.secret else entry.kind


def _require_writing(
    actor: Actor, scope: Scope, kinds: Mapping[str, VariableKind], present: list[Variable] | tuple[()]
) -> None:
    secret = any(kind in ("secret", "external") for kind in kinds.values()) or any(each.secret for each in present)
    plain = any(kind in ("plain", "alias") for kind in kinds.values()) or any(not each.secret for each in present)
    if plain:
        require(actor, "variable:write", scope.place)
    if secret:
        require(actor, "secret:write", scope.place)


def _set(tx: Transaction, actor: Actor, scope: Scope, name: str, entry: Entry, present: Variable | None) -> Variable:
    file = (present.file if present else "") if entry.file is None else entry.file
    guess = present is not None and present.secret and not allowed(actor, "secret:read", scope.place)
    return variable_store.set_variable(
        tx,
        scope.at,
        name,
        entry.value,
        kind=_kind(entry, present),
        file=check_path(file) if file else "",
        by=actor.name,
        always=guess,
    )


def _check_references(tx: Transaction, scope: Scope) -> None:
    """Here and everywhere below: a wider value reaches narrower places."""
    at = scope.at
    anywhere = variable_store.variables_of_project(tx, scope.project.id)
    if not any(each.kind == "alias" or "${{" in each.value for each in anywhere if not each.secret):
        return
    environments = [at.environment_id] if at.environment_id else ["", *_ids(store.list_environments(tx, at.project_id))]
    services = [at.service_id] if at.service_id else ["", *_ids(store.list_services(tx, at.project_id))]
    for environment in environments:
        for service in services:
            check(resolve(variable_store.variables_in_force(tx, at.project_id, environment, service)), anywhere)


def _ids(found: Iterable[Environment | Service]) -> list[str]:
    return [each.id for each in found]


def restore(tx: Transaction, log: EventLog, actor: Actor, scope: Scope, variable: Variable, number: int) -> Variable:
    """Make an earlier value the present one, as a new version. What is a secret now stays one."""
    _require_writing(actor, scope, {}, [variable])
    found = variable_store.version_value(tx, variable, number)
    if found is None:
        raise NoSuchVersion(
            f"{variable.name} has no version {number}.", next_step=f"highroad secrets history {variable.name}"
        )
    kind, value = found
    return change(tx, log, actor, scope, {variable.name: Entry(value, kind)})[0]


def expose(tx: Transaction, log: EventLog, actor: Actor, scope: Scope, variable: Variable) -> Variable:
    """Turn a secret into a plain variable, which everybody sees who sees the configuration: takes `secret:read`."""
    require(actor, "secret:write", scope.place)
    require(actor, "secret:read", scope.place)
    _require_held(variable)
    changed = variable_store.set_variable(
        tx, scope.at, variable.name, variable.value, kind="plain", file=variable.file, by=actor.name
    )
    _tell(tx, log, actor, scope, events.SECRETS_CHANGED, [changed], [], {variable.name: variable})
    return changed


# Reading


def find_variable(tx: Transaction, actor: Actor, id: str, action: str) -> tuple[Scope, Variable]:
    """One that the actor may see, for `action` on it; any other is as good as not there."""
    require_scope(actor, action)
    found = variable_store.variable_by_id(tx, id)
    scope = _scope_of(tx, found[1]) if found else None
    if found is None or scope is None or not allowed(actor, "project:read", scope.place):
        raise NoSuchVariable("There is no such variable or secret.", next_step="highroad secrets list")
    require(actor, action, scope.place)
    return scope, found[0]


def _scope_of(tx: Transaction, at: variable_store.Place) -> Scope | None:
    project = store.project_by_id(tx, at.project_id)
    environment = store.environment_by_id(tx, at.environment_id) if at.environment_id else None
    service = store.service_by_id(tx, at.service_id) if at.service_id else None
    if project is None or bool(at.environment_id) != bool(environment) or bool(at.service_id) != bool(service):
        return None
    return Scope(project, environment, service)


def reveal(
    tx: Transaction, log: EventLog, actor: Actor, scope: Scope, variable: Variable, number: int | None = None
) -> str:
    """The value, of an earlier version if asked for. That it was read is an event."""
    require(actor, "secret:read", scope.place)
    _require_held(variable)
    version = variable.version if number is None else number
    found = variable_store.version_value(tx, variable, version)
    if found is None:
        raise NoSuchVersion(
            f"{variable.name} has no version {version}.", next_step=f"highroad secrets history {variable.name}"
        )
    content = {"name": variable.name, "version": version}
    log.append(tx, _event(events.SECRET_READ, scope, content), actor)
    return found[1]


def _require_held(variable: Variable) -> None:
    if variable.kind == "external":
        raise HeldElsewhere(
            f"{variable.name} stands in an external store; Highroad keeps no copy of it.", next_step="Look there."
        )
    if variable.kind == "alias":
        raise HeldElsewhere(
            f"{variable.name} is another name for {variable.value}.",
            next_step=f"highroad secrets reveal {variable.value}",
        )


def preview(tx: Transaction, actor: Actor, scope: Scope, values: Mapping[str, str], *, secret: bool) -> list[Effected]:
    """What an import of `values` would do. Raises what the import would."""
    check_variables(values)
    present = {each.name: each for each in variable_store.variables_at(tx, scope.at)}
    wanted: VariableKind = "secret" if secret else "plain"
    kinds = {name: _kind(Entry(value, wanted), present.get(name)) for name, value in values.items()}
    _require_writing(actor, scope, kinds, ())
    reader = allowed(actor, "secret:read", scope.place)
    return [
        Effected(name, _effect(value, kinds[name], present.get(name), reader), kinds[name] == "secret")
        for name, value in values.items()
    ]


def _effect(value: str, kind: VariableKind, present: Variable | None, reader: bool) -> Effect:
    if present is None:
        return "added"
    if present.secret and not reader:
        return "replaced"
    return "unchanged" if (present.value, present.kind) == (value, kind) else "changed"


# Telling


def _tell(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    scope: Scope,
    type: EventType,
    changed: list[Variable],
    gone: list[Variable],
    present: Mapping[str, Variable],
) -> None:
    """Names, kinds and versions; never a value, of a plain variable neither: who knows what somebody put into it."""
    if type is events.SECRETS_CHANGED:
        gone = [each for each in gone if each.secret]
    if not changed and not gone:
        return
    diff: dict[str, tuple[object, object]] = {
        each.name: (_words(present.get(each.name)), _words(each)) for each in changed
    }
    diff |= {each.name: (_words(each), None) for each in gone}
    content: dict[str, object] = {
        "set": sorted(each.name for each in changed),
        "unset": sorted(each.name for each in gone),
    }
    log.append(tx, _event(type, scope, content, diff), actor)


def _words(variable: Variable | None) -> str | None:
    return f"{variable.kind}, version {variable.version}" if variable else None


def _event(
    type: EventType,
    scope: Scope,
    content: Mapping[str, object],
    diff: Mapping[str, tuple[object, object]] | None = None,
) -> Event:
    return Event(
        type,
        scope.subject,
        content,
        project=scope.project.name,
        service=scope.service.name if scope.service else None,
        environment=scope.environment.name if scope.environment else None,
        diff=diff or {},
    )
