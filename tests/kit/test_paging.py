"""Pages and their tokens, also those that nobody made."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.errors import Malformed
from highroad.kit.paging import DEFAULT_SIZE, LARGEST_SIZE, BadPageToken, PageRequest, page_of, page_request


def token_of(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def pages(rows: list[str], size: int) -> list[tuple[str, ...]]:
    """All pages of sorted rows, as a client walks them."""
    found, token = [], None
    while True:
        request = page_request(size, token)
        after = request.after
        rest = [row for row in rows if after is None or row > after]
        page = page_of(rest[: request.size + 1], request, lambda row: row)
        found.append(page.items)
        token = page.next_page_token
        if token is None:
            return found


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40), unique=True))
def test_the_pages_together_are_the_list(rows: list[str]) -> None:
    rows.sort()
    assert [row for page in pages(rows, 3) for row in page] == rows


def test_the_last_page_has_no_token_even_when_it_is_full() -> None:
    assert [len(page) for page in pages(["a", "b", "c", "d"], 2)] == [2, 2]


def test_without_wishes_a_page_has_the_default_size_and_begins_at_the_start() -> None:
    assert page_request(None, None) == PageRequest(DEFAULT_SIZE, None)
    assert page_request(None, "") == PageRequest(DEFAULT_SIZE, None)


def test_a_size_beyond_the_largest_is_lowered() -> None:
    assert page_request(10_000, None).size == LARGEST_SIZE


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_below_one_is_refused(size: int) -> None:
    with pytest.raises(Malformed, match="at least 1"):
        page_request(size, None)


@pytest.mark.parametrize(
    "token",
    [
        "nonsense",
        "%%%",
        "é",
        "a" * 10_000,
        token_of("a"),
        token_of([1]),
        token_of(["a", "b"]),
        token_of({}),
        token_of(["\0"]),
        token_of(["\ud800"]),
        base64.urlsafe_b64encode(b"[" * 300).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_a_token_that_nobody_made_is_refused(token: str) -> None:
    with pytest.raises(BadPageToken) as refused:
        page_request(None, token)
    assert refused.value.next_step == "Start again without page_token."


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader_of_tokens(text: str) -> None:
    with contextlib.suppress(BadPageToken):
        page_request(None, text)
