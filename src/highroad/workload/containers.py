"""Turns the containers of a Score file into processes. `score` calls it with a file that fits the schema."""

from __future__ import annotations

import base64
import binascii
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from highroad.errors import FieldError
from highroad.workload.document import Document, Keys
from highroad.workload.model import File, Health, Limits, Process, Volume
from highroad.workload.quantities import cpu_cores, memory_bytes
from highroad.workload.source import Source

FROM_SOURCE = "."


@dataclass(frozen=True, slots=True)
class ScorePort:
    name: str
    port: int
    target: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Container:
    name: str
    spec: Mapping[str, Any]

    @property
    def image(self) -> str:
        return str(self.spec["image"])

    def probed_ports(self) -> set[int]:
        probes = (self.spec.get(kind, {}).get("httpGet") for kind in ("readinessProbe", "livenessProbe"))
        return {probe["port"] for probe in probes if probe}


def port_owner(containers: Sequence[Container], ports: Sequence[ScorePort]) -> tuple[Container | None, int | None, str]:
    """Which container gets the routes, the port it listens on in a container, and why.

    Score does not say which container listens. In this order: the one whose probe asks the port, the one called `web`,
    the only one that is built from the source, the first.
    """
    tcp = [port for port in ports if port.protocol == "TCP"]
    if not tcp:
        return None, None, "no TCP port in service.ports"
    # The conventional names of the port for people go before the order in the file.
    port = next((each for each in tcp if each.name in ("http", "web", "www", "https")), tcp[0])
    because = f"service.ports.{port.name} is {port.target} in a container"
    probing = [each for each in containers if {port.target, port.port} & each.probed_ports()]
    if probing:
        return probing[0], port.target, f"{because}, and its probe asks that port"
    named = [each for each in containers if each.name == "web"]
    built = [each for each in containers if each.image == FROM_SOURCE]
    chosen = named[0] if named else built[0] if len(built) == 1 else containers[0]
    return chosen, port.target, because


def process_of(
    container: Container, port: int | None, source: Source, document: Document, errors: list[FieldError]
) -> tuple[Process, list[str]]:
    """The process and notes for people; what is wrong is added to `errors`. `port` is None when it does not listen."""
    spec, base = container.spec, ("containers", container.name)
    notes: list[str] = []
    argv = [*spec.get("command", ()), *spec.get("args", ())]
    if argv and not spec.get("command") and container.image == FROM_SOURCE:
        errors.append(
            document.error(
                (*base, "args"), "needs a command in front: what is built from the source has no entry point"
            )
        )
    if any("$PORT" in each for each in argv) and "-c" not in argv:
        notes.append(
            f"{container.name}: $PORT stays as it is, since no shell reads this command; use command: [sh, -c, ...]"
        )
    health, health_notes = _health(spec, listens=port is not None)
    amounts = spec.get("resources", {})
    process = Process(
        name=container.name,
        command=shlex.join(argv),
        http=port is not None,
        health=health,
        limits=_limits(amounts.get("limits", {})),
        requests=_limits(amounts.get("requests", {})),
        variables=spec.get("variables", {}),
        image=None if container.image == FROM_SOURCE else container.image,
        port=port,
        files=tuple(_files(spec.get("files", {}), (*base, "files"), source, document, errors)),
        volumes=tuple(_volume(target, each) for target, _, each in _by_target(spec.get("volumes", {}))),
        before={name: each["ready"] for name, each in spec.get("before", {}).items()},
    )
    return process, notes + [f"{container.name}: {note}" for note in health_notes]


def _health(spec: Mapping[str, Any], *, listens: bool) -> tuple[Health, list[str]]:
    ready, live = spec.get("readinessProbe"), spec.get("livenessProbe")
    probe: Mapping[str, Any] = ready or live or {}
    notes = (
        ["the liveness probe is not asked again after the start; a crash restarts the instance"]
        if ready and live
        else []
    )
    if "exec" in probe:
        return Health(kind="command", command=shlex.join(probe["exec"]["command"])), notes
    if "httpGet" not in probe or not listens:
        return Health(kind="tcp" if listens else "none"), notes
    asked = probe["httpGet"]
    if asked.get("scheme") == "HTTPS":
        return Health(kind="tcp"), [*notes, "checked by connecting only, since the probe asks for HTTPS"]
    headers = {each["name"]: each["value"] for each in asked.get("httpHeaders", ())}
    if "host" in asked:
        headers["Host"] = asked["host"]
    return Health(kind="http", path=asked["path"], headers=headers), notes


def _limits(amounts: Mapping[str, str]) -> Limits:
    return Limits(
        memory=memory_bytes(amounts["memory"]) if "memory" in amounts else None,
        cpu=cpu_cores(amounts["cpu"]) if "cpu" in amounts else None,
    )


def _by_target(items: Any) -> list[tuple[str, str | int, Mapping[str, Any]]]:
    """(target, key in the file, entry) of the mapping and of the deprecated list."""
    if isinstance(items, dict):
        return [(target, target, each) for target, each in items.items()]
    return [(each["target"], index, each) for index, each in enumerate(items)]


def _volume(target: str, spec: Mapping[str, Any]) -> Volume:
    return Volume(
        target=target, source=spec["source"], path=spec.get("path", ""), read_only=spec.get("readOnly", False)
    )


def _files(items: Any, base: Keys, source: Source, document: Document, errors: list[FieldError]) -> list[File]:
    files: list[File] = []
    for target, key, spec in _by_target(items):
        path: Keys = (*base, key)
        if not PurePosixPath(target).is_absolute() or ".." in PurePosixPath(target).parts or "\0" in target:
            errors.append(document.error(path, f"the target {target[:80]!r} must be an absolute path without '..'"))
        elif target in {file.target for file in files}:
            errors.append(document.error(path, f"the target {target[:80]!r} is here a second time"))
        elif (content := _content(spec, path, source, document, errors)) is not None:
            text, binary = content
            files.append(File(target, text, mode=spec.get("mode", "0644").rjust(4, "0"), binary=binary))
    return files


def _content(
    spec: Mapping[str, Any], path: Keys, source: Source, document: Document, errors: list[FieldError]
) -> tuple[str, bool] | None:
    """The content and whether it is base64. Text that must not be expanded becomes base64, which nothing expands."""
    if "binaryContent" in spec:
        written = "".join(spec["binaryContent"].split())
        try:
            base64.b64decode(written, validate=True)
        except binascii.Error as error:
            errors.append(document.error((*path, "binaryContent"), f"is not base64: {error}"))
            return None
        return written, True
    if "content" in spec:
        content = spec["content"].encode()
    else:
        found = _source_file(spec["source"], source)
        if found is None:
            errors.append(document.error((*path, "source"), f"there is no file {spec['source'][:80]!r} in the source"))
            return None
        content = found
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return base64.b64encode(content).decode(), True
    return (base64.b64encode(content).decode(), True) if spec.get("noExpand") else (text, False)


def _source_file(path: str, source: Source) -> bytes | None:
    return source.read_bytes(path.removeprefix("./"))
