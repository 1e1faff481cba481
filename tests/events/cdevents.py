"""What CDEvents 0.5.1 and CloudEvents 1.0.2 demand of an event, as checks. The shapes are those of the JSON schemas in
https://github.com/cdevents/spec at the tag v0.5.1 (no key beyond those named is allowed in a content).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

VERSION = "0.5.1"
STANDARD = re.compile(r"dev\.cdevents\.([a-z]+\.[a-z]+)\.(\d+\.\d+\.\d+)")
CUSTOM = re.compile(r"dev\.cdeventsx\.[a-zA-Z0-9]+-[a-zA-Z]+\.[a-zA-Z]+\.[0-9]\.[0-9]\.[0-9]")

_CHANGE = (frozenset[str](), frozenset({"repository"}))
_REPOSITORY = frozenset({"name", "owner", "uri", "viewUrl"})
_SERVED = (frozenset({"environment", "artifactId"}), frozenset[str]())
_RUN = (frozenset[str](), frozenset({"pipelineName", "uri"}))
CONTENTS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    # type: (required, optional)
    "branch.created": _CHANGE,
    "branch.deleted": _CHANGE,
    "build.finished": (frozenset(), frozenset({"artifactId"})),
    "build.started": (frozenset(), frozenset()),
    "change.merged": _CHANGE,
    "environment.created": (frozenset(), frozenset({"name", "uri"})),
    "environment.deleted": (frozenset(), frozenset({"name"})),
    "environment.modified": (frozenset(), frozenset({"name", "uri"})),
    "pipelinerun.finished": (frozenset(), frozenset({"pipelineName", "uri", "outcome", "errors"})),
    "pipelinerun.queued": _RUN,
    "pipelinerun.started": _RUN,
    "repository.created": (frozenset({"name", "uri"}), _REPOSITORY),
    "repository.deleted": (frozenset(), _REPOSITORY),
    "repository.modified": (frozenset(), _REPOSITORY),
    "service.deployed": _SERVED,
    "service.removed": (frozenset(), frozenset({"environment"})),
    "service.rolledback": _SERVED,
    "service.upgraded": _SERVED,
    "testsuiterun.finished": (
        frozenset({"outcome", "environment"}),
        frozenset({"testSuite", "severity", "reason"}),
    ),
}
OUTCOMES = {"success", "failure", "cancel", "error"}
PURL = re.compile(r"pkg:[a-z]+/[^@?#]+@[^@?#]+(\?[a-z_]+=[^&]+(&[a-z_]+=[^&]+)*)?")


def require_cdevent(event: Mapping[str, Any]) -> None:
    """Raise `AssertionError` for what is not a CDEvent."""
    assert set(event) <= {"context", "subject", "customData", "customDataContentType"}
    context, subject = event["context"], event["subject"]
    assert {"specversion", "id", "source", "type", "timestamp"} <= set(context)
    assert set(context) <= {"specversion", "id", "source", "type", "timestamp", "chainId", "links", "schemaUri"}
    assert all(context.values()), "no empty text"
    assert context["specversion"] == VERSION
    assert datetime.fromisoformat(context["timestamp"]).utcoffset() is not None
    assert set(subject) <= {"id", "source", "content"}
    assert subject["id"]
    assert subject.get("source", "x")
    assert isinstance(subject["content"], dict)
    standard = STANDARD.fullmatch(context["type"])
    if standard is None:
        assert CUSTOM.fullmatch(context["type"]), context["type"]
    else:
        _require_content(standard[1], subject["content"])


def _require_content(type: str, content: Mapping[str, Any]) -> None:
    required, optional = CONTENTS[type]
    assert required <= set(content) <= required | optional, f"{type}: {sorted(content)}"
    for key, value in content.items():
        if key in ("environment", "repository", "testSuite"):
            assert value["id"], f"{type}: {key}"
            assert set(value) <= {"id", "source", "name", "version", "uri"}
        elif key in ("uri", "viewUrl"):
            assert urlsplit(value).scheme, f"{type}: {key} is {value!r}"
        elif key == "outcome":
            assert value in OUTCOMES
        elif key == "artifactId":
            assert PURL.fullmatch(value), value
        else:
            assert isinstance(value, str), f"{type}: {key}"
            assert value, f"{type}: {key}"


def require_cloudevent(envelope: Mapping[str, Any]) -> None:
    """Raise `AssertionError` for what is not a CloudEvent in JSON that carries a CDEvent."""
    data = envelope["data"]
    require_cdevent(data)
    assert envelope["specversion"] == "1.0"
    assert envelope["datacontenttype"] == "application/json"
    for key, copied in (("id", "id"), ("source", "source"), ("type", "type"), ("time", "timestamp")):
        assert envelope[key] == data["context"][copied], key
    assert envelope["subject"] == data["subject"]["id"]
    assert all(re.fullmatch(r"[a-z0-9]+", key) for key in envelope), "attribute names are lower-case letters and digits"
