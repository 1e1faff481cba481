"""The log of an app on its page."""

from __future__ import annotations

import pytest

from highroad.deployments.follow import Followed
from highroad.deployments.pages.logs import MOST_LINES, shown_log
from highroad.errors import Temporary
from highroad.pipelines.journal import Line
from tests.portal.site import Browser, Site

LOGS = "/projects/shop/services/web/environments/production/logs"


def _speak(site: Site) -> None:
    for id, spec in site.driver.specs.items():
        site.driver.say(id, f"hello from {spec.label}")


def test_the_log_is_there_and_goes_on_from_its_cursor(site: Site, ada: Browser) -> None:
    site.live()
    _speak(site)
    page = ada.get(LOGS)
    assert "hello from web.1" in page.text
    assert "hello from worker.1" in page.text
    assert f'data-stream="/api/v1{LOGS}?cursor=1%3A2&amp;tail=0"' in page.html


def test_the_log_is_filtered_by_process(site: Site, ada: Browser) -> None:
    site.live()
    _speak(site)
    page = ada.get(f"{LOGS}?process=worker")
    assert "hello from worker.1" in page.text
    assert "hello from web.1" not in page.text
    assert "process=worker" in page.html


def test_a_target_that_does_not_answer_is_said_on_the_page(
    site: Site, ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.live()

    def away(*_: object, **__: object) -> None:
        raise Temporary("The supervisor does not answer.")

    monkeypatch.setattr(site.driver, "read_logs", away)  # the twin scripts no failure of reading
    page = ada.get(LOGS)
    assert page.status == 200
    assert "The supervisor does not answer." in page.text


def test_a_long_log_is_shown_from_its_end() -> None:
    lines = tuple(Line("2026-11-22T12:00:00.000000Z", "build", str(number)) for number in range(MOST_LINES + 5))
    log = shown_log(Followed(lines, "cursor", None, (), True))
    assert (log.left_out, log.lines[0].text, log.lines[-1].text) == (5, "5", str(MOST_LINES + 4))
