"""Patterns for claims, whose wildcards stay where they are meant."""

from __future__ import annotations

import time

import pytest

from highroad.access.trust.model import LONGEST_VALUE
from highroad.access.trust.patterns import LONGEST, fault_of, is_literal, literal_start, matches


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("acme/shop", "acme/shop"),
        ("acme/*", "acme/shop"),
        ("refs/heads/release/*", "refs/heads/release/1.2"),
        ("refs/**", "refs/heads/a/b"),
        ("v?.*", "v1.22"),
        ("**", "anything:at/all"),
        ("a.b", "a.b"),
        ("[a]", "[a]"),
    ],
)
def test_what_is_meant_matches(pattern: str, value: str) -> None:
    assert matches(pattern, value)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("acme/shop", "ACME/shop"),
        ("acme/shop", "acme/shop2"),
        ("acme/shop", "evil/acme/shop"),
        ("acme/*", "acme/shop/sub"),
        ("acme/*", "acme-evil/shop"),
        ("repo:acme/*:ref:refs/heads/main", "repo:acme/shop:environment:x:ref:refs/heads/main"),
        ("a.b", "axb"),
        ("[a]", "a"),
        ("main", "main\n"),
        ("v?", "v/"),
        ("", "x"),
    ],
)
def test_what_is_not_meant_does_not(pattern: str, value: str) -> None:
    assert not matches(pattern, value)


@pytest.mark.parametrize("pattern", ["", "x" * (LONGEST + 1), "a\nb", "a\0"])
def test_patterns_that_nobody_can_read_are_refused(pattern: str) -> None:
    assert fault_of(pattern)


@pytest.mark.parametrize("pattern", ["**a" * 80 + "c", "*a" * 120 + "c", "?" * 255, "**" * 120])
def test_no_pattern_keeps_a_processor_busy(pattern: str) -> None:
    assert fault_of(pattern) is None
    began = time.process_time()
    matches(pattern, "a" * LONGEST_VALUE + "b")
    assert time.process_time() - began < 5


def test_the_literal_start_ends_at_the_first_wildcard() -> None:
    assert literal_start("acme/sh*p/x?") == "acme/sh"
    assert (is_literal("acme/shop"), is_literal("acme/?")) == (True, False)
