r"""Score's placeholders: `${metadata.KEY}`, `${resources.NAME.OUTPUT}`, `$$` for `$`, `\.` for a dot in a key.

The rules are those of score-go's `framework/substitution.go`. `score` checks and resolves what the file itself knows;
`deployments` resolves the outputs of resources with `substitute`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# The order matters: `$${x}` is an escaped dollar sign and the plain text `{x}`.
_PLACEHOLDER = re.compile(r"\$(?:\$|\{([^}]*)\})")


def references(text: str) -> list[tuple[str, ...]]:
    """Every placeholder in `text`, split into its keys: `${resources.db.host}` is `("resources", "db", "host")`."""
    return [split(match[1]) for match in _PLACEHOLDER.finditer(text) if match[1] is not None]


def split(reference: str) -> tuple[str, ...]:
    r"""The keys of a reference; `\.` is a dot inside of a key."""
    return tuple(part.replace("\0", ".") for part in reference.replace("\\.", "\0").split("."))


def substitute(text: str, lookup: Callable[[tuple[str, ...]], str]) -> str:
    """`text` with every placeholder replaced by what `lookup` gives for its keys, and `$$` by `$`. One pass."""
    return _PLACEHOLDER.sub(lambda match: "$" if match[1] is None else lookup(split(match[1])), text)


def substitute_root(text: str, root: str, lookup: Callable[[tuple[str, ...]], str]) -> str:
    """Replace the placeholders that begin with `root` only; all else, `$$` included, stays as written for a later pass.

    What `lookup` gives is escaped, so that the later pass leaves it alone.
    """

    def replaced(match: re.Match[str]) -> str:
        keys = split(match[1]) if match[1] is not None else ()
        return lookup(keys).replace("$", "$$") if keys[:1] == (root,) else match[0]

    return _PLACEHOLDER.sub(replaced, text)


def escape(text: str) -> str:
    """The text that `substitute` turns back into `text`."""
    return text.replace("$", "$$")
