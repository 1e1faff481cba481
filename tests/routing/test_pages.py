"""Foreign text on the router's pages stays text."""

from __future__ import annotations

import pytest

from highroad.routing.pages import PAGES, Page, html_words, literal, plain_words


def test_markup_and_placeholders_lose_their_meaning_in_html() -> None:
    words = html_words('<b a="1">{env.HOME}')
    assert not set('<>{}"') & set(words)


def test_line_ends_and_braces_lose_their_meaning_in_text() -> None:
    assert plain_words("a\r\nb{file./x}") == "a  b(file./x)"


def test_literal_leaves_ordinary_paths_alone() -> None:
    assert literal("/srv/site") == "/srv/site"
    assert literal("/srv/{x}") == "/srv/\\{x\\}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.surface)
def test_every_page_says_what_and_what_to_do(page: Page) -> None:
    assert page.title in page.as_html()
    assert page.next_html in page.as_html()
    assert page.as_text().splitlines() == [page.title, page.detail_text, page.next_text]


def test_every_page_has_a_surface_of_its_own() -> None:
    assert len({page.surface for page in PAGES}) == len(PAGES)
