"""An event as the log keeps it, for tests of what is made of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from highroad.events.model import EventType, Recorded
from highroad.kit.clock import parse_rfc3339

RECORDED = Recorded(
    seq=7,
    id="evt_1",
    type="",
    subject="usr_1",
    time=parse_rfc3339("2026-11-22T10:00:00.250000Z"),
    actor="ada@example.com",
    origin="cli",
    project="shop",
    service="web",
    environment="production",
    data={"subject": {"content": {"name": "web", "email": "ben@example.com"}}, "customData": {}},
    actor_id="usr_2",
    actor_kind="user",
    token="tok_1",
    address="203.0.113.7",
    request="req_1",
    action="deployment:write",
    decision="allowed",
    policy="role:deployer",
)


def of_type(type: EventType, **values: Any) -> Recorded:
    return replace(RECORDED, type=type.name, **values)


def saying(content: dict[str, object], **custom: object) -> dict[str, object]:
    return {"subject": {"content": content}, "customData": custom}
