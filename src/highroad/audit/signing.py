"""The key that signs checkpoints: a file in the data directory that nobody else reads, made when it is first needed.

Its public half is recorded in the database and as an event, so that a log says itself who signed it. Backups do not
have the file: whoever restores one signs on with a new key, which stands in the log from then on. Several control
planes on one database have a key each.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

from highroad.access.model import SYSTEM
from highroad.audit import store
from highroad.db.engine import Transaction
from highroad.errors import Conflict
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.transparency import notes
from highroad.transparency.notes import SecretKey

NAME = "audit.key"
ORIGIN = "origin"


class KeyExposed(Conflict):
    code = "audit-key-exposed"
    title = "The key of the audit log can be read by others"


def origin_of(tx: Transaction, domain: str) -> str:
    """What the log is called: never changed after its first use, and different for every installation."""
    return store.setting(tx, ORIGIN) or store.put_setting_once(tx, ORIGIN, f"{_plain(domain)}/audit/{_random()}")


def _plain(domain: str) -> str:
    return re.sub(r"[^A-Za-z0-9.:-]", "-", domain)


def _random() -> str:
    return secrets.token_hex(5)


def signing_key(data: Path, origin: str) -> SecretKey:
    """The key in the data directory, made if there is none. Raises `KeyExposed`, and `BadKey` for a damaged file."""
    file = data / NAME
    if not file.exists():
        _make(file, origin)
    mode = file.stat().st_mode
    if mode & 0o077:
        raise KeyExposed(
            f"{file} has the mode {mode & 0o777:o}: whoever read it can sign checkpoints.",
            next_step=f"chmod 600 {file}; if somebody may have read it, move it away, and a new key is made.",
        )
    key = notes.secret_key(file.read_text())
    return SecretKey(origin, key.seed)  # the same key, should the file be of another log


def _make(file: Path, origin: str) -> None:
    """Whole or not at all, and one of two that make it at once wins."""
    partial = file.with_name(f".{NAME}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(f"{notes.new_key(origin)}\n")
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def announce(tx: Transaction, log: EventLog, key: SecretKey) -> bool:
    """Record the public half of a key that has not signed here yet. False when it had been."""
    public = str(key.public)
    if not store.add_key(tx, public):
        return False
    log.append(tx, Event(events.AUDIT_KEY_ADDED, public, {"key": public}), SYSTEM)
    return True
