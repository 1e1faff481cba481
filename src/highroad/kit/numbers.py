"""Whole numbers that come from outside, in cursors and headers. `str.isdigit` says yes to `²`, which `int` refuses."""

from __future__ import annotations


def whole_number(text: str, *, digits: int = 18) -> int | None:
    """The number that `text` is in ASCII digits, at most `digits` of them (18 fit into 64 bits); None for all else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None
