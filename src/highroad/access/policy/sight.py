"""What policies look at, read from their statements: decisions are remembered by that and by nothing more.

To see too much is only slow, to see too little would be wrong. So whatever is not surely harmless counts: a variable
that is used otherwise than for one of its attributes or beside an entity that is written out, and an attribute or a
type of entity that is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Statement = Mapping[str, Any]
"""A statement in Cedar's JSON form (`policies_to_json_str`)."""

ALL_OF_A_PLACE = frozenset({"project_name", "team", "environment", "mode", "service"})
_FIELDS: dict[str, frozenset[str]] = {
    "mode": frozenset({"mode"}),
    "team": frozenset({"team"}),
    "service": frozenset({"service"}),
    "project": frozenset({"project_name"}),
    "name": ALL_OF_A_PLACE,
}
_IDENTITY: dict[str, frozenset[str]] = {
    "Organization": frozenset({"project_name"}),  # in it are all, but only who is asked to look will find that out
    "Project": frozenset({"project_name"}),
    "Environment": frozenset({"project_name", "environment"}),
    "Service": frozenset({"project_name", "service"}),
}
"""Whether a resource is an entity, or within it, depends on these alone; of which kind it is, is known anyway."""
_BY_THE_CLOCK = frozenset({"weekday", "hour", "minute"})


@dataclass(frozen=True, slots=True)
class Sees:
    """What statements can tell apart beyond action, kind of place and roles: who; which fields of the place; which
    circumstances; the minute; the second."""

    principal: bool = False
    place: frozenset[str] = frozenset()
    circumstances: frozenset[str] = frozenset()
    minute: bool = False
    second: bool = False


class _Use(NamedTuple):
    """A variable in an expression: for one of its attributes, or beside entities of these types; else as a whole."""

    variable: str
    attribute: str | None = None
    types: tuple[str, ...] | None = None


def what_they_see(own: Iterable[Statement], circumstances: frozenset[str]) -> Sees:
    """What a company's `own` statements look at; `circumstances` are the names of all there can be."""
    principal = minute = second = False
    place, known = frozenset[str](), frozenset[str]()
    for statement in own:
        principal |= statement["principal"]["op"] != "All"
        place |= _of_head(statement["resource"])
        for use in _uses(statement["conditions"]):
            if use.variable == "principal":
                principal = True
            elif use.variable == "resource":
                place |= _of_resource(use)
            elif use.variable == "context":
                minute |= use.attribute in _BY_THE_CLOCK
                second |= use.attribute is None or use.attribute == "now"
                known |= circumstances if use.attribute is None else circumstances & {use.attribute}
    return Sees(principal, place, known, minute, second)


def _of_head(scope: Mapping[str, Any]) -> frozenset[str]:
    if scope["op"] == "All" or (scope["op"] == "is" and "in" not in scope):
        return frozenset()
    named = scope.get("in", scope).get("entity", {})
    return _IDENTITY.get(named.get("type", ""), ALL_OF_A_PLACE)


def _of_resource(use: _Use) -> frozenset[str]:
    if use.types is not None:
        return frozenset[str]().union(*(_IDENTITY.get(each, ALL_OF_A_PLACE) for each in use.types))
    return _FIELDS.get(use.attribute or "", ALL_OF_A_PLACE)


def _uses(node: object) -> Iterator[_Use]:
    """Every use of a variable in an expression."""
    if isinstance(node, list):
        for each in node:
            yield from _uses(each)
    elif isinstance(node, dict):
        for operator, operand in node.items():
            if operator == "Var":
                yield _Use(operand)
            elif operator == "Record":  # its keys are the author's words, not Cedar's
                yield from _uses(list(operand.values()))
            elif operator in (".", "has") and set(operand["left"]) == {"Var"}:
                yield _Use(operand["left"]["Var"], attribute=operand["attr"])
            elif operator in ("in", "==", "is") and set(operand["left"]) == {"Var"}:
                yield from _compared(operator, operand)
            elif operator != "Value":
                yield from _uses(operand)


def _compared(operator: str, operand: Mapping[str, Any]) -> Iterator[_Use]:
    """A variable beside what it is compared with."""
    other = operand.get("in") if operator == "is" else operand["right"]
    types = _types(other) if other is not None else ()
    yield _Use(operand["left"]["Var"], types=types)
    if types is None:
        yield from _uses(other)


def _types(node: object) -> tuple[str, ...] | None:
    """The types of an entity, or of a set of entities, that is written out; None for anything else."""
    if isinstance(node, dict) and set(node) == {"Set"}:
        found = [_types(each) for each in node["Set"]]
        return None if None in found else tuple(name for each in found if each for name in each)
    if isinstance(node, dict) and set(node) == {"Value"} and isinstance(node["Value"], dict):
        entity = node["Value"].get("__entity")
        return (entity["type"],) if isinstance(entity, dict) else None
    return None
