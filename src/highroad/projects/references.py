"""From the variables in force to what an instance gets: references filled in, aliases followed, files apart. Pure.

`${{NAME}}` in a plain variable stands for another one, `${{secret.NAME}}` for a secret; `$${{` is a plain `${{`. What a
secret holds is taken as it is. Verbs ask `check` before they store anything, deployments ask `delivered` for a plan.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from highroad.errors import FieldError, Invalid
from highroad.projects.model import Variable

_REFERENCE = re.compile(r"(\$?)\$\{\{[ \t]*(secret\.)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*\}\}")
LONGEST_EXPANDED = 128 * 1024
"""Characters: references to references could otherwise grow without end."""
LONGEST_PATH = 255
DEEPEST = 50
"""Steps from one variable to another."""
_CLOSED = ("proc", "sys", "dev")


class BadReference(Invalid):
    code = "bad-reference"
    title = "A reference leads nowhere"


class BadFilePath(Invalid):
    code = "bad-file-path"
    title = "A file cannot be placed there"


class Delivered(dict[str, str]):
    """What an instance gets: variables by name, and files by absolute path. `secret` names those that nobody is to
    see; a name cannot begin with a slash, so that both fit in one mapping. `unknown` were left out: they need an
    external secret whose value is not there. `versions` says of which versions of which secrets a value is made; None
    in what was kept before that was known."""

    def __init__(
        self,
        values: Mapping[str, str] | None = None,
        secret: Iterable[str] = (),
        unknown: Iterable[str] = (),
        versions: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(values or {})
        self.secret = frozenset(secret)
        self.unknown = frozenset(unknown)
        self.versions = versions

    def to_json(self) -> str:
        names = {"secret": sorted(self.secret), "unknown": sorted(self.unknown)}
        return json.dumps({"values": self, **names, "versions": self.versions})

    @staticmethod
    def from_json(text: str) -> Delivered:
        """Also of the time before there were secrets, when it was the values alone."""
        found = json.loads(text)
        if isinstance(found.get("values"), dict):
            return Delivered(found["values"], found["secret"], found.get("unknown", ()), found.get("versions"))
        return Delivered(found)

    def differing(self, other: Delivered) -> list[str]:
        """Names whose values are not the same in both, but for those that one of them does not know."""
        names = (self.keys() | other.keys()) - self.unknown - other.unknown
        return sorted(name for name in names if self.differs(other, name))

    def differs(self, other: Delivered, name: str) -> bool:
        """A secret that was set anew is another one, also when it has the same value: else whoever may write it and
        not read it could guess until nothing differs."""
        if self.get(name) != other.get(name):
            return True
        if self.versions is None or other.versions is None:
            return False
        return self.versions.get(name) != other.versions.get(name)

    @property
    def variables(self) -> dict[str, str]:
        return {name: value for name, value in self.items() if not name.startswith("/")}

    @property
    def files(self) -> dict[str, str]:
        return {name: value for name, value in self.items() if name.startswith("/")}

    @property
    def secret_values(self) -> frozenset[str]:
        return frozenset(value for name, value in self.items() if name in self.secret and value)


def delivered(variables: Iterable[Variable], external: Mapping[str, str] | None = None) -> Delivered:
    """Of the variables in force at one place (each name once). `external` are values of external secrets by the id of
    their variable; one that is not there is left out, with all that refer to it. Raises `BadReference`."""
    filling = _Filling({each.name: each for each in variables}, external or {})
    values: dict[str, str] = {}
    secret: set[str] = set()
    unknown: set[str] = set()
    versions: dict[str, str] = {}
    for name, variable in filling.known.items():
        filled = filling.value(name, ())
        if filled is None:
            unknown |= {name, variable.file} - {""}
            continue
        place = variable.file or name
        if variable.file:
            values[name] = variable.file
            if place in values:
                raise BadFilePath(
                    f"{name} is to be the file {place}, and so is another variable.", next_step="Choose another path."
                )
        values[place] = filled.text
        if filled.secret:
            secret.add(place)
        if filled.versions:
            versions[place] = " ".join(sorted(filled.versions))
    return Delivered(values, secret, unknown, versions)


def refers_to(variable: Variable) -> list[tuple[str, bool]]:
    """Names that a variable needs, each with whether it has to be a secret."""
    if variable.kind == "alias":
        return [(variable.value, False)]
    if variable.kind != "plain":
        return []
    return [(match[3], bool(match[2])) for match in _REFERENCE.finditer(variable.value) if not match[1]]


def check(here: Iterable[Variable], anywhere: Iterable[Variable]) -> None:
    """Raise `BadReference` for a circle among the variables in force `here`, and for a name that is set nowhere in the
    project. A name that is set elsewhere may be meant for there: the plan of a deployment is strict."""
    known = {each.name: each for each in here}
    secret: dict[str, bool] = {}
    for each in anywhere:
        secret[each.name] = secret.get(each.name, False) or each.secret or each.kind == "alias"
    for variable in known.values():
        for name, wanted_secret in refers_to(variable):
            if name not in secret:
                raise _unknown(variable.name, name)
            if wanted_secret and not secret[name]:
                raise _no_secret(variable.name, name)
    filling = _Filling(known, {}, lenient=True)
    for name in known:
        filling.value(name, ())


def check_path(path: str) -> str:
    """The path of a file inside of a sandbox. Raises `BadFilePath`."""
    parts = PurePosixPath(path).parts
    problem = None
    if not path.startswith("/") or ".." in parts or "//" in path or path.endswith("/") or len(parts) < 2:
        problem = "must be an absolute path of a file, without '..'"
    elif not path.isprintable() or len(path) > LONGEST_PATH:
        problem = f"must be printable, of at most {LONGEST_PATH} characters"
    elif parts[1] in _CLOSED:
        problem = f"must not lie in /{parts[1]}"
    if problem is not None:
        raise BadFilePath(
            f"The path {path[:80]!r} {problem}.",
            next_step="Choose one such as /run/secrets/NAME.",
            errors=[FieldError("/file", problem)],
        )
    return path


@dataclass(frozen=True, slots=True)
class _Filled:
    text: str
    secret: bool
    versions: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Filling:
    """Fills each variable once. `lenient` takes unknown names for empty: only circles are looked for."""

    known: Mapping[str, Variable]
    external: Mapping[str, str]
    lenient: bool = False
    done: dict[str, _Filled | None] = field(default_factory=dict)

    def value(self, name: str, way: tuple[str, ...]) -> _Filled | None:
        """None: it depends on an external secret whose value is not there. `way` are the names that led here."""
        if name in way:
            circle = " -> ".join((*way[way.index(name) :], name))
            raise BadReference(
                f"{name} refers to itself: {circle}.",
                next_step="Give one of them a value of its own.",
                errors=_at(name),
            )
        if len(way) > DEEPEST:
            raise BadReference(
                f"{way[0]} refers to others over more than {DEEPEST} steps.",
                next_step="Let it refer to the last one.",
                errors=_at(way[0]),
            )
        if name not in self.done:
            self.done[name] = self._fill(self.known[name], (*way, name))
        return self.done[name]

    def _fill(self, variable: Variable, way: tuple[str, ...]) -> _Filled | None:
        if variable.kind == "external":
            text = self.external.get(variable.id)
            return None if text is None else _Filled(text, True, frozenset({f"{variable.id}:{variable.version}"}))
        if variable.kind == "secret":
            return _Filled(variable.value, True, frozenset({f"{variable.id}:{variable.version}"}))
        if variable.kind == "alias":
            return self._other(variable, variable.value, way)
        return self._expanded(variable, way)

    def _other(self, variable: Variable, name: str, way: tuple[str, ...], *, secret: bool = False) -> _Filled | None:
        target = self.known.get(name)
        if target is None:
            if self.lenient:
                return _Filled("", False)
            raise _unknown(variable.name, name)
        filled = self.value(name, way)
        if secret and not self.lenient and filled is not None and not filled.secret:
            raise _no_secret(variable.name, name)
        return filled

    def _expanded(self, variable: Variable, way: tuple[str, ...]) -> _Filled | None:
        text, secret, versions = "", False, frozenset[str]()
        for piece in _pieces(variable.value):
            if isinstance(piece, str):
                text += piece
                continue
            filled = self._other(variable, piece[0], way, secret=piece[1])
            if filled is None:
                return None
            text, secret, versions = text + filled.text, secret or filled.secret, versions | filled.versions
            if len(text) > LONGEST_EXPANDED:
                raise BadReference(
                    f"{variable.name} becomes longer than {LONGEST_EXPANDED // 1024} KiB.",
                    next_step="Refer to fewer or shorter values.",
                    errors=_at(variable.name),
                )
        return _Filled(text, secret, versions)


def _pieces(text: str) -> Iterator[str | tuple[str, bool]]:
    """Texts, and (name, has to be a secret) for references."""
    end = 0
    for match in _REFERENCE.finditer(text):
        yield text[end : match.start()]
        yield match[0][1:] if match[1] else (match[3], bool(match[2]))
        end = match.end()
    yield text[end:]


def _unknown(name: str, target: str) -> BadReference:
    return BadReference(
        f"{name} refers to {target}, which is not set here.",
        next_step=f"Set {target}, or write $${{{{ where no reference is meant.",
        errors=_at(name),
    )


def _no_secret(name: str, target: str) -> BadReference:
    return BadReference(
        f"{name} refers to the secret {target}, and {target} is a plain variable.",
        next_step=f"Write ${{{{{target}}}}}, or make it a secret: highroad secrets set {target}",
        errors=_at(name),
    )


def _at(name: str) -> list[FieldError]:
    return [FieldError(f"/set/{name}", "its reference cannot be filled in")]
