"""Pages of a list by an opaque token (AIP-158): the token is the sort key of the last row, so pages never shift."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from highroad.errors import FieldError, Malformed

Row = TypeVar("Row")

DEFAULT_SIZE = 50
LARGEST_SIZE = 500
LONGEST_TOKEN = 1000


class BadPageToken(Malformed):
    code = "bad-page-token"
    title = "The page token is not one of ours"


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`size` rows after the row whose key is `after` (None: from the start)."""

    size: int = DEFAULT_SIZE
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    items: tuple[Row, ...]
    next_page_token: str | None


def page_request(size: int | None, token: str | None) -> PageRequest:
    """Sizes over 500 are lowered to it; below 1 is refused. Raises `Malformed`."""
    if size is not None and size < 1:
        raise Malformed(
            "page_size must be at least 1.",
            next_step="Leave it out or pass 1 to 500.",
            errors=[FieldError("/page_size", "must be at least 1")],
        )
    return PageRequest(min(size or DEFAULT_SIZE, LARGEST_SIZE), _key_of(token) if token else None)


def _key_of(token: str) -> str:
    """The sort key in a token. Raises `BadPageToken` for whatever `page_of` did not make, however it was made up."""
    bad = BadPageToken("page_token cannot be read.", next_step="Start again without page_token.")
    if len(token) > LONGEST_TOKEN:  # also keeps nesting below what a JSON parser can take
        raise bad
    try:
        decoded = json.loads(base64.urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4)))
        key = decoded[0] if isinstance(decoded, list) and len(decoded) == 1 else None
        if not isinstance(key, str) or "\0" in key:
            raise bad
        key.encode()  # an escaped half of a surrogate pair is a string that no database takes
    except (ValueError, binascii.Error) as error:
        raise bad from error
    return key


def page_of(rows: Sequence[Row], request: PageRequest, key: Callable[[Row], str]) -> Page[Row]:
    """`rows` were fetched with one more than `request.size`; that one only says that there is a next page."""
    items = tuple(rows[: request.size])
    more = len(rows) > request.size and items
    return Page(items, token_of(key(items[-1])) if more else None)


def token_of(key: str) -> str:
    """The token of the page behind the row with this key: for lists that stop before they have a page full."""
    return base64.urlsafe_b64encode(json.dumps([key]).encode()).decode().rstrip("=")
