"""Projects, their environments and services, and the configuration that services get. Pure values and rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal, get_args

from highroad.access.places import Place
from highroad.errors import FieldError, Invalid

Mode = Literal["development", "staging", "production", "preview", "sandbox"]
MODES: tuple[str, ...] = get_args(Mode)
VariableScope = Literal["project", "environment", "service", "service-environment"]
VariableKind = Literal["plain", "secret", "alias", "external"]
LARGEST_VALUE = 32 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_RESERVED = re.compile(r"PORT|HOME|PATH|HIGHROAD_.*|LD_.*")


class BadVariable(Invalid):
    code = "bad-variable"
    title = "A variable cannot be set"


@dataclass(frozen=True, slots=True)
class Project:
    """`team` is the name of the team that owns it, if one does."""

    id: str
    name: str
    created_at: datetime
    team: str | None = None

    @property
    def place(self) -> Place:
        return Place(self.id, self.name, self.team)


@dataclass(frozen=True, slots=True)
class Environment:
    """`branch` is the deploy rule: commits on a branch that matches this glob are deployed here; None: only by hand."""

    id: str
    project_id: str
    project: str
    name: str
    mode: Mode
    branch: str | None
    created_at: datetime
    team: str | None = None

    @property
    def place(self) -> Place:
        return Place(self.project_id, self.project, self.team, self.name, self.mode)

    def deploys(self, branch: str) -> bool:
        return self.branch is not None and fnmatchcase(branch, self.branch)


@dataclass(frozen=True, slots=True)
class Service:
    """`path` is the directory of the repository that it is built from, empty for its root."""

    id: str
    project_id: str
    project: str
    name: str
    path: str
    created_at: datetime
    team: str | None = None

    @property
    def place(self) -> Place:
        return Place(self.project_id, self.project, self.team, service=self.name)


@dataclass(frozen=True, slots=True)
class Variable:
    """One value at one scope. `overrides` names the wider scope whose value it hides, if any.

    `value` is the name of the other one for an alias, and JSON of an `ExternalReference` for an external secret. With
    `file`, instances get it as a file at this absolute path, and the path in the variable.
    """

    name: str
    value: str
    scope: VariableScope
    overrides: VariableScope | None = None
    kind: VariableKind = "plain"
    id: str = ""
    version: int = 1
    file: str = ""
    changed_by: str = ""
    changed_at: datetime | None = None

    @property
    def secret(self) -> bool:
        """Whether nobody sees it without the right to."""
        return self.kind in ("secret", "external")

    @property
    def shown(self) -> str | None:
        """The value as everybody may see it who may see the configuration; None when it is secret."""
        return None if self.secret else self.value


@dataclass(frozen=True, slots=True)
class Version:
    """An earlier or the present value of a variable, without it."""

    number: int
    kind: VariableKind
    changed_by: str
    changed_at: datetime | None
    current: bool = False


@dataclass(frozen=True, slots=True)
class Domain:
    host: str
    service_id: str
    environment_id: str
    created_at: datetime


def check_variables(values: Mapping[str, str]) -> None:
    """Raise `BadVariable` naming every wrong one; never quotes a value."""
    errors = [
        FieldError(f"/set/{name[:80]}", problem) for name, value in values.items() if (problem := _wrong(name, value))
    ]
    if errors:
        raise BadVariable(
            "; ".join(f"{error.pointer.removeprefix('/set/')} {error.detail}" for error in errors),
            next_step="Names are letters, digits and _, values text of at most 32 KiB. Nothing was changed.",
            errors=errors,
        )


def _wrong(name: str, value: str) -> str | None:
    if not _NAME.fullmatch(name):
        return "is not a name that an environment can hold"
    if _RESERVED.fullmatch(name):
        return "is set by Highroad itself"
    if "\0" in value:
        return "has a NUL character in its value"
    if len(value.encode()) > LARGEST_VALUE:
        return "has a value of more than 32 KiB"
    return None


def resolve(variables: Iterable[Variable]) -> tuple[Variable, ...]:
    """The values in force, narrowest scope first to win: project < environment < service < service-environment."""
    order: tuple[VariableScope, ...] = ("project", "environment", "service", "service-environment")
    chosen: dict[str, Variable] = {}
    for variable in sorted(variables, key=lambda each: order.index(each.scope)):
        hidden = chosen.get(variable.name)
        chosen[variable.name] = replace(variable, overrides=hidden.scope if hidden else None)
    return tuple(chosen[name] for name in sorted(chosen))
