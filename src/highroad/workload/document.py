"""YAML with a line for every value: `score` and `config` read their files through it, so that errors name a place.

The reader builds values from libyaml's events itself. That keeps positions, and lets it refuse what a configuration
file has no use for before it costs anything: duplicate keys, foreign tags, several documents, deep nesting, and
aliases that unfold into more values than `VALUE_LIMIT`. Scalars follow the core schema of YAML 1.2: `on`, `no`, `1:30`
and dates are texts, as people mean them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from yaml import CSafeLoader, MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from highroad.errors import FieldError, Invalid

VALUE_LIMIT = 12_000
TEXT_UNIT = 100  # a text counts as one value per so many characters, because aliases multiply texts too
DEPTH_LIMIT = 40

Keys = tuple[str | int, ...]
Place = tuple[int, int]

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TAG = "tag:yaml.org,2002:"


class BadYaml(Invalid):
    code = "bad-yaml"
    title = "A file is not the YAML that Highroad reads"


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: `value` is of dict, list, str, int, float, bool and None; `places` are (line, column), from 1."""

    file: str
    value: object
    places: Mapping[Keys, Place]

    def place(self, path: Keys) -> Place:
        """Where the value at `path` is, or its nearest ancestor that was written down."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))

    def error(self, path: Keys, detail: str) -> FieldError:
        """`score.yaml:12:5` with `containers.web.image: must be text`."""
        line, column = self.place(path)
        where = dotted(path)
        return FieldError(f"{self.file}:{line}:{column}", f"{where}: {detail}" if where else detail)


def dotted(path: Keys) -> str:
    """`containers.web.args[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part[:80]}" if text else part[:80]
    return text


def parse(file: str, text: str) -> Document:
    """The one document in `text`; `file` is the name that errors carry. An empty file is None. Raises `BadYaml`."""
    try:
        return _Reader(file, text).document()
    except MarkedYAMLError as error:
        raise _syntax_error(file, text, error) from error
    except YAMLError as error:  # characters that YAML does not allow, such as NUL
        raise _bad(file, 1, 1, f"is not YAML: {str(error).splitlines()[0]}") from error


@dataclass(slots=True)
class _Reader:
    file: str
    text: str
    events: CSafeLoader = field(init=False)
    places: dict[Keys, Place] = field(default_factory=dict)
    anchors: dict[str, tuple[object, int]] = field(default_factory=dict)
    size: int = 0

    def document(self) -> Document:
        self.events = CSafeLoader(self.text)
        self._next()
        if isinstance(self._peek(), StreamEndEvent):
            return Document(self.file, None, {})
        self._next()
        value = self._value((), self._next())
        self._next()
        after = self._peek()
        if isinstance(after, DocumentStartEvent):
            raise self._refuse(after, "a second document begins here; one file holds one document")
        return Document(self.file, value, self.places)

    def _next(self) -> Event:
        event = self.events.get_event()
        assert event is not None, "libyaml ends a stream with an event of its own"
        return event

    def _peek(self) -> Event:
        event = self.events.peek_event()
        assert event is not None, "libyaml ends a stream with an event of its own"
        return event

    def _value(self, path: Keys, event: Event) -> object:
        self.places.setdefault(path, _place(event))
        before = self.size
        self._grow(1 + len(event.value) // TEXT_UNIT if isinstance(event, ScalarEvent) else 1, event)
        if len(path) > DEPTH_LIMIT:
            raise self._refuse(event, f"is nested deeper than {DEPTH_LIMIT} levels")
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if isinstance(event, MappingStartEvent):
            value: object = self._mapping(path, event)
        elif isinstance(event, SequenceStartEvent):
            value = self._sequence(path, event)
        elif isinstance(event, ScalarEvent):
            value = self._scalar(event)
        else:
            raise self._refuse(event, "a value was expected here")
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.size - before)
        return value

    def _mapping(self, path: Keys, event: MappingStartEvent) -> dict[str, object]:
        self._expect_tag(event, "map")
        mapping: dict[str, object] = {}
        while not isinstance(key_event := self._next(), MappingEndEvent):
            if not isinstance(key_event, ScalarEvent):
                raise self._refuse(key_event, "a key must be plain text")
            key = key_event.value
            if key in mapping:
                line, _ = self.places[(*path, key)]
                raise self._refuse(key_event, f"{key[:80]!r} is here a second time; it is already on line {line}")
            self.places[(*path, key)] = _place(key_event)
            mapping[key] = self._value((*path, key), self._next())
        return mapping

    def _sequence(self, path: Keys, event: SequenceStartEvent) -> list[object]:
        self._expect_tag(event, "seq")
        items: list[object] = []
        while not isinstance(item := self._next(), SequenceEndEvent):
            items.append(self._value((*path, len(items)), item))
        return items

    def _alias(self, event: AliasEvent) -> object:
        if event.anchor not in self.anchors:
            raise self._refuse(event, f"*{event.anchor} refers to nothing before it")
        value, size = self.anchors[event.anchor]
        self._grow(size, event)
        return value

    def _scalar(self, event: ScalarEvent) -> object:
        if event.tag == f"{_TAG}str" or (event.tag in (None, "!") and not event.implicit[0]):
            return event.value
        if event.tag is not None and event.tag not in {_TAG + name for name in ("int", "float", "bool", "null")}:
            raise self._refuse(event, f"the tag {event.tag[:80]} has no meaning here")
        return _core_scalar(event.value)

    def _expect_tag(self, event: MappingStartEvent | SequenceStartEvent, name: str) -> None:
        if event.tag not in (None, "!", _TAG + name):
            raise self._refuse(event, f"the tag {event.tag[:80]} has no meaning here")

    def _grow(self, size: int, event: Event) -> None:
        self.size += size
        if self.size > VALUE_LIMIT:
            raise self._refuse(event, f"holds more than {VALUE_LIMIT} values once its aliases are unfolded")

    def _refuse(self, event: Event, detail: str) -> BadYaml:
        return _bad(self.file, *_place(event), detail)


def _core_scalar(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > 40:  # longer than any number that a configuration means, and slow to convert
        return text
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if _FLOAT.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text


def _place(event: Event) -> Place:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _bad(file: str, line: int, column: int, detail: str) -> BadYaml:
    return BadYaml(
        f"{file}:{line}:{column}: {detail}.",
        next_step=f"Mend line {line} of {file} and push again.",
        errors=[FieldError(f"{file}:{line}:{column}", detail)],
    )


def _syntax_error(file: str, text: str, error: MarkedYAMLError) -> BadYaml:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    indent = written[: len(written) - len(written.lstrip())]
    if "\t" in indent:
        return _bad(file, line, indent.index("\t") + 1, "is indented with a tab; YAML allows only spaces")
    detail = str(error.problem or "cannot be read")
    if error.context and error.context_mark:
        detail += f" ({error.context} that begins on line {error.context_mark.line + 1})"
    return _bad(file, line, column, f"is not YAML: {detail}")
