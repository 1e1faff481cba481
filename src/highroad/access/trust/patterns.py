"""Patterns for claims: `*` and `?` stay within one part of a name, `**` goes across. Pure.

Parts end at `/` and `:`, so that `repo:acme/*:ref:refs/heads/main` is not matched by a repository whose environment
somebody called `x:ref:refs/heads/main`, nor `acme/*` by `acme/shop/sub`. Matching is case-sensitive, and takes time in
proportion to pattern and value; regular expressions would let a claim keep a processor busy for minutes.
"""

from __future__ import annotations

import re

LONGEST = 255
_WILD = re.compile(r"(\*\*|\*|\?)")
_ENDS = frozenset("/:")


def fault_of(pattern: str) -> str | None:
    """What is wrong with a pattern, in words that follow it; None when nothing is."""
    if not 0 < len(pattern) <= LONGEST or not pattern.isprintable():
        return f"is empty, longer than {LONGEST} characters, or has characters that nobody sees"
    return None


def matches(pattern: str, value: str) -> bool:
    """Whether the whole value is what the pattern means."""
    reached = {0}  # all places in the value to which the pattern so far can lead
    for part in _WILD.split(pattern):
        if part == "**":
            reached = set(range(min(reached), len(value) + 1))
        elif part == "*":
            reached = _within_parts(value, reached)
        elif part == "?":
            reached = {at + 1 for at in reached if at < len(value) and value[at] not in _ENDS}
        elif part:
            reached = {at + len(part) for at in reached if value.startswith(part, at)}
        if not reached:
            return False
    return len(value) in reached


def _within_parts(value: str, reached: set[int]) -> set[int]:
    """`reached`, and all that follows until the part ends."""
    found = set(reached)
    for at, character in enumerate(value):
        if at in found and character not in _ENDS:
            found.add(at + 1)
    return found


def literal_start(pattern: str) -> str:
    """What every value begins with that the pattern matches."""
    return _WILD.split(pattern, maxsplit=1)[0]


def is_literal(pattern: str) -> bool:
    return _WILD.search(pattern) is None
