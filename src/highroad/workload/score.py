"""Reads `score.yaml` (Score specification v1b1, whole) into a workload. `detect` calls it.

What a container does not say (the command of an image built from the source) is left empty for detection to fill in.
`${metadata...}` is resolved here, `${resources...}` is checked here and resolved at deployment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from highroad.errors import FieldError, Invalid
from highroad.workload.containers import FROM_SOURCE, Container, ScorePort, port_owner, process_of
from highroad.workload.document import Document, Keys, parse
from highroad.workload.model import Reason, ResourceRequest, Workload
from highroad.workload.placeholders import references, substitute_root
from highroad.workload.schema import check, did_you_mean, load
from highroad.workload.source import Source

FILES = ("score.yaml", "score.yml")
EXPANSION_LIMIT = 1024 * 1024


class BadScore(Invalid):
    code = "bad-score"
    title = "The Score file is not valid"

    @classmethod
    def of(cls, errors: list[FieldError]) -> BadScore:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        line = errors[0].pointer.rsplit(":", 1)[0]
        return cls(
            f"{errors[0].pointer}: {errors[0].detail}{more}",
            next_step=f"Mend {line} and push again; the schema is Score v1b1.",
            errors=errors,
        )


def read(source: Source, file: str) -> Workload:
    """The workload of the Score file `file` in `source`. Raises `BadScore`, `BadYaml` and the errors of `Source`."""
    document = parse(file, source.read(file) or "")
    if document.value is None:
        raise BadScore.of(
            [FieldError(f"{file}:1:1", "the file is empty; it needs apiVersion, metadata and containers")]
        )
    if errors := check(document, load("score-v1b1.json")):
        raise BadScore.of(errors)
    spec: Mapping[str, Any] = document.value  # type: ignore[assignment]  # the schema says it is a mapping
    errors = _wrong_references(document, spec) + _wrong_order(document, spec)
    if errors:
        raise BadScore.of(sorted(errors, key=lambda error: _line(error.pointer)))
    return _workload(document, _resolved(document, spec), source)


def _workload(document: Document, spec: Mapping[str, Any], source: Source) -> Workload:
    file = document.file
    ports = tuple(
        ScorePort(name, each["port"], each.get("targetPort", each["port"]), each.get("protocol", "TCP"))
        for name, each in spec.get("service", {}).get("ports", {}).items()
    )
    containers = [Container(name, each) for name, each in spec["containers"].items()]
    owner, port, why = port_owner(containers, ports)
    errors: list[FieldError] = []
    reasons = [Reason(f"Score workload {spec['metadata']['name']!r}", file)]
    processes = []
    for container in containers:
        listens = port if container is owner else None
        process, notes = process_of(container, listens, source, document, errors)
        processes.append(process)
        reasons += [Reason(note, f"{file}:{document.place(('containers', container.name))[0]}") for note in notes]
    if errors:
        raise BadScore.of(errors)
    if owner is not None:
        reasons.append(Reason(f"{owner.name} listens on $PORT", f"{file}: {why}"))
    foreign = [container.image for container in containers if container.image != FROM_SOURCE]
    return Workload(
        processes=tuple(processes),
        resources=tuple(_resource(name, each) for name, each in spec.get("resources", {}).items()),
        image=foreign[0] if foreign else None,
        reasons=tuple(reasons),
        name=spec["metadata"]["name"],
        annotations=spec["metadata"].get("annotations", {}),
    )


def _resource(name: str, spec: Mapping[str, Any]) -> ResourceRequest:
    return ResourceRequest(
        name=name, type=spec["type"], cls=spec.get("class", "default"), id=spec.get("id"), params=spec.get("params", {})
    )


def _expandable(spec: Mapping[str, Any]) -> list[tuple[Keys, str]]:
    """Every text in which Score expands placeholders, with its path."""
    texts: list[tuple[Keys, str]] = []
    for name, container in spec["containers"].items():
        base: Keys = ("containers", name)
        texts += [((*base, "variables", key), value) for key, value in container.get("variables", {}).items()]
        for kind, fields in (("files", ("source", "content")), ("volumes", ("source",))):
            for key, each in _entries(container.get(kind, {})):
                expands = [
                    field for field in fields if field in each and not (field == "content" and each.get("noExpand"))
                ]
                texts += [((*base, kind, key, field), each[field]) for field in expands]
    for name, resource in spec.get("resources", {}).items():
        _collect(("resources", name, "params"), resource.get("params", {}), texts)
    return texts


def _entries(items: Any) -> list[tuple[str | int, Any]]:
    return list(items.items()) if isinstance(items, dict) else list(enumerate(items))


def _collect(path: Keys, value: object, texts: list[tuple[Keys, str]]) -> None:
    if isinstance(value, str):
        texts.append((path, value))
    elif isinstance(value, (dict, list)):
        for key, item in _entries(value):
            _collect((*path, key), item, texts)


def _wrong_references(document: Document, spec: Mapping[str, Any]) -> list[FieldError]:
    errors = []
    for path, text in _expandable(spec):
        for keys in references(text):
            if problem := _reference_flaw(keys, spec):
                shown = "${" + ".".join(keys)[:80] + "}"
                errors.append(document.error(path, f"the placeholder {shown} {problem}"))
    return errors


def _reference_flaw(keys: tuple[str, ...], spec: Mapping[str, Any]) -> str | None:
    root, rest = keys[0], keys[1:]
    if root not in ("metadata", "resources"):
        near = did_you_mean(root, ["metadata", "resources"])
        return f"refers to neither metadata nor resources{near or '; write $$ for a plain dollar sign'}"
    if not rest or not rest[0]:
        return f"needs a name behind '{root}.'"
    if root == "resources":
        known = list(spec.get("resources", {}))
        return None if rest[0] in known else f"refers to an unknown resource {rest[0]!r}{did_you_mean(rest[0], known)}"
    value: object = spec["metadata"]
    for key in rest:
        if not isinstance(value, dict) or key not in value:
            known = list(value) if isinstance(value, dict) else []
            return f"refers to an unknown key {key!r} of metadata{did_you_mean(key, known)}"
        value = value[key]
    return None


def _wrong_order(document: Document, spec: Mapping[str, Any]) -> list[FieldError]:
    """Containers that wait for one that does not exist, or in the end for themselves."""
    waiting = {name: tuple(each.get("before", {})) for name, each in spec["containers"].items()}
    errors = [
        document.error(
            ("containers", name, "before", other),
            f"there is no container {other!r}{did_you_mean(other, list(waiting))}",
        )
        for name, others in waiting.items()
        for other in others
        if other not in waiting
    ]
    for name in waiting:
        reached: set[str] = set()
        front = set(waiting[name])
        while front:
            reached |= front
            front = {further for each in front for further in waiting.get(each, ())} - reached
        if name in reached:
            errors.append(document.error(("containers", name, "before"), "waits for itself in a circle"))
    return errors


def _resolved(document: Document, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy of the file with `${metadata...}` replaced. A long value named often could make a text of gigabytes, hence
    the limit on what is put in."""
    resolved: dict[str, Any] = json.loads(json.dumps(spec))
    room = EXPANSION_LIMIT
    for path, text in _expandable(spec):

        def look_up(keys: tuple[str, ...], path: Keys = path) -> str:
            nonlocal room
            value = _metadata_text(keys, spec["metadata"])
            room -= len(value)
            if room < 0:
                raise BadScore.of([document.error(path, "its placeholders expand to more than 1 MiB")])
            return value

        parent: Any = resolved
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = substitute_root(text, "metadata", look_up)
    return resolved


def _metadata_text(keys: tuple[str, ...], metadata: Mapping[str, Any]) -> str:
    value: Any = metadata
    for key in keys[1:]:
        value = value[key]
    return value if isinstance(value, str) else json.dumps(value)


def _line(pointer: str) -> tuple[int, int]:
    _, line, column = pointer.rsplit(":", 2)
    return int(line), int(column)
