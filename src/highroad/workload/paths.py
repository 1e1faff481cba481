"""Decides whether a change concerns a service of a repository that holds several. `pipelines` asks for every push."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate


def concerns(paths: Sequence[str], changed: Iterable[str]) -> bool:
    """Whether one of the `changed` files (paths from the root of the repository) fits one of the globs `paths`.

    `*`, `?` and `[...]` stay within a directory, `**` stands for any number of directories; a glob also fits everything
    below a directory that it fits. No globs at all means that every change concerns the service.
    """
    globs = [[_segment(each) for each in glob.removeprefix("./").strip("/").split("/")] for glob in paths]
    return not globs or any(_fits(glob, file.split("/")) for file in changed for glob in globs)


def _segment(text: str) -> re.Pattern[str] | None:
    """None for `**`. `translate` writes expressions that do not backtrack, so that no glob can stall a push."""
    return None if text == "**" else re.compile(translate(text))


def _fits(glob: Sequence[re.Pattern[str] | None], segments: Sequence[str]) -> bool:
    """Follows all readings of the glob at once, as a set of positions in it."""
    positions = _skip(glob, {0})
    for segment in segments:
        positions = _skip(glob, {after for at in positions for after in _step(glob, at, segment)})
    return len(glob) in positions


def _step(glob: Sequence[re.Pattern[str] | None], at: int, segment: str) -> Iterable[int]:
    if at == len(glob):
        return (at,)
    pattern = glob[at]
    if pattern is None:
        return (at,)
    return (at + 1,) if pattern.match(segment) else ()


def _skip(glob: Sequence[re.Pattern[str] | None], positions: set[int]) -> set[int]:
    """`**` may also stand for no directory."""
    reached = set(positions)
    for at in sorted(positions):
        while at < len(glob) and glob[at] is None:
            at += 1
            reached.add(at)
    return reached
