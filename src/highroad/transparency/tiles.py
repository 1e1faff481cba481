"""The layout of C2SP tlog-tiles: a tile holds up to 256 hashes, each the root over a whole tile of the level below.

Called by the sequencer, which grows tiles, by the proofs, which read nodes out of them, and by the API, which serves
them at the paths of the specification.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from highroad.transparency.merkle import perfect_root

HEIGHT = 8
WIDTH = 1 << HEIGHT
HASH = 32
LARGEST_ENTRY = 65_535
"""Bytes of an entry: its length is written in two."""
_NUMBER = re.compile(r"((?:x\d{3}/)*)(\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)

Tile = tuple[int, int]
"""(level, number): of level 0, the hashes of the leaves from `number * 256`."""


def tiles_of(size: int) -> list[tuple[Tile, int]]:
    """Every tile of a tree of `size` leaves with its width, 1 to 256."""
    found, level, hashes = [], 0, size
    while hashes:
        whole, rest = divmod(hashes, WIDTH)
        found += [((level, number), WIDTH) for number in range(whole)]
        if rest:
            found.append(((level, whole), rest))
        level, hashes = level + 1, whole
    return found


def node_of(level: int, index: int, read: Callable[[Tile], Sequence[bytes]]) -> bytes:
    """The hash of the perfect subtree at (level, index), out of the tile that has it or what it is the root over.

    Raises `LookupError` where the tile has too few hashes.
    """
    row, above = divmod(level, HEIGHT)
    first = index << above
    number, offset = divmod(first, WIDTH)
    hashes = read((row, number))[offset : offset + (1 << above)]
    if len(hashes) != 1 << above:
        raise LookupError(f"tile {row}/{number} has too few hashes")
    return perfect_root(hashes)


def path_of(number: int) -> str:
    """`1234067` as `x001/x234/067`."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return "/".join(groups)


def parse_path(path: str) -> tuple[int, int] | None:
    """Number and width of `x001/x234/067` or `x001/x234/067.p/8`; None for what is no such path."""
    found = _NUMBER.fullmatch(path)
    if found is None:
        return None
    number = int(found[1].replace("x", "").replace("/", "") + found[2])
    width = int(found[3]) if found[3] else WIDTH
    known = path_of(number) == path.partition(".")[0] and (width < WIDTH or not found[3])
    return (number, width) if known and number < 1 << 55 else None


def bundle(entries: Sequence[bytes]) -> bytes:
    """Entries of a log as a bundle serves them: each behind its length."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def split(hashes: bytes) -> list[bytes]:
    """The hashes that stand one behind the other in `hashes`."""
    return [hashes[start : start + HASH] for start in range(0, len(hashes), HASH)]
