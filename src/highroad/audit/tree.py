"""Nodes, positions and proofs, read out of the stored tiles. Called by the sequencer, the archive and the API.

A proof is always for a tree as large as a checkpoint or smaller, never for what no checkpoint covers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from highroad.audit import store
from highroad.audit.entry import Entry
from highroad.audit.store import StoredCheckpoint, StoredTile
from highroad.db.engine import Transaction
from highroad.transparency import merkle
from highroad.transparency.tiles import WIDTH, Tile, node_of


@dataclass(frozen=True, slots=True)
class Head:
    """The tree has `size` leaves, the last of the event with the number `last_seq`."""

    size: int
    last_seq: int


def head(tx: Transaction) -> Head:
    last = store.last_tile(tx)
    return Head(0, 0) if last is None else Head(last.number * WIDTH + last.width, last.last_seq or 0)


def hasher(tx: Transaction, fresh: dict[Tile, StoredTile] | None = None) -> merkle.Hasher:
    """Hashes of perfect subtrees; each tile is read once. `fresh` are tiles that are not yet written."""
    known = {key: each.split() for key, each in (fresh or {}).items()}

    def read(key: Tile) -> list[bytes]:
        if key not in known:
            found = store.tile(tx, *key)
            known[key] = [] if found is None else found.split()
        return known[key]

    return lambda level, index: node_of(level, index, read)


def frontier(start: int, end: int, hash_of: Callable[[int, int], bytes]) -> list[bytes]:
    """The hashes of the subtrees that make up a range."""
    return [hash_of(level, index) for level, index in merkle.subtrees(start, end)]


def position_of(tx: Transaction, seq: int) -> int | None:
    """Where the event with this number stands in the tree; None while it does not. Counted from the end of its tile,
    because retention takes events from the beginning."""
    found = store.tile_with(tx, seq)
    if found is None or found.last_seq is None:
        return None
    return found.number * WIDTH + found.width - 1 - store.count_behind(tx, seq, found.last_seq)


def seq_at(tx: Transaction, position: int) -> int | None:
    """The number of the event at this position; None when it was dropped or is not there yet."""
    found = store.tile(tx, 0, position // WIDTH)
    if found is None or found.first_seq is None or position % WIDTH >= found.width:
        return None
    assert found.last_seq is not None, "tiles of level 0 have both"
    seqs = store.seqs_between(tx, found.first_seq, found.last_seq)
    offset = position % WIDTH - (found.width - len(seqs))
    return seqs[offset] if offset >= 0 else None


@dataclass(frozen=True, slots=True)
class ProofState:
    """Whether the event with the number `seq` is in the signed tree: `size` and `signed_at` are those of the newest
    checkpoint, None where there is none yet."""

    seq: int
    proved: bool
    size: int | None
    checkpoint: StoredCheckpoint | None


def proof_state(tx: Transaction, seq: int) -> ProofState:
    """One small query, however large the log: the newest checkpoint says up to which event it goes. Pass
    `proof_state(tx, newest_seq_of_a_page).checkpoint` on to `covers` for a whole page of events."""
    newest = store.latest_checkpoint(tx)
    return ProofState(seq, covers(newest, seq), newest.size if newest else None, newest)


def covers(checkpoint: StoredCheckpoint | None, seq: int) -> bool:
    return checkpoint is not None and seq <= checkpoint.last_seq


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That the leaf of an event stands at `position` in the tree that `checkpoint` signs."""

    position: int
    checkpoint: StoredCheckpoint
    hashes: tuple[bytes, ...]


def inclusion(tx: Transaction, seq: int) -> Inclusion | None:
    """None while no checkpoint covers the event."""
    newest = store.latest_checkpoint(tx)
    position = position_of(tx, seq)
    if newest is None or position is None or position >= newest.size:
        return None
    return Inclusion(position, newest, tuple(merkle.inclusion_proof(position, newest.size, hasher(tx))))


def leaf_of(entry: Entry) -> bytes:
    return merkle.leaf_hash(entry.line)


def consistency(tx: Transaction, first: int, second: int) -> list[bytes]:
    """Raises `ValueError` unless 0 <= first <= second, and the tree has so many leaves."""
    return merkle.consistency_proof(first, second, hasher(tx))
