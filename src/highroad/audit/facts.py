"""What a recorded event says, taken out of its CDEvent. Read by search, pages and every export format. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from highroad.events.model import Recorded


def content_of(recorded: Recorded) -> Mapping[str, Any]:
    subject = recorded.data.get("subject")
    content = subject.get("content") if isinstance(subject, Mapping) else None
    return content if isinstance(content, Mapping) else {}


def custom_of(recorded: Recorded) -> Mapping[str, Any]:
    custom = recorded.data.get("customData")
    return custom if isinstance(custom, Mapping) else {}


def diff_of(recorded: Recorded) -> dict[str, tuple[object, object]]:
    """Before and after by field; no secret stood in either when it was written."""
    custom = custom_of(recorded)
    before, after = custom.get("before"), custom.get("after")
    old: Mapping[str, object] = before if isinstance(before, Mapping) else {}
    new: Mapping[str, object] = after if isinstance(after, Mapping) else {}
    return {name: (old.get(name), new.get(name)) for name in sorted({*old, *new})}


def place_of(recorded: Recorded) -> str:
    """`shop/web/production`: where it happened, as far as it has a place."""
    return "/".join(each for each in (recorded.project, recorded.service, recorded.environment) if each)
