"""Events as sentences."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from highroad.cli.happening import moment, sentence


def event(type: str, custom: dict[str, Any], content: dict[str, Any] | None = None) -> dict[str, Any]:
    place = {"project": "shop", "service": "web"}
    return {"type": type, "data": {"subject": {"content": content or {}}, "customData": {**place, **custom}}}


FINISHED = "dev.cdeventsx.highroad-deployment.finished.0.1.0"
RUN = "dev.cdevents.pipelinerun.finished.0.3.0"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            event(FINISHED, {"environment": "production", "number": 27, "state": "failed", "reason": "web.1 ended."}),
            "shop/web/production  deployment 27 failed: web.1 ended.",
        ),
        (event(RUN, {"number": 7}, {"outcome": "success"}), "shop/web  run 7 succeeded"),
        (event(RUN, {"number": 8}, {"outcome": "failure", "errors": "No."}), "shop/web  run 8 failed: No."),
        (event("dev.cdevents.change.merged.0.3.0", {"commit": "abcdef123"}), "shop/web  commit abcdef1 pushed"),
        ({"type": "dev.other.thing.made.1", "subject": "x"}, "x  dev other"),
        ({"type": "t", "subject": "a\x1b[31m"}, "a  t"),
    ],
)
def test_an_event_says_where_what_and_how_it_ended(given: dict[str, Any], said: str) -> None:
    assert sentence(given) == said


def test_the_date_stands_only_where_it_is_not_today() -> None:
    then = datetime(2026, 11, 22, 12, 0).astimezone()
    assert moment(then.isoformat(), today=then) == "12:00:00"
    assert moment(then.isoformat(), today=datetime(2026, 11, 23).astimezone()) == "2026-11-22 12:00:00"
    assert moment("t") == "t"
