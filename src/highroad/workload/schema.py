"""Checks a document against one of our JSON Schemas and says in words what is wrong, where, and what was meant.

`score` and `config` call it. It knows the keywords of JSON Schema 2020-12 that our two schemas use and refuses a schema
that uses another. A general validator would do the checking, but not the wording: it cannot say which branch of a union
the author meant, and it costs a fifth of a second to import.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from highroad.errors import FieldError
from highroad.workload.document import Document, Keys

ERROR_LIMIT = 20
Schema = Mapping[str, Any]
Flaw = tuple[Keys, str]

KEYWORDS = frozenset(
    [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "propertyNames",
        "minProperties",
        "items",
        "minItems",
        "anyOf",
        "oneOf",
        "const",
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "$ref",
    ]
)
ANNOTATIONS = frozenset(
    ["$schema", "$id", "$defs", "$comment", "title", "description", "examples", "default", "deprecated"]
)
_WORDS = {"string": "text", "object": "a mapping", "array": "a list", "integer": "a whole number", "number": "a number"}
_WORDS |= {"boolean": "true or false", "null": "empty"}


@cache
def load(name: str) -> Schema:
    """The schema in the file `name` of this package."""
    schema: Schema = json.loads(files("highroad.workload").joinpath(name).read_text("utf-8"))
    return schema


def check(document: Document, schema: Schema) -> list[FieldError]:
    """What is wrong with the document, in the order of its lines, at most `ERROR_LIMIT` entries; empty when valid."""
    flaws = sorted(_flaws(document.value, schema, (), schema), key=lambda flaw: document.place(flaw[0]))
    return [document.error(path, detail) for path, detail in flaws[:ERROR_LIMIT]]


def did_you_mean(written: str, known: Sequence[str]) -> str:
    """`; did you mean 'image'?`, or nothing when no known name is near."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(written.lower()[:80], list(by_lower), n=1, cutoff=0.6)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""


def _flaws(value: object, schema: Schema, path: Keys, root: Schema) -> Iterator[Flaw]:
    if unknown := schema.keys() - KEYWORDS - ANNOTATIONS:
        raise AssertionError(f"the schema uses keywords that are not checked: {sorted(unknown)}")
    if "$ref" in schema:
        yield from _flaws(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], path, root)
    if "anyOf" in schema:
        yield from _any_of(value, schema["anyOf"], path, root)
    if "type" in schema and not _is(value, schema["type"]):
        yield path, _wrong_type(value, _WORDS[schema["type"]])
    elif isinstance(value, dict):
        yield from _mapping(value, schema, path, root)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield path, f"needs at least {schema['minItems']} item(s)"
        for index, item in enumerate(value):
            yield from _flaws(item, schema.get("items", {}), (*path, index), root)
    elif problem := _scalar(value, schema):
        yield path, problem


def _mapping(value: Mapping[str, object], schema: Schema, path: Keys, root: Schema) -> Iterator[Flaw]:
    known: Mapping[str, Schema] = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            yield path, f"needs a field {name!r}" if path else f"the file needs a field {name!r}"
    if len(value) < schema.get("minProperties", 0):
        yield path, "needs at least one entry"
    if "oneOf" in schema:
        choices = [branch["required"][0] for branch in schema["oneOf"]]
        if sum(choice in value for choice in choices) != 1:
            yield path, f"needs exactly one of {', '.join(choices)}"
    for name, item in value.items():
        here = (*path, name)
        if name in known:
            yield from _flaws(item, known[name], here, root)
        elif others is False:
            known_names = ", ".join(known)
            yield here, "is not a known field" + (did_you_mean(name, list(known)) or f"; known are {known_names}")
        else:
            for _, problem in _flaws(name, schema.get("propertyNames", {}), here, root):
                yield here, f"the name {problem}"
            if others is not True:
                yield from _flaws(item, others, here, root)


def _scalar(value: object, schema: Schema) -> str | None:
    shown = _shown(value)
    if "const" in schema and not _same(value, schema["const"]):
        return f"must be {_shown(schema['const'])}, not {shown}"
    if "enum" in schema and not any(_same(value, choice) for choice in schema["enum"]):
        choices = [str(choice) for choice in schema["enum"]]
        return f"must be one of {', '.join(choices)}, not {shown}{did_you_mean(str(value), choices)}"
    if isinstance(value, str):
        length = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        if not length or ("pattern" in schema and not _matches(schema["pattern"], value)):
            return f"{shown} cannot be used here. {schema.get('description', 'It has a wrong form or length.')}".rstrip(
                "."
            )
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high, above = (schema.get(keyword) for keyword in ("minimum", "maximum", "exclusiveMinimum"))
        if low is not None and not value >= low:
            return f"must be at least {low}, not {shown}"
        if above is not None and not value > above:
            return f"must be more than {above}, not {shown}"
        if high is not None and not value <= high:
            return f"must be at most {high}, not {shown}"
    return None


def _any_of(value: object, branches: Sequence[Schema], path: Keys, root: Schema) -> Iterator[Flaw]:
    """Nothing when one branch fits, else the flaws against the branch that the author most likely meant."""
    tried: list[tuple[int, bool, list[Flaw]]] = []
    wanted: list[str] = []
    for branch in branches:
        flaws = list(_flaws(value, branch, path, root))
        if not flaws:
            return
        target = root["$defs"][branch["$ref"].removeprefix("#/$defs/")] if "$ref" in branch else branch
        wanted.append(_shown(target["const"]) if "const" in target else _WORDS[target["type"]])
        if "type" in target and _is(value, target["type"]):
            tried.append((len(flaws), "const" in target, flaws))
    if tried:
        yield from min(tried, key=lambda each: each[:2])[2]
    else:
        yield path, _wrong_type(value, " or ".join(dict.fromkeys(wanted)))


def _is(value: object, kind: str) -> bool:
    if kind in ("integer", "number"):
        whole = not isinstance(value, float) or value.is_integer()
        return isinstance(value, (int, float)) and not isinstance(value, bool) and (kind == "number" or whole)
    types: dict[str, type] = {"string": str, "object": dict, "array": list, "boolean": bool, "null": type(None)}
    return isinstance(value, types[kind])


def _matches(pattern: str, text: str) -> bool:
    # JSON Schema's `$` is the very end; Python's would let a newline follow.
    return re.search(re.sub(r"(?<!\\)\$$", r"\\Z", pattern), text) is not None


def _same(value: object, other: object) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _wrong_type(value: object, wanted: str) -> str:
    if value is None:
        return f"must be {wanted}, but nothing is written"
    if wanted == "text" and isinstance(value, (bool, int, float)):
        return f'must be text: write it in quotes, "{json.dumps(value)}"'
    return f"must be {wanted}, not {_shown(value)}"


def _shown(value: object) -> str:
    """The value as a short piece of YAML."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:60] + "...")
    return json.dumps(value)
