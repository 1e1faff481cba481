"""Reads `highroad.yaml`, which says what detection cannot know and Score does not hold. `detect` calls it.

The format is published as `highroad.schema.json`. Everything is optional; None here means "not said", so that
`overlay` can tell it from a value. Only what a schema cannot express (a schedule, two checks at once) is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from highroad.errors import FieldError, Invalid
from highroad.workload.document import Document, Keys, parse
from highroad.workload.model import Health, Language, Limits
from highroad.workload.quantities import memory_bytes
from highroad.workload.schedule import flaw
from highroad.workload.schema import check, load
from highroad.workload.source import Source

FILES = ("highroad.yaml", "highroad.yml")


class BadConfig(Invalid):
    code = "bad-config"
    title = "highroad.yaml is not valid"


@dataclass(frozen=True, slots=True)
class TestConfig:
    """`command` None keeps the detected one."""

    __test__ = False  # pytest collects names that begin with Test

    command: str | None = None
    junit: str | None = None
    required: bool | None = None


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    command: str | None = None
    http: bool | None = None
    schedule: str | None = None
    count: int | None = None
    health: Health | None = None
    limits: Limits = field(default_factory=Limits)
    variables: Mapping[str, str] = field(default_factory=dict)
    drain: float | None = None
    stop_grace: float | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """`test` and `release` are False when there shall be none. `lines` gives the line of each top-level field and, as
    `processes.NAME`, of each process."""

    file: str = FILES[0]
    language: Language | None = None
    version: str | None = None
    commands: tuple[str, ...] | None = None
    publish: str | None = None
    test: TestConfig | bool | None = None
    release: str | bool | None = None
    health: Health | None = None
    processes: Mapping[str, ProcessConfig] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    lines: Mapping[str, int] = field(default_factory=dict)

    def where(self, name: str) -> str:
        """`highroad.yaml:7`, for reasons."""
        return f"{self.file}:{self.lines[name]}" if name in self.lines else self.file


def read(source: Source) -> Config | None:
    """The configuration of `source`, or None when it has none. Raises `BadConfig`, `BadYaml` and `Source`'s errors."""
    file = source.first(*FILES)
    text = source.read(file) if file else None
    return parse_config(file, text) if file and text is not None else None


def parse_config(file: str, text: str) -> Config:
    """Raises `BadConfig` with every flaw and its line, `BadYaml`."""
    document = parse(file, text)
    if document.value is None:  # an empty file says nothing, which is allowed: everything in it is optional
        return Config(file)
    errors = check(document, load("highroad.schema.json"))
    spec = cast(Mapping[str, Any], document.value if isinstance(document.value, dict) else {})
    if not errors:
        errors = _beyond_schema(document, spec)
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise BadConfig(
            f"{errors[0].pointer}: {errors[0].detail}{more}",
            next_step=f"Mend {errors[0].pointer.rsplit(':', 1)[0]} and push again.",
            errors=errors,
        )
    return _config(document, spec)


def _config(document: Document, spec: Mapping[str, Any]) -> Config:
    build = spec.get("build", {})
    processes = spec.get("processes", {})
    lines = {name: document.place((name,))[0] for name in spec}
    lines |= {f"processes.{name}": document.place(("processes", name))[0] for name in processes}
    lines |= {f"build.{name}": document.place(("build", name))[0] for name in build}
    return Config(
        file=document.file,
        language=build.get("language"),
        version=build.get("version"),
        commands=tuple(build["commands"]) if "commands" in build else None,
        publish=build.get("publish"),
        test=_test(spec.get("test")),
        release=spec.get("release"),
        health=_health(spec.get("health")),
        processes={name: _process(each) for name, each in processes.items()},
        variables=spec.get("variables", {}),
        paths=tuple(spec.get("paths", ())),
        limits=_limits(spec.get("limits", {})),
        lines=lines,
    )


def _test(spec: Any) -> TestConfig | bool | None:
    if isinstance(spec, dict):
        return TestConfig(**spec)
    return TestConfig(command=spec) if isinstance(spec, str) else spec


def _process(spec: Any) -> ProcessConfig:
    if isinstance(spec, str):
        return ProcessConfig(command=spec)
    read_fields = {"health": _health(spec.get("health")), "limits": _limits(spec.get("limits", {}))}
    return ProcessConfig(**{**spec, **read_fields})


def _health(spec: Any) -> Health | None:
    if spec is None:
        return None
    if spec is False or spec == "none":
        return Health(kind="none")
    if isinstance(spec, str):
        return Health(kind="http", path=spec)
    times: dict[str, Any] = {name: float(spec[name]) for name in ("grace", "interval", "timeout") if name in spec}
    if "http" in spec:
        return Health(kind="http", path=spec["http"], headers=spec.get("headers", {}), **times)
    if "command" in spec:
        return Health(kind="command", command=spec["command"], **times)
    return Health(kind="tcp", **times)


def _limits(spec: Mapping[str, Any]) -> Limits:
    amounts = {name: memory_bytes(spec[name]) for name in ("memory", "disk") if name in spec}
    return Limits(cpu=float(spec["cpu"]) if "cpu" in spec else None, processes=spec.get("processes"), **amounts)


def _beyond_schema(document: Document, spec: Mapping[str, Any]) -> list[FieldError]:
    errors = _two_checks(document, ("health",), spec.get("health"))
    if isinstance(spec.get("test"), dict) and not spec["test"]:
        errors.append(document.error(("test",), "says nothing; write a command, details, or false"))
    for name, process in spec.get("processes", {}).items():
        path: Keys = ("processes", name)
        if name == "release":
            errors.append(
                document.error(path, "'release' is no process; write the field 'release' at the top of the file")
            )
        if not isinstance(process, dict):
            continue
        errors += _two_checks(document, (*path, "health"), process.get("health"))
        if "schedule" in process:
            if problem := flaw(process["schedule"]):
                errors.append(document.error((*path, "schedule"), problem))
            if process.get("http"):
                errors.append(
                    document.error((*path, "http"), "a process with a schedule ends after its work and cannot listen")
                )
    return errors


def _two_checks(document: Document, path: Keys, health: Any) -> list[FieldError]:
    kinds = [kind for kind in ("http", "tcp", "command") if isinstance(health, dict) and kind in health]
    return [document.error(path, f"checks in one way only, not by {' and '.join(kinds)}")] if len(kinds) > 1 else []
