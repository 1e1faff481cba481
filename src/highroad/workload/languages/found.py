"""What a language module hands to `detect`, and the errors that its files can cause."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from highroad.errors import FieldError, Invalid
from highroad.workload.model import Build, Health, Process, Reason, Test
from highroad.workload.source import Source


class BadProjectFile(Invalid):
    code = "bad-project-file"
    title = "A file that describes the project cannot be read"


@dataclass(frozen=True, slots=True)
class Found:
    """A language that was recognised. `tools` must be on the machine to build it. Without processes, `lacking` says why
    no start command could be derived and `advice` what to do; it counts only if nothing else names one. `untested` says
    why tests that are there are not run, `warnings` what else was hardly meant."""

    build: Build
    processes: tuple[Process, ...] = ()
    test: Test | None = None
    reasons: tuple[Reason, ...] = ()
    tools: tuple[str, ...] = ()
    lacking: str = ""
    advice: str = ""
    untested: str = ""
    warnings: tuple[str, ...] = ()


def web(command: str) -> tuple[Process, ...]:
    return (Process(name="web", command=command, http=True, health=Health(kind="tcp")),)


def worker(command: str) -> tuple[Process, ...]:
    return (Process(name="worker", command=command, health=Health(kind="none")),)


def read_toml(source: Source, path: str) -> Mapping[str, Any]:
    """The tables of a TOML file, empty when there is no file. Raises `BadProjectFile` naming the line."""
    try:
        return tomllib.loads(source.read(path) or "")
    except tomllib.TOMLDecodeError as error:
        raise bad_project_file(path, "TOML", str(error)) from error
    except RecursionError as error:
        raise bad_project_file(path, "TOML", "it is nested too deeply") from error


def read_json(source: Source, path: str) -> Mapping[str, Any]:
    """The object in a JSON file, empty when there is no file. Raises `BadProjectFile` naming the line."""
    text = source.read(path)
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        detail = f"{error.msg} in line {error.lineno}, column {error.colno}"
        raise bad_project_file(path, "JSON", detail) from error
    except (RecursionError, ValueError) as error:
        raise bad_project_file(path, "JSON", str(error)) from error
    if not isinstance(value, dict):
        raise bad_project_file(path, "JSON object", "its outermost value is another")
    return value


def bad_project_file(path: str, kind: str, detail: str) -> BadProjectFile:
    return BadProjectFile(
        f"{path} is not a valid {kind}: {detail}.",
        next_step=f"Mend {path} and push again.",
        errors=[FieldError(path, detail)],
    )


def table(value: object) -> Mapping[str, Any]:
    """`value` when it is a mapping, else an empty one: manifests are other people's files, read with tolerance."""
    return value if isinstance(value, dict) else {}


def texts(value: object) -> tuple[str, ...]:
    """The strings in a list."""
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
