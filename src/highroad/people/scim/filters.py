"""SCIM filters and paths (RFC 7644, 3.4.2.2 and 3.5.2): read by a grammar, evaluated on resources. Pure.

A filter becomes a tree that is asked about each resource; no text of a client ever becomes part of a query to the
database, so there is nothing that a crafted filter could reach.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from highroad.people.scim.failures import BadFilter, BadPath, ScimProblem

LONGEST = 4000
"""Characters of a filter or path."""
DEEPEST = 30
"""Levels of parentheses and `not`."""
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:\\.|[^"\\])*")
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.:$-]))
    | (?P<name>(?:urn:[A-Za-z0-9._:-]+:)?\$?[A-Za-z][\w$-]*(?:\.\$?[A-Za-z][\w$-]*)?)
    | (?P<mark>[()\[\].])
    )""",
    re.VERBOSE,
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: bool(left == right),
    "ne": lambda left, right: bool(left != right),
    "co": lambda left, right: right in left,
    "sw": lambda left, right: left.startswith(right),
    "ew": lambda left, right: left.endswith(right),
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
}
CASE_EXACT = frozenset({"id", "externalid", "members.value", "groups.value", "members.$ref", "groups.$ref"})
"""Attributes whose texts are compared letter by letter; others in any case (RFC 7643, 2.2)."""


@dataclass(frozen=True, slots=True)
class AttributePath:
    """`name` and `sub` in small letters; `urn` is the schema that stood before them, if one did."""

    name: str
    sub: str | None = None
    urn: str | None = None


@dataclass(frozen=True, slots=True)
class Compare:
    path: AttributePath
    operator: str
    value: str | int | float | bool | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """`emails[type eq "work"]`: some value of the attribute is as the inner filter says."""

    path: AttributePath
    inner: Filter


@dataclass(frozen=True, slots=True)
class Not:
    inner: Filter


@dataclass(frozen=True, slots=True)
class Both:
    left: Filter
    right: Filter


@dataclass(frozen=True, slots=True)
class Either:
    left: Filter
    right: Filter


Filter = Compare | Values | Not | Both | Either


@dataclass(frozen=True, slots=True)
class Path:
    """The target of a change: an attribute, those of its values that the filter matches, and a part of them."""

    attribute: AttributePath
    filter: Filter | None = None
    sub: str | None = None


class _Words:
    """The tokens of a text, read one after the other."""

    def __init__(self, text: str, failure: type[ScimProblem]) -> None:
        if len(text) > LONGEST:
            raise failure(f"It is longer than {LONGEST} characters.")
        self._failure = failure
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        place = 0
        stripped = text.rstrip()
        while place < len(stripped):
            found = _TOKEN.match(stripped, place)
            if found is None:
                raise failure(f"It cannot be read from character {place + 1} on.")
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            place = found.end()

    def peek(self, *, ahead: int = 0) -> tuple[str, str]:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else ("end", "")

    def word(self, ahead: int = 0) -> str:
        """The token in small letters when it is a name, empty otherwise."""
        kind, text = self.peek(ahead=ahead)
        return text.lower() if kind == "name" else ""

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self._at += 1
        return token

    def demand(self, mark: str) -> None:
        if self.take() != ("mark", mark):
            raise self._failure(f"A {mark} is missing.")

    def end(self) -> None:
        if self.peek()[0] != "end":
            raise self._failure(f"{self.peek()[1][:40]!r} is one too many.")

    def fail(self, detail: str) -> ScimProblem:
        return self._failure(detail)


def parse_filter(text: str) -> Filter:
    """Raises `BadFilter`, saying where."""
    words = _Words(text, BadFilter)
    found = _either(words, 0)
    words.end()
    return found


def parse_path(text: str) -> Path:
    """`name.givenName`, `members[value eq "usr_1"]`, `emails[type eq "work"].value`. Raises `BadPath`."""
    words = _Words(text, BadPath)
    attribute = _attribute(words)
    inner, sub = None, None
    if words.peek() == ("mark", "["):
        words.take()
        inner = _either(words, 0)
        words.demand("]")
        if words.peek() == ("mark", "."):
            words.take()
            sub = words.word()
            if not sub or "." in sub or ":" in sub:
                raise BadPath("Behind the dot stands no name.")
            words.take()
    words.end()
    return Path(AttributePath(attribute.name, None, attribute.urn), inner, sub or attribute.sub)


def _either(words: _Words, depth: int) -> Filter:
    left = _both(words, depth)
    while words.word() == "or":
        words.take()
        left = Either(left, _both(words, depth))
    return left


def _both(words: _Words, depth: int) -> Filter:
    left = _single(words, depth)
    while words.word() == "and":
        words.take()
        left = Both(left, _single(words, depth))
    return left


def _single(words: _Words, depth: int) -> Filter:
    if depth > DEEPEST:
        raise words.fail(f"It is nested more than {DEEPEST} levels deep.")
    if words.word() == "not" and words.peek(ahead=1) == ("mark", "("):
        words.take()
        return Not(_grouped(words, depth))
    if words.peek() == ("mark", "("):
        return _grouped(words, depth)
    path = _attribute(words)
    if words.peek() == ("mark", "["):
        words.take()
        inner = _either(words, depth + 1)
        words.demand("]")
        return Values(path, inner)
    operator = words.word()
    if operator == "pr":
        words.take()
        return Compare(path, "pr")
    if operator not in _COMPARISONS:
        raise words.fail(f"{words.peek()[1][:40]!r} is no operator.")
    words.take()
    return Compare(path, operator, _value(words))


def _grouped(words: _Words, depth: int) -> Filter:
    words.demand("(")
    inner = _either(words, depth + 1)
    words.demand(")")
    return inner


def _attribute(words: _Words) -> AttributePath:
    kind, text = words.take()
    if kind != "name":
        raise words.fail(f"{text[:40]!r} is no attribute." if text else "It ends too early.")
    urn, _, rest = text.rpartition(":")
    name, _, sub = rest.lower().partition(".")
    return AttributePath(name, sub or None, urn or None)


def _value(words: _Words) -> str | int | float | bool | None:
    kind, text = words.take()
    if kind == "string":
        try:
            return str(json.loads(text, strict=False))
        except ValueError as error:
            raise words.fail(f"{text[:40]} is no JSON text.") from error
    if kind == "number":
        return float(text) if set(text) & set(".eE") else int(text)
    named = {"true": True, "false": False, "null": None}
    if kind != "name" or text.lower() not in named:
        raise words.fail(f"{text[:40]!r} is no value." if text else "The value is missing.")
    return named[text.lower()]


# Asking


def matches(found: Filter, resource: Mapping[str, Any]) -> bool:
    """Whether the resource, or one value of an attribute of it, is as the filter says."""
    if isinstance(found, Both):
        return matches(found.left, resource) and matches(found.right, resource)
    if isinstance(found, Either):
        return matches(found.left, resource) or matches(found.right, resource)
    if isinstance(found, Not):
        return not matches(found.inner, resource)
    if isinstance(found, Values):
        return any(matches(found.inner, as_value(each)) for each in _as_list(attribute(resource, found.path.name)))
    return _compare(found, resource)


def as_value(value: Any) -> Mapping[str, Any]:
    """One value of an attribute as something with parts: a plain one is its own `value`."""
    return value if isinstance(value, Mapping) else {"value": value}


def attribute(resource: Mapping[str, Any], name: str) -> Any:
    """The attribute of this name in any case of letters; None when there is none."""
    return next((value for key, value in resource.items() if key.lower() == name.lower()), None)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _compare(found: Compare, resource: Mapping[str, Any]) -> bool:
    whole = attribute(resource, found.path.name)
    values = _as_list(whole)
    sub = found.path.sub or ("value" if isinstance(whole, list) else None)
    if sub:
        values = [attribute(as_value(each), sub) for each in values]
    last = f"{found.path.name}.{sub}" if sub else found.path.name
    values = [each for each in values if each is not None and each not in ("", [], {})]
    if found.operator == "pr":
        return bool(values)
    if found.value is None:
        return bool(values) == (found.operator == "ne") and found.operator in ("eq", "ne")
    if found.operator == "ne":
        return not any(_holds("eq", each, found.value, last) for each in values)
    return any(_holds(found.operator, each, found.value, last) for each in values)


def _holds(operator: str, left: Any, right: Any, name: str) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        if name not in CASE_EXACT:
            left, right = left.casefold(), right.casefold()
        return _COMPARISONS[operator](left, right)
    if isinstance(left, bool) or isinstance(right, bool):
        if operator not in ("eq", "ne"):
            raise BadFilter(f"A truth value cannot be compared by {operator}.")
        return isinstance(left, bool) and isinstance(right, bool) and left == right
    if isinstance(left, int | float) and isinstance(right, int | float) and operator not in ("co", "sw", "ew"):
        return _COMPARISONS[operator](left, right)
    return False
