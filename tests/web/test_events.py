"""The event log over HTTP: read by cursor, filtered, followed live."""

from __future__ import annotations

import pytest

from tests.web.following import Seen, follow
from tests.world import Api


@pytest.fixture
def shop(api: Api) -> Api:
    for name in ("one", "two", "three"):
        api.member.post("/projects", json={"name": name})
    return api


def headers(api: Api, **more: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {api.people.member_token}",
        "Accept": "text/event-stream",
        **{key.replace("_", "-"): value for key, value in more.items()},
    }


def names(events: list[Seen]) -> list[str]:
    return [event.data["data"]["subject"]["content"].get("name", "") for event in events]


def test_the_newest_events_come_oldest_first(shop: Api) -> None:
    found = shop.member.get("/events", params={"page_size": 2}).json()["items"]
    assert [each["data"]["subject"]["content"]["name"] for each in found] == ["two", "three"]


def test_the_log_is_read_page_by_page_to_its_end_without_a_gap(shop: Api) -> None:
    cursor, seen = "0", []
    while True:
        page = shop.member.get("/events", params={"after": cursor, "page_size": 2}).json()
        if not page["items"]:
            break
        seen += [each["cursor"] for each in page["items"]]
        cursor = page["cursor"]
    assert seen == [each["cursor"] for each in shop.member.get("/events").json()["items"]]
    assert shop.member.get("/events", params={"after": cursor}).json()["cursor"] == cursor


def test_events_are_filtered_by_project_and_by_the_beginning_of_their_type(shop: Api) -> None:
    shop.member.post("/projects/two/services", json={"name": "web"})
    found = shop.member.get("/events", params={"project": "two", "type": "dev.cdevents.repository."}).json()["items"]
    assert [each["type"] for each in found] == ["dev.cdevents.repository.created.0.3.0"]
    assert shop.member.get("/events", params={"type": "dev.cdevents_"}).json()["items"] == []


@pytest.mark.parametrize("after", ["x", "-1", "9" * 19, "1.5", "²"])
def test_a_cursor_that_is_not_ours_is_refused(shop: Api, after: str) -> None:
    answer = shop.member.get("/events", params={"after": after})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-event-cursor")
    asked = {"Last-Event-ID": after.encode()}
    in_stream = shop.member.get("/events", headers={"Accept": "text/event-stream", **asked})  # type: ignore[arg-type]
    assert in_stream.status_code == 400


def test_new_events_come_as_they_happen(shop: Api) -> None:
    status, seen = follow(
        shop.app,
        "/api/v1/events",
        headers=headers(shop),
        query="type=dev.cdeventsx.highroad-project",
        enough=lambda events: len(events) == 4,
        meanwhile=lambda: shop.admin.post("/projects", json={"name": "four"}),
    )
    assert (status, names(seen)) == (200, ["one", "two", "three", "four"])


def test_a_follower_goes_on_where_it_was_cut_off(shop: Api) -> None:
    first = shop.member.get("/events", params={"type": "dev.cdeventsx.highroad-project"}).json()["items"][0]
    _, seen = follow(
        shop.app,
        "/api/v1/events",
        headers=headers(shop, Last_Event_ID=first["cursor"]),
        enough=lambda events: len(events) == 2,
    )
    assert names(seen) == ["two", "three"]


def test_following_takes_the_permission_to_read_events(shop: Api) -> None:
    assert shop.nobody.get("/events", headers={"Accept": "text/event-stream"}).status_code == 401
    assert shop.caller_with("git").get("/events", headers={"Accept": "text/event-stream"}).status_code == 403
