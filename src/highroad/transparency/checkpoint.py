"""C2SP tlog-checkpoint: origin, size and root of a log as a signed note.

Ours carry two signatures of one key: the log's, and a cosignature with the time, so that the time is proved too and
other verifiers read them as they read any checkpoint. Called by the sequencer, by `verify` and by witnesses.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from highroad.transparency import notes
from highroad.transparency.notes import BadNote, Note, PublicKey, SecretKey


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`root` is the hash over the first `size` leaves. `origin` names the log."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign(checkpoint: Checkpoint, key: SecretKey, at: datetime) -> str:
    """The signed note."""
    text = checkpoint.text
    return str(Note(text, (key.sign(text), key.cosign(text, int(at.timestamp())))))


def read(text: str) -> tuple[Checkpoint, Note]:
    """The checkpoint that a note states, whoever signed it. Raises `BadNote`."""
    note = notes.parse(text)
    lines = note.text.split("\n")
    size = lines[1] if len(lines) > 3 else ""
    try:
        root = base64.b64decode(lines[2], validate=True) if size else b""
    except ValueError:
        root = b""
    # Only the one decimal writing that others compare as text.
    if not lines[0] or not (size.isascii() and size.isdigit()) or size != str(int(size[:20])) or len(root) != 32:
        raise BadNote(
            "The note is no checkpoint: it does not begin with origin, size and root.",
            next_step="A checkpoint is what `highroad audit checkpoint` prints.",
        )
    return Checkpoint(lines[0], int(size), root), note


def signed_by(note: Note, keys: Iterable[PublicKey]) -> tuple[PublicKey, datetime | None] | None:
    """The first of `keys` that signed the note, with the time if it signed that; None if none did.

    The cosignature covers the text as well, so that where it holds the other need not be looked at.
    """
    for key in keys:
        if (time := key.signed_at(note)) is not None and time < 253_402_300_800:
            return key, datetime.fromtimestamp(time, UTC)
    return next(((key, None) for key in keys if key.signed(note)), None)
