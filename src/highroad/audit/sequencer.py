"""Follows the event log: puts new events into the tree and signs a checkpoint when it has caught up.

An event is written without the tree, so that it costs its transaction nothing; the tree follows within seconds, and at
once before anything is exported or verified. The order is that of the numbers, which on PostgreSQL is the order of
commits (`events.store`); numbers that were drawn and rolled back are simply not there.

Each batch is one transaction, which first asks whether the tree is still as it was when the hashes were computed. So it
may die anywhere and be several at once: what one has written, the others find, and nothing is written twice.

Only a log that is caught up is signed: an event that is not covered by a checkpoint was then committed after it, which
is how `verify` knows a back-dated one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from highroad.audit import signing, store, tree
from highroad.audit.entry import Entry, entries
from highroad.audit.store import StoredCheckpoint, StoredTile
from highroad.audit.tree import Head
from highroad.db.engine import Database, Transaction
from highroad.errors import HighroadError, Permanent, Temporary
from highroad.events.log import EventLog
from highroad.kit.clock import now
from highroad.transparency.checkpoint import Checkpoint, sign
from highroad.transparency.merkle import leaf_hash, perfect_root, range_hash
from highroad.transparency.notes import SecretKey
from highroad.transparency.tiles import HEIGHT, WIDTH, Tile

BATCH = 4096
"""Events in one transaction."""
PAUSE = 2.0
"""Seconds between two checkpoints of a busy log."""
QUIET = 5.0
"""Seconds after which one looks although nobody rang: another control plane may have written."""
KEPT = timedelta(days=1)
"""How long every checkpoint is kept; of older ones, the last of each hour is."""
THINNED = 500
logger = logging.getLogger(__name__)


class Sequencer:
    """`data` is the data directory with the key, `domain` names the log at its first use."""

    def __init__(self, db: Database, log: EventLog, data: Path, domain: str) -> None:
        self.db, self.log = db, log
        self._data, self._domain = data, domain
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._key: SecretKey | None = None

    # In the background

    def start(self, then: Callable[[], None] = lambda: None) -> None:
        """Follow the log until `stop`; `then` is called after each look, for what follows checkpoints."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, args=[then], name="sequencer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self.log.bell.ring()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self, then: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            seen = self.log.bell.rung
            for work in (self.catch_up, then):
                self._attempt(work)
            if not self._stopping.wait(PAUSE):
                self.log.bell.wait(seen, QUIET)

    def _attempt(self, work: Callable[[], object]) -> None:
        """The loop's boundary: what fails is told and tried again at the next turn."""
        try:
            work()
        except (Temporary, Permanent, HighroadError) as error:
            logger.warning("the audit log's tree: %s", error)
        except Exception:
            logger.exception("the audit log's tree")

    # At once

    def catch_up(self) -> StoredCheckpoint:
        """Put everything that is committed into the tree, sign it, and return the newest checkpoint."""
        with self._turn:
            while True:
                done = self._round()
                if done is not None:
                    return done

    @property
    def key(self) -> SecretKey:
        """The signing key, made and announced at its first use."""
        if self._key is None:
            with self.db.begin() as tx:
                key = signing.signing_key(self._data, signing.origin_of(tx, self._domain))
                signing.announce(tx, self.log, key)
            self._key = key
        return self._key

    def _round(self) -> StoredCheckpoint | None:
        """One batch. None when there may be more, or somebody else was faster."""
        key = self.key
        with self.db.read() as tx:
            head, newest = tree.head(tx), store.latest_checkpoint(tx)
            found = entries(tx, after=head.last_seq, limit=BATCH)
            if not found and newest is not None and newest.size == head.size:
                return newest
            grown = grow(head, found, lambda level, number: store.tile(tx, level, number))
        with self.db.begin() as tx:
            store.alone(tx)
            if tree.head(tx) != head:
                return None
            for each in grown.values():
                store.write_tile(tx, each)
            if len(found) == BATCH:
                return None
            last_seq = found[-1].seq if found else head.last_seq
            return self._sign(tx, Head(head.size + len(found), last_seq), grown, key)

    def _sign(self, tx: Transaction, head: Head, grown: dict[Tile, StoredTile], key: SecretKey) -> StoredCheckpoint:
        present = store.checkpoint_of(tx, head.size)
        if present is not None:
            return present
        root = range_hash(0, head.size, tree.hasher(tx, grown))
        at = now()
        note = sign(Checkpoint(key.name, head.size, root), key, at)
        made = StoredCheckpoint(head.size, head.last_seq, root.hex(), at, note)
        store.add_checkpoint(tx, made)
        return made

    # Tidying

    def thin(self) -> None:
        """Forget old checkpoints but for one an hour. The tree itself still proves every size there ever was."""
        before = now() - KEPT
        while True:
            with self.db.read() as tx:
                surplus = store.surplus_checkpoints(tx, before, THINNED)
            if not surplus:
                return
            with self.db.begin() as tx:
                store.remove_checkpoints(tx, surplus)


def grow(head: Head, found: list[Entry], stored: Callable[[int, int], StoredTile | None]) -> dict[Tile, StoredTile]:
    """The tiles that change when these events follow the tree's head: a full one gives its root to the level above."""
    grown: dict[Tile, StoredTile] = {}
    level, size = 0, head.size
    hashes = [leaf_hash(each.line) for each in found]
    while hashes:
        above: list[bytes] = []
        offset = 0
        while offset < len(hashes):
            number, width = divmod(size + offset, WIDTH)
            taken = hashes[offset : offset + WIDTH - width]
            before = stored(level, number) if width else None
            if width and (before is None or before.width != width):
                raise TreeDamaged(level, number)
            made = _longer(before, level, number, taken, found[offset : offset + len(taken)] if not level else [])
            grown[(level, number)] = made
            if made.width == WIDTH:
                above.append(perfect_root(made.split()))
            offset += len(taken)
        level, size, hashes = level + 1, size >> HEIGHT, above
    return grown


def _longer(
    before: StoredTile | None, level: int, number: int, taken: list[bytes], of_events: list[Entry]
) -> StoredTile:
    first, last = (of_events[0].seq, of_events[-1].seq) if of_events else (None, None)
    text = b"".join(taken).hex()
    if before is None:
        return StoredTile(level, number, text, first, last)
    return StoredTile(level, number, before.hashes + text, before.first_seq, last)


class TreeDamaged(Permanent):
    """A tile is not as long as it was written."""

    def __init__(self, level: int, number: int) -> None:
        super().__init__(
            f"The tile {level}/{number} of the audit log is damaged.",
            next_step="Restore the database from a backup; `highroad audit verify` says what else differs.",
        )
