"""What an external store has to do, and how it fails. `deployments.external` calls it, outside of any transaction.

A store raises `VaultUnavailable` when trying again can help, `VaultRefused` when somebody has to do something; neither
ever holds a value or a credential.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from highroad.errors import FieldError, Invalid, Temporary, Unavailable

SECONDS = 5.0
"""How long one request to a store may take."""
LARGEST_ANSWER = 1024 * 1024
_SEGMENT = re.compile(r"[^\x00-\x1f\x7f/?#%\\]+")
LONGEST_PATH = 500


class VaultUnavailable(Unavailable, Temporary):
    """Also `Temporary`: a workflow step that meets it is tried again."""

    code = "vault-unavailable"
    title = "The external store does not answer"


class VaultRefused(Invalid):
    code = "vault-refused"
    title = "The external store does not give this secret"


class BadVaultPath(Invalid):
    code = "bad-vault-path"
    title = "This is no path in an external store"


class Vault(Protocol):
    def read(self, path: str, version: int | None) -> Mapping[str, str]:
        """The keys and values of one entry; of its newest version, unless another is asked for."""


def check_path(path: str) -> str:
    """A path of an entry: segments between slashes, none of which leads up or means anything in a URL."""
    parts = path.split("/")
    if len(path) > LONGEST_PATH or not all(_SEGMENT.fullmatch(part) and part.strip(".") for part in parts):
        raise BadVaultPath(
            f"{path[:80]!r} is no path of an entry.",
            next_step="Write it like team/shop/database, without the mount.",
            errors=[FieldError("/path", "is no path of an entry")],
        )
    return path
