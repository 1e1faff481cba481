"""The Merkle tree of RFC 6962: hashing, roots from a frontier of subtrees, proofs and their verification.

Positions are leaf numbers from 0, ranges half-open. A node is (level, index): it covers the leaves from
`index << level` to `(index + 1) << level`. Called by the sequencer and the proofs of the audit log, and by `verify`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""

Node = tuple[int, int]
Hasher = Callable[[int, int], bytes]
"""The hash of the perfect subtree at (level, index)."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def subtrees(start: int, end: int) -> list[Node]:
    """The perfect subtrees that make up the leaves `start` to `end`, as few as possible, from left to right."""
    nodes = []
    while start < end:
        level = min((start & -start).bit_length() - 1 if start else 63, (end - start).bit_length() - 1)
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes."""
    prefix, hasher = b"\1", sha256
    row = hashes
    while len(row) > 1:
        row = [hasher(prefix + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]


class Frontier:
    """A tree that grows on the right, as the roots of its perfect subtrees: at most one for each bit of its size."""

    def __init__(self) -> None:
        self.size = 0
        self._stack: list[tuple[int, bytes]] = []

    def append(self, level: int, digest: bytes) -> None:
        """Add a perfect subtree. Raises `ValueError` where none of that level can stand."""
        if self.size & ((1 << level) - 1):
            raise ValueError(f"no subtree of level {level} can begin at {self.size}")
        self.size += 1 << level
        while self._stack and self._stack[-1][0] == level:
            digest = node_hash(self._stack.pop()[1], digest)
            level += 1
        self._stack.append((level, digest))

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add the hashes of leaves."""
        offset = self.size
        for level, index in subtrees(offset, offset + len(leaves)):
            first = (index << level) - offset
            self.append(level, perfect_root(leaves[first : first + (1 << level)]))

    def root(self) -> bytes:
        if not self._stack:
            return EMPTY_ROOT
        digest = self._stack[-1][1]
        for _, left in reversed(self._stack[:-1]):
            digest = node_hash(left, digest)
        return digest

    def hashes(self) -> list[bytes]:
        """The roots of `subtrees(0, size)`."""
        return [digest for _, digest in self._stack]


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over the hashes of leaves."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


# Making proofs


def range_hash(start: int, end: int, hasher: Hasher) -> bytes:
    """MTH of RFC 6962 over the leaves `start` to `end`, where `start` is where a subtree of the tree begins."""
    nodes = subtrees(start, end)
    if not nodes:
        return EMPTY_ROOT
    digest = hasher(*nodes[-1])
    for node in reversed(nodes[:-1]):
        digest = node_hash(hasher(*node), digest)
    return digest


def inclusion_proof(index: int, size: int, hasher: Hasher) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1, from the leaf's sibling upward. Raises `ValueError` for what is not in the tree."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} has no leaf {index}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(range_hash(middle, end, hasher))
            end = middle
        else:
            proof.append(range_hash(start, middle, hasher))
            start = middle
    return proof[::-1]


def consistency_proof(first: int, second: int, hasher: Hasher) -> list[bytes]:
    """PROOF of RFC 6962, 2.1.2: that the tree of `second` leaves begins with that of `first`."""
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {second} does not begin with one of {first}")
    if first in (0, second):
        return []
    proof: list[bytes] = []
    start, end, whole = 0, second, True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            proof.append(range_hash(middle, end, hasher))
            end = middle
        else:
            proof.append(range_hash(start, middle, hasher))
            start, whole = middle, False
    if not whole:
        proof.append(range_hash(start, end, hasher))
    return proof[::-1]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


# Verifying proofs (the algorithms of RFC 9162, 2.1.3.2 and 2.1.4.2, which has the same trees)


def proves_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that the leaf with this hash stands at `index` in the tree of `size` with `root`."""
    if not 0 <= index < size:
        return False
    node, last, digest = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            digest = node_hash(sibling, digest)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            digest = node_hash(digest, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and digest == root


def proves_consistency(first: int, second: int, proof: Sequence[bytes], old: bytes, new: bytes) -> bool:
    """Whether `proof` shows that the tree of `second` with root `new` begins with that of `first` with root `old`."""
    if first in (0, second):
        expected = EMPTY_ROOT if first == 0 else new
        return 0 <= first <= second and not proof and old == expected
    if not 0 < first < second or not proof:
        return False
    path = list(proof) if first & (first - 1) else [old, *proof]
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    was = now = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            now = node_hash(now, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and was == old and now == new
