"""Where the symbolic links of a tree lead: the pure decision whether a tree can be written out safely.

`repository` asks before a checkout, `inspection` before git accepts a push. A link is followed as the kernel would
follow it, through the tree's other links, because a name such as `a/../x` means something else once `a` is a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Linux gives up after 40 (path_resolution(7)).
_MOST_HOPS = 40


@dataclass(frozen=True, slots=True)
class BadLink:
    path: str
    target: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} -> {self.target[:200]} ({self.reason})"


def bad_links(links: Mapping[str, str]) -> list[BadLink]:
    """Those of `links` (path in the tree -> target) that are absolute or leave the tree; in the order of their paths.

    Loops and links to nothing are harmless: opening them fails.
    """
    found = []
    for path, target in sorted(links.items()):
        if target.startswith("/"):
            found.append(BadLink(path, target, "an absolute path"))
        elif _leaves(path, links):
            found.append(BadLink(path, target, "leads out of the repository"))
    return found


def _leaves(path: str, links: Mapping[str, str]) -> bool:
    """True when opening `path` would step above the tree's root."""
    todo = path.split("/")[::-1]
    at: list[str] = []
    hops = 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not at:
                return True
            at.pop()
            continue
        target = links.get("/".join([*at, part]))
        if target is None:
            at.append(part)
            continue
        hops += 1
        if hops > _MOST_HOPS:
            return False
        if target.startswith("/"):
            return True
        todo.extend(target.split("/")[::-1])
    return False
