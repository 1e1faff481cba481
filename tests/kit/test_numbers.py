"""Numbers from outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.kit.numbers import whole_number


@given(st.integers(0, 10**18 - 1))
def test_a_number_in_digits_is_read(number: int) -> None:
    assert whole_number(str(number)) == number


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1.5", "1e3", "²", "١", "1_000", "9" * 19])
def test_anything_else_is_none(text: str) -> None:
    assert whole_number(text) is None


@given(st.text(max_size=30))
def test_no_text_breaks_it(text: str) -> None:
    number = whole_number(text)
    assert number is None or 0 <= number < 2**63


def test_fewer_digits_can_be_wanted() -> None:
    assert (whole_number("123", digits=3), whole_number("1234", digits=3)) == (123, None)
