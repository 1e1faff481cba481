"""Reads a `Procfile`: one `name: command` a line, blank lines and comments aside. `detect` calls it.

`web` listens on `$PORT`, `release` runs once per deployment before the new version starts, every other name is a
process that does not listen. A process gets a schedule in `highroad.yaml`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from highroad.errors import FieldError, Invalid
from highroad.kit.names import is_label, to_label
from highroad.workload.model import Health, Process
from highroad.workload.source import Source

FILE = "Procfile"
_LINE = re.compile(r"(?P<name>[^\s:]+)\s*:\s*(?P<command>\S.*)")


class BadProcfile(Invalid):
    code = "bad-procfile"
    title = "The Procfile is not valid"


@dataclass(frozen=True, slots=True)
class Procfile:
    """`lines` says on which line each process stands; `release` is the release command."""

    processes: tuple[Process, ...]
    release: str | None = None
    lines: dict[str, int] = field(default_factory=dict)


def read(source: Source) -> Procfile | None:
    """The Procfile of `source`, or None when there is none. Raises `BadProcfile` naming every wrong line."""
    text = source.read(FILE)
    return None if text is None else parse(text)


def parse(text: str) -> Procfile:
    """Raises `BadProcfile`."""
    commands: dict[str, str] = {}
    lines: dict[str, int] = {}
    errors: list[FieldError] = []
    for number, line in enumerate(text.split("\n"), start=1):
        written = line.strip()
        if not written or written.startswith("#"):
            continue
        match = _LINE.fullmatch(written)
        problem = _problem(match, lines)
        if match is None or problem:
            errors.append(FieldError(f"{FILE}:{number}", problem))
            continue
        commands[match["name"]] = match["command"]
        lines[match["name"]] = number
    if not commands and not errors:
        errors.append(FieldError(FILE, "it names no process; write a line such as 'web: python app.py'"))
    if errors:
        raise BadProcfile(
            f"{errors[0].pointer}: {errors[0].detail}.",
            next_step="Write one 'name: command' on each line of the Procfile and push again.",
            errors=errors,
        )
    processes = tuple(_process(name, command) for name, command in commands.items() if name != "release")
    return Procfile(processes, commands.get("release"), lines)


def _process(name: str, command: str) -> Process:
    http = name == "web"
    return Process(name=name, command=command, http=http, health=Health(kind="tcp" if http else "none"))


def _problem(match: re.Match[str] | None, lines: dict[str, int]) -> str:
    if match is None:
        return "a line is 'name: command'"
    name = match["name"]
    if "\0" in match["command"]:
        return "the command holds a NUL character"
    if name in lines:
        return f"{name!r} is here a second time; it is already on line {lines[name]}"
    if not is_label(name):
        nearest = to_label(name)
        hint = f"; use {nearest!r}" if nearest else ""
        return f"the name {name[:80]!r} must be 1 to 63 of a-z, 0-9 and '-', with no '-' at either end{hint}"
    return ""
