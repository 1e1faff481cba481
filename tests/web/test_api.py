"""Lists come in pages, instants as text, and routers with what every operation has."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from highroad.kit.paging import Page, PageRequest
from highroad.web.api import Answer, Body, Instant, api_router, listing, paging


class Thing(Body):
    names: dict[str, list[str]]


class Moment(Answer):
    at: Instant


def test_an_instant_is_written_as_rfc_3339_in_utc() -> None:
    moment = Moment(at=datetime(2026, 11, 22, 23, 7, tzinfo=UTC))
    assert moment.model_dump(mode="json") == {"at": "2026-11-22T23:07:00.000000Z"}


def test_a_page_becomes_items_and_the_token_of_the_next_one() -> None:
    assert listing(Page((1, 2), "token"), str) == {"items": ["1", "2"], "next_page_token": "token"}


def test_paging_parameters_become_a_request() -> None:
    assert paging(10, None) == PageRequest(10, None)


def test_every_operation_documents_its_failures() -> None:
    assert set(api_router("things").responses) == {"4XX", "5XX"}


@pytest.mark.parametrize("names", [{"a\0": []}, {"a": ["\0"]}])
def test_a_nul_character_is_refused_wherever_it_stands(names: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationError, match="NUL"):
        Thing(names=names)


@pytest.mark.parametrize("depth", [60, 400, 5000])
def test_what_is_nested_without_end_is_refused(depth: int) -> None:
    nested: list[object] = []
    for _ in range(depth):
        nested = [nested]
    with pytest.raises(ValidationError, match="nested"):
        Thing.model_validate({"names": nested})


def test_a_text_without_end_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 100000 characters"):
        Thing(names={"a": ["x" * 100_001]})
