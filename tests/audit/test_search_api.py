"""The audit log over HTTP: search, one event, exports; and that looking is recorded."""

from __future__ import annotations

import csv
import io
import json

import pytest

from highroad.audit import export
from highroad.audit.search import Query, search
from highroad.kit.paging import PageRequest
from highroad.transparency.notes import public_key
from highroad.transparency.verify import verify
from tests.world import Api


@pytest.fixture
def shop(api: Api) -> Api:
    api.admin.post("/projects", json={"name": "shop"})
    api.admin.post("/projects/shop/environments", json={"name": "production", "mode": "production"})
    return api


def test_a_row_says_who_what_from_where_by_which_right(shop: Api) -> None:
    found = shop.admin.get("/audit/events", params={"type": "project.created"}).json()["items"]
    assert len(found) == 1
    assert (found[0]["actor"], found[0]["what"], found[0]["project"]) == ("ada@example.com", "project.created", "shop")
    assert found[0]["actor_kind"] == "user"
    assert found[0]["request"]
    assert found[0]["action"]
    assert found[0]["decision"] == "allowed"


def test_one_event_has_all_it_says(shop: Api) -> None:
    row = shop.admin.get("/audit/events", params={"type": "environment.created"}).json()["items"][0]
    found = shop.admin.get(f"/audit/events/{row['id']}").json()
    assert {**found, "event": None, "changes": None} == {**row, "event": None, "changes": None}
    assert found["event"]["data"]["subject"]["content"]["name"] == "production"
    answer = shop.admin.get("/audit/events/evt_none")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-event")


def test_the_log_is_for_those_who_may_read_it(shop: Api) -> None:
    for path in ("/audit/events", "/audit/events/evt_1", "/audit/export"):
        assert shop.member.get(path).status_code == 403
        assert shop.nobody.get(path).status_code == 401


def test_a_search_is_recorded_once_and_an_export_every_time(shop: Api) -> None:
    for _ in range(3):
        shop.admin.get("/audit/events", params={"project": "shop"})
    shop.admin.get("/audit/events", params={"project": "blog"})
    for _ in range(2):
        shop.admin.get("/audit/export", params={"format": "csv"})
    searched = shop.admin.get("/audit/events", params={"type": "auditlog.searched"}).json()["items"]
    exported = shop.admin.get("/audit/events", params={"type": "auditlog.exported"}).json()["items"]
    asked = [shop.admin.get(f"/audit/events/{each['id']}").json()["event"] for each in searched]
    assert [each["data"]["subject"]["content"]["asked"] for each in asked][-2:] == [
        {"project": "blog"},
        {"project": "shop"},
    ]
    assert len(exported) == 2


@pytest.mark.parametrize("name", ["since", "until"])
def test_an_instant_that_is_none_is_refused(shop: Api, name: str) -> None:
    answer = shop.admin.get("/audit/events", params={name: "yesterday"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-filter")


def test_a_csv_has_every_event_that_fits_oldest_first(shop: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PIECE", 2)
    answer = shop.admin.get("/audit/export", params={"format": "csv", "actor": "ada@example.com"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert ".csv" in answer.headers["content-disposition"]
    assert [row["seq"] for row in rows] == sorted((row["seq"] for row in rows), key=int)
    assert [row["what"] for row in rows][-3:] == ["project.created", "environment.created", "auditlog.exported"]


@pytest.mark.parametrize("filter", [{}, {"project": "shop"}, {"actor": "nobody@example.com"}])
def test_the_default_proves_itself_whole_or_in_part(shop: Api, filter: dict[str, str]) -> None:
    keys = [public_key(each) for each in shop.admin.get("/audit/keys").json()["keys"]]
    content = shop.admin.get("/audit/export", params=filter).content
    report = verify(lambda: iter(content.splitlines(keepends=True)), keys=keys)
    assert (report.sound, report.trusted) == (True, True)
    with shop.db.read() as tx:
        everything = len(search(tx, Query(), PageRequest(500)).items)
        fitting = len(search(tx, Query(**filter), PageRequest(500)).items)  # type: ignore[arg-type]
    assert report.events + report.left_out == everything
    assert report.events == fitting
    assert verify(lambda: iter(content.replace(b"shop", b"shed").splitlines(keepends=True)), keys=keys).sound is (
        not fitting
    )


@pytest.mark.parametrize("format", ["ocsf", "cloudevents"])
def test_lines_of_json_are_documents(shop: Api, format: str) -> None:
    lines = shop.admin.get("/audit/export", params={"format": format}).text.splitlines()
    documents = [json.loads(line) for line in lines]
    key = "class_uid" if format == "ocsf" else "specversion"
    assert documents
    assert all(key in each for each in documents)


def test_an_unknown_format_is_refused_before_anything_is_sent(shop: Api) -> None:
    assert shop.admin.get("/audit/export", params={"format": "xlsx"}).status_code == 422
    assert shop.admin.get("/audit/export", params={"format": "csv", "address": "1.2.3.0/30"}).status_code == 422
