"""Lines of exports: no cell becomes a formula, and every line is one event."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from highroad.audit.formats import COLUMNS, FORMATS, csv_line
from tests.audit.recorded import RECORDED, saying

EVENT = replace(RECORDED, type="dev.cdevents.service.deployed.0.3.0")


def cells(line: str) -> dict[str, str]:
    return dict(zip(COLUMNS, next(csv.reader([line])), strict=True))


def test_an_event_is_one_line_with_a_column_for_everything() -> None:
    found = cells(csv_line(EVENT))
    assert (found["seq"], found["what"], found["actor"]) == ("7", "service.deployed", "ada@example.com")
    assert FORMATS["csv"].first == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize("begin", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_no_cell_is_a_formula(begin: str) -> None:
    assert cells(csv_line(replace(EVENT, actor=begin)))["actor"].startswith("'")


def test_what_changed_is_said_in_words() -> None:
    data = saying({}, before={"replicas": 1, "branch": None}, after={"replicas": 3, "branch": "main"})
    assert cells(csv_line(replace(EVENT, data=data)))["changes"] == "branch: none -> main; replicas: 1 -> 3"


def test_quotes_commas_and_line_ends_stay_in_their_cell() -> None:
    line = csv_line(replace(EVENT, actor='a "b", c\nd'))
    assert next(csv.reader(line.splitlines(keepends=True)))[3] == 'a "b", c\nd'


def test_lines_of_json_are_one_document_each() -> None:
    # A CloudEvent's data is the whole CDEvent, with its context.
    data = {**saying({"name": "Müllers\n"}), "context": {"source": "http://localhost:8080"}}
    for name in ("ocsf", "cloudevents"):
        line = FORMATS[name].line(replace(EVENT, data=data))
        assert line.count("\n") == 1
        assert json.loads(line)
