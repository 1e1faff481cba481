"""Placeholders follow the rules of score-go, whose cases the first table repeats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.workload.placeholders import escape, references, split, substitute, substitute_root


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("$abc", "$abc"),
        ("abc $$ abc", "abc $ abc"),
        ("$${abc}", "${abc}"),
        ("$$${abc}", "$<abc>"),
        ("$$$${abc}", "$${abc}"),
        ("$${abc .4t3298y *(^&(*}", "${abc .4t3298y *(^&(*}"),
        ("x ${metadata.name} y", "x <metadata|name> y"),
        (r"${metadata.a\.b/c}", "<metadata|a.b/c>"),
        ("${}", "<>"),
        ("${open", "${open"),
    ],
)
def test_one_pass_replaces_and_unescapes(text: str, result: str) -> None:
    assert substitute(text, lambda keys: f"<{'|'.join(keys)}>") == result


def test_references_are_found_apart_from_escaped_ones() -> None:
    assert references("${resources.db.host}:$${x} ${metadata.name}") == [
        ("resources", "db", "host"),
        ("metadata", "name"),
    ]


def test_a_backslash_keeps_a_dot_within_a_key() -> None:
    assert split(r"metadata.annotations.key\.com/foo") == ("metadata", "annotations", "key.com/foo")


def test_one_root_is_replaced_and_the_rest_is_kept_for_later() -> None:
    once = substitute_root("${metadata.n} ${resources.r.x} $${y}", "metadata", lambda _: "5$ ${z}")
    assert once == "5$$ $${z} ${resources.r.x} $${y}"
    assert substitute(once, lambda _: "R") == "5$ ${z} R ${y}"


@given(st.text("$${}ab. "))
def test_an_escaped_text_comes_back_as_it_was(text: str) -> None:
    assert substitute(escape(text), lambda keys: "never") == text
