"""Globs decide which changes concern a service."""

from __future__ import annotations

import time

import pytest

from highroad.workload.paths import concerns


@pytest.mark.parametrize(
    ("glob", "file", "fits"),
    [
        ("services/shop/**", "services/shop/a/b.py", True),
        ("services/shop", "services/shop/a/b.py", True),
        ("services/shop/", "services/shopping/a.py", False),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "README.md", True),
        ("**/*.md", "docs/a/README.md", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/*/z", "a/b/c/z", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("lib[12]/**", "lib2/x", True),
        ("./a/b", "a/b", True),
    ],
)
def test_globs_follow_directories(glob: str, file: str, fits: bool) -> None:
    assert concerns([glob], [file]) is fits


def test_without_globs_every_change_concerns() -> None:
    assert concerns([], ["anything"])


def test_without_changes_nothing_concerns() -> None:
    assert not concerns(["**"], [])


def test_no_glob_can_stall_a_push() -> None:
    started = time.perf_counter()
    assert not concerns(["/".join(["**", "*a*a*a*a*a*b"] * 20)], ["/".join(["a" * 100] * 50)])
    assert time.perf_counter() - started < 1
