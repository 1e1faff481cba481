"""PATCH of a SCIM resource (RFC 7644, 3.5.2) as a function from a resource to the changed one. Pure.

Directories differ from the RFC and from each other. What Microsoft Entra ID and Okta do is taken: operations in any
case of letters, truth values as text, a value without a path whose keys are paths, `remove` of members by a value
instead of a filter, and a filter that matches nothing, where the value is then added.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from highroad.people.scim.failures import BadPath, BadValue, Immutable, NoTarget, ScimProblem
from highroad.people.scim.filters import Both, Compare, Filter, Path, as_value, matches, parse_path
from highroad.people.scim.schemas import PASSED_OVER, PATCH_OP, Attribute, ResourceKind

MOST_OPERATIONS = 1000


def patched(kind: ResourceKind, resource: Mapping[str, Any], document: object) -> dict[str, Any]:
    """The resource after all operations of a PatchOp document, or a `ScimProblem` and nothing changed."""
    changed: dict[str, Any] = copy.deepcopy(dict(resource))
    for operation in _operations(document):
        verb = str(_of(operation, "op") or "").lower()
        if verb not in ("add", "replace", "remove"):
            raise ScimProblem(f"There is no operation {verb[:40]!r}.")
        path, value = _of(operation, "path"), _of(operation, "value")
        if path is not None and not isinstance(path, str):
            raise BadPath("A path is a text.")
        if path:
            _apply(kind, changed, verb, path, value)
        elif verb == "remove":
            raise NoTarget("An operation to remove needs a path.")
        elif isinstance(value, Mapping):
            for key, each in value.items():
                _apply(kind, changed, verb, str(key), each)
        else:
            raise BadValue("Without a path, the value is an object of attributes.")
    return changed


def _operations(document: object) -> Sequence[Mapping[str, Any]]:
    if not isinstance(document, Mapping):
        raise ScimProblem("The body is not an object.")
    schemas = _of(document, "schemas")
    if isinstance(schemas, list) and PATCH_OP.lower() not in [str(each).lower() for each in schemas]:
        raise ScimProblem(f"A change has the schema {PATCH_OP}.")
    operations = _of(document, "operations")
    if not isinstance(operations, list) or not operations or not all(isinstance(each, Mapping) for each in operations):
        raise ScimProblem("Operations is a list of objects, and not empty.")
    if len(operations) > MOST_OPERATIONS:
        raise ScimProblem(f"A change has at most {MOST_OPERATIONS} operations.")
    return operations


def _of(mapping: Mapping[str, Any], name: str) -> Any:
    return next((value for key, value in mapping.items() if str(key).lower() == name), None)


def _apply(kind: ResourceKind, resource: dict[str, Any], verb: str, text: str, value: Any) -> None:
    if text.lower() == "schemas":
        return
    path = parse_path(text)
    attribute = kind.attribute(path.attribute)
    if attribute is None:
        if _is_passed_over(path):
            return
        raise BadPath(f"{kind.name} has no attribute {text[:80]!r}.")
    if not attribute.writable:
        raise Immutable(f"{attribute.name} is read-only.")
    part = _part_of(attribute, path)
    if attribute.parts and attribute.many:
        _change_values(attribute, part, resource, verb, path.filter, value)
    elif part is not None:
        whole = dict(resource.get(attribute.name) or {})
        _set(whole, part, verb, value)
        _set(resource, attribute, "replace" if whole else "remove", whole)
    elif attribute.parts:
        _change_whole(attribute, resource, verb, value)
    else:
        _set(resource, attribute, verb, value)


def _is_passed_over(path: Path) -> bool:
    """What directories send and Highroad has no use for: other attributes of the RFC, and extensions."""
    return path.attribute.name in PASSED_OVER or bool(
        path.attribute.urn and ":extension:" in path.attribute.urn.lower()
    )


def _part_of(attribute: Attribute, path: Path) -> Attribute | None:
    if path.filter is not None and not (attribute.parts and attribute.many):
        raise BadPath(f"{attribute.name} has one value; nothing of it can be chosen by a filter.")
    if path.sub is None:
        return None
    part = attribute.part(path.sub)
    if part is None:
        raise BadPath(f"{attribute.name} has no part {path.sub[:40]!r}.")
    return part


def _set(target: dict[str, Any], attribute: Attribute, verb: str, value: Any) -> None:
    if not attribute.writable:
        return  # parts that we compute, sent along with those that count
    if verb == "remove" or value is None:
        if attribute.required:
            raise Immutable(f"{attribute.name} is required.")
        target.pop(attribute.name, None)
        return
    target[attribute.name] = attribute.read(value)


def _change_whole(attribute: Attribute, resource: dict[str, Any], verb: str, value: Any) -> None:
    """An attribute of parts as a whole; adding keeps the parts that are not named."""
    if verb == "remove" or value is None:
        _set(resource, attribute, "remove", None)
        return
    read = attribute.read(value)
    resource[attribute.name] = {**(resource.get(attribute.name) or {}), **read} if verb == "add" else read


def _change_values(
    attribute: Attribute,
    part: Attribute | None,
    resource: dict[str, Any],
    verb: str,
    chosen: Filter | None,
    value: Any,
) -> None:
    values: list[dict[str, Any]] = [dict(each) for each in resource.get(attribute.name) or []]
    if chosen is None and part is None:
        values = _whole_list(attribute, values, verb, value)
    else:
        reached = [each for each in values if chosen is None or matches(chosen, as_value(each))]
        if verb == "remove":
            if not reached:
                raise NoTarget(f"No value of {attribute.name} matches the filter.")
            for each in reached:
                _remove_from(values, each, part)
        else:
            if not reached:
                reached = [_begun(attribute, chosen)]
                values += reached
            for each in reached:
                if part is not None:
                    _set(each, part, verb, value)
                else:
                    each.update(attribute.read_one(value))
    resource[attribute.name] = _distinct(values)
    if attribute.required and not resource[attribute.name]:
        raise Immutable(f"{attribute.name} is required.")


def _whole_list(attribute: Attribute, values: list[dict[str, Any]], verb: str, value: Any) -> list[dict[str, Any]]:
    if verb == "add":
        return [*values, *attribute.read(value)]
    if verb == "replace":
        return list(attribute.read(value)) if value is not None else []
    if value in (None, [], {}):
        return []
    gone = {str(each.get("value")) for each in attribute.read(value)}
    return [each for each in values if str(each.get("value")) not in gone]


def _remove_from(values: list[dict[str, Any]], each: dict[str, Any], part: Attribute | None) -> None:
    if part is None:
        values.remove(each)
    elif part.required:
        raise Immutable(f"{part.name} is required.")
    else:
        each.pop(part.name, None)


def _begun(attribute: Attribute, chosen: Filter | None) -> dict[str, Any]:
    """A value as the filter asks for one: `[type eq "work"]` makes `{"type": "work"}`."""
    if isinstance(chosen, Both):
        return _begun(attribute, chosen.left) | _begun(attribute, chosen.right)
    if isinstance(chosen, Compare) and chosen.operator == "eq":
        part = attribute.part(chosen.path.name)
        return {part.name: chosen.value} if part is not None and part.writable else {}
    if chosen is None:
        return {}
    raise NoTarget(f"No value of {attribute.name} matches the filter.")


def _distinct(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each value once; the last one counts where two have the same `value`."""
    by_value: dict[str, dict[str, Any]] = {}
    for each in values:
        key = str(each.get("value") or str(each.get("$ref") or "").rpartition("/")[2])
        if key:
            by_value[key] = {**each, "value": key}
    return list(by_value.values())
