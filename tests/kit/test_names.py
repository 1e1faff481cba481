"""DNS labels, and the nearest one to what somebody typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.kit.names import NotALabel, is_label, require_label, to_label


@pytest.mark.parametrize("name", ["a", "shop", "web-2", "0", "a" * 63])
def test_labels_are_taken_as_they_are(name: str) -> None:
    assert require_label(name, field="name") == name


@pytest.mark.parametrize("name", ["", "Shop", "web_1", "-a", "a-", "a.b", "a b", "a" * 64, "straße", "shop\n", "a\0"])
def test_what_is_no_label_is_refused_with_its_field(name: str) -> None:
    with pytest.raises(NotALabel) as refused:
        require_label(name, field="name")
    assert [error.pointer for error in refused.value.errors] == ["/name"]


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("My Shop", "my-shop"), ("web_1", "web-1"), ("-a-", "a"), ("a..b", "a-b"), ("x" * 70, "x" * 63)],
)
def test_the_nearest_label_is_offered(text: str, nearest: str) -> None:
    with pytest.raises(NotALabel) as refused:
        require_label(text, field="name")
    assert refused.value.next_step == f"Use {nearest!r} instead."


def test_where_there_is_none_near_it_says_what_to_choose() -> None:
    with pytest.raises(NotALabel) as refused:
        require_label("日本", field="name")
    assert "lower-case letters" in refused.value.next_step


@given(st.text(max_size=100))
def test_what_is_offered_is_always_a_label(text: str) -> None:
    nearest = to_label(text)
    assert nearest == "" or is_label(nearest)
