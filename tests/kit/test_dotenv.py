"""`.env` files as people write them."""

from __future__ import annotations

import pytest

from highroad.kit.dotenv import BadDotenv, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K=v", "v"),
        ("  export K = v  ", "v"),
        ("K=a # comment", "a"),
        ("K=a#b", "a#b"),
        ("K=#only", ""),
        ("K=", ""),
        ("K='a # b $HOME \\n'", "a # b $HOME \\n"),
        ('K="a\\nb \\"q\\" \\\\ \\$x"', 'a\nb "q" \\ $x'),
        ('K="two\nlines" # comment', "two\nlines"),
        ("K='-----BEGIN\nabc\n-----END'", "-----BEGIN\nabc\n-----END"),
        ("K=postgresql://u:p@h/d?x=y", "postgresql://u:p@h/d?x=y"),
        ("K=1\r\nK=2\r\n", "2"),
    ],
)
def test_values_are_read_as_written(text: str, value: str) -> None:
    assert parse(text, file=".env") == {"K": value}


def test_comments_and_blank_lines_count_for_nothing() -> None:
    assert parse("# x\n\n  # y\nA=1\n", file=".env") == {"A": "1"}


@pytest.mark.parametrize(("text", "line"), [("A=1\nnonsense", 2), ("A='x", 1), ("A=1\nB='x' y", 2), ("1A=2", 1)])
def test_what_cannot_be_read_is_named_by_line_without_its_value(text: str, line: int) -> None:
    with pytest.raises(BadDotenv) as caught:
        parse(text, file=".env")
    assert caught.value.detail.startswith(f".env:{line}: ")
    assert "nonsense" not in caught.value.detail
