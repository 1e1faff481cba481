"""Tables of variables and secrets, with their earlier values. All values are sealed, also plain ones: what somebody
stores as a plain variable by mistake is in no stolen copy of the database either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)

from highroad.db.engine import Transaction, metadata
from highroad.db.keys import sealed_column
from highroad.kit.clock import now, parse_rfc3339, rfc3339
from highroad.kit.ids import new_id
from highroad.projects.model import Variable, VariableKind, VariableScope, Version

KEEP_VERSIONS = 20
"""Earlier values kept of a variable."""

# An empty environment_id or service_id widens the scope; NULL would escape the unique constraint.
variables = Table(
    "variables",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", String(40), ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("environment_id", String(40), nullable=False),
    Column("service_id", String(40), nullable=False),
    Column("name", String(128), nullable=False),
    Column("value", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("file", String(255), nullable=False),
    Column("changed_by", String(255), nullable=False),
    Column("changed_at", String(32), nullable=False),
    UniqueConstraint("project_id", "environment_id", "service_id", "name"),
)
versions = Table(
    "variable_versions",
    metadata,
    Column("variable_id", String(40), ForeignKey("variables.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("value", Text, nullable=False),
    Column("changed_by", String(255), nullable=False),
    Column("changed_at", String(32), nullable=False),
)
# Bound to the whole place and to the kind: a row that somebody turns into a plain variable, or moves to a project of
# his own, does not open.
_VALUE = sealed_column(
    variables, "value", "variable:{id}:{project_id}:{environment_id}:{service_id}:{name}:{kind}:{file}"
)
_VERSION = sealed_column(versions, "value", "version:{variable_id}:{number}:{kind}")


@dataclass(frozen=True, slots=True)
class Place:
    """A scope exactly, by ids; empty ones widen it."""

    project_id: str
    environment_id: str = ""
    service_id: str = ""

    @property
    def values(self) -> dict[str, str]:
        return {
            "project_id": self.project_id,
            "environment_id": self.environment_id,
            "service_id": self.service_id,
        }

    @property
    def here(self) -> ColumnElement[bool]:
        return and_(*(variables.c[name] == value for name, value in self.values.items()))


def set_variable(
    tx: Transaction,
    place: Place,
    name: str,
    value: str,
    *,
    kind: VariableKind,
    file: str,
    by: str,
    always: bool = False,
) -> Variable:
    """Set it at this scope; what was there becomes an earlier version. The one with an equal value stays as it is,
    unless `always`: for those who may not learn that it is equal."""
    at, fresh = rfc3339(now()), new_id("var")
    mine = {**place.values, "name": name}
    row = {"id": fresh, **mine, "kind": kind, "version": 1, "file": file, "changed_by": by, "changed_at": at}
    statement = tx.insert(variables).values(**row, value=_VALUE.seal(tx, value, row))
    if tx.execute(statement.on_conflict_do_nothing(index_elements=list(mine))).rowcount == 1:
        return _variable(tx, {**row, "value": ""}, value)
    found = tx.execute(select(variables).where(place.here, variables.c.name == name).with_for_update()).mappings().one()
    before = _VALUE.open(tx, found)
    if not always and (before, found["kind"], found["file"]) == (value, kind, file):
        return _variable(tx, found, value)
    _keep(tx, found, before)
    row |= {"id": found["id"], "version": found["version"] + 1}
    changed = {**row, "value": _VALUE.seal(tx, value, row)}
    tx.execute(update(variables).where(variables.c.id == found["id"]).values(**changed))
    return _variable(tx, changed, value)


def _keep(tx: Transaction, row: RowMapping, value: str) -> None:
    kept = {"variable_id": row["id"], "number": row["version"], "kind": row["kind"]}
    who = {"changed_by": row["changed_by"], "changed_at": row["changed_at"]}
    tx.execute(insert(versions).values(**kept, **who, value=_VERSION.seal(tx, value, kept)))
    old = (versions.c.variable_id == row["id"], versions.c.number <= row["version"] - KEEP_VERSIONS)
    tx.execute(delete(versions).where(*old))


def unset_variable(tx: Transaction, place: Place, name: str) -> bool:
    """Forget it with all its versions; False when it is not set at this scope."""
    return tx.execute(delete(variables).where(place.here, variables.c.name == name)).rowcount == 1


def variables_at(tx: Transaction, place: Place) -> list[Variable]:
    """At this scope exactly, by name."""
    rows = tx.execute(select(variables).where(place.here).order_by(variables.c.name)).mappings()
    return [_variable(tx, row) for row in rows]


def variables_in_force(
    tx: Transaction, project_id: str, environment_id: str = "", service_id: str = ""
) -> list[Variable]:
    """All values that reach this place, of every scope; `model.resolve` picks among them."""
    reaching = and_(
        variables.c.project_id == project_id,
        or_(variables.c.environment_id == "", variables.c.environment_id == environment_id),
        or_(variables.c.service_id == "", variables.c.service_id == service_id),
    )
    rows = tx.execute(select(variables).where(reaching).order_by(variables.c.name)).mappings()
    return [_variable(tx, row) for row in rows]


def variables_of_project(tx: Transaction, project_id: str) -> list[Variable]:
    """Of every scope in the project."""
    rows = tx.execute(select(variables).where(variables.c.project_id == project_id)).mappings()
    return [_variable(tx, row) for row in rows]


def variable_by_id(tx: Transaction, id: str) -> tuple[Variable, Place] | None:
    row = tx.execute(select(variables).where(variables.c.id == id)).mappings().first()
    if row is None:
        return None
    return _variable(tx, row), Place(row["project_id"], row["environment_id"], row["service_id"])


def list_versions(tx: Transaction, variable: Variable) -> list[Version]:
    """Newest first, the present one included."""
    mine = versions.c.variable_id == variable.id
    rows = tx.execute(select(versions).where(mine).order_by(versions.c.number.desc())).mappings()
    present = Version(variable.version, variable.kind, variable.changed_by, variable.changed_at, current=True)
    return [present, *(Version(row["number"], row["kind"], row["changed_by"], _instant(row)) for row in rows)]


def version_value(tx: Transaction, variable: Variable, number: int) -> tuple[VariableKind, str] | None:
    """Kind and value of a version; None when it is not kept."""
    if number == variable.version:
        return variable.kind, variable.value
    mine = (versions.c.variable_id == variable.id, versions.c.number == number)
    row = tx.execute(select(versions).where(*mine)).mappings().first()
    return (row["kind"], _VERSION.open(tx, row)) if row else None


def forget_variables(tx: Transaction, *, environment_id: str = "", service_id: str = "") -> None:
    """Of an environment or a service that is deleted."""
    for column, id in ((variables.c.environment_id, environment_id), (variables.c.service_id, service_id)):
        if id:
            tx.execute(delete(variables).where(column == id))


def use_of_source(tx: Transaction, source: str) -> Sequence[str]:
    """Names of external secrets that are read from this source."""
    rows = tx.execute(select(variables).where(variables.c.kind == "external")).mappings()
    found = [_variable(tx, row) for row in rows]
    return sorted({each.name for each in found if f'"source": "{source}"' in each.value})


def _variable(tx: Transaction, row: Any, value: str | None = None) -> Variable:
    return Variable(
        row["name"],
        _VALUE.open(tx, row) if value is None else value,
        _scope(row),
        kind=row["kind"],
        id=row["id"],
        version=row["version"],
        file=row["file"],
        changed_by=row["changed_by"],
        changed_at=_instant(row),
    )


def _instant(row: Any) -> Any:
    return parse_rfc3339(row["changed_at"]) if row["changed_at"] else None


def _scope(row: Any) -> VariableScope:
    if row["service_id"]:
        return "service-environment" if row["environment_id"] else "service"
    return "environment" if row["environment_id"] else "project"
