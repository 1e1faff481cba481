"""Request bodies: whole, packed, too large, broken off."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

from highroad.sources.body import Body, BodyTooLarge, BodyTooSlow, Disconnected, NotGzip, Receive


def sending(*pieces: bytes, breaks: bool = False) -> Receive:
    last = {"type": "http.disconnect"} if breaks else {"type": "http.request", "body": b""}
    messages: Iterator[dict[str, Any]] = iter(
        [*({"type": "http.request", "body": piece, "more_body": True} for piece in pieces), last]
    )

    async def receive() -> MutableMapping[str, Any]:
        return next(messages)

    return receive


def read(
    receive: Receive, encoding: str = "", *, limit: int = 10_000_000, seconds: float = 10.0, idle: float = 5.0
) -> bytes:
    async def main() -> bytes:
        return await Body(receive, encoding, limit=limit, seconds=seconds, idle=idle).whole()

    return asyncio.run(main())


def test_a_plain_body_is_read_to_its_end() -> None:
    assert read(sending(b"ab", b"", b"c")) == b"abc"


@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_a_packed_body_is_unpacked_piece_by_piece(size: int) -> None:
    packed = gzip.compress(b"highroad" * 100_000)
    assert (
        read(sending(*(packed[at : at + size] for at in range(0, len(packed), size))), "gzip") == b"highroad" * 100_000
    )


def test_the_limit_counts_what_comes_out() -> None:
    with pytest.raises(BodyTooLarge):
        read(sending(gzip.compress(b"\0" * 5_000_000)), "gzip", limit=1_000_000)


def test_what_is_not_gzip_is_told_so() -> None:
    with pytest.raises(NotGzip):
        read(sending(b"plain"), "gzip")


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(NotGzip, match="'br' is not known"):
        read(sending(b"plain"), "br")


def test_a_client_that_leaves_is_noticed() -> None:
    with pytest.raises(Disconnected):
        read(sending(b"a", breaks=True))


def test_a_client_that_falls_silent_is_not_waited_for() -> None:
    async def silence() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        return {}

    with pytest.raises(BodyTooSlow):
        read(silence, seconds=0.01)
    with pytest.raises(BodyTooSlow, match="sent nothing"):
        read(silence, seconds=10.0, idle=0.01)
