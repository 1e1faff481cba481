"""Checkpoints are C2SP tlog-checkpoints that carry the time of their signing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from highroad.transparency import checkpoint, notes
from highroad.transparency.checkpoint import Checkpoint
from highroad.transparency.notes import BadNote

AT = datetime(2026, 11, 22, 23, 7, 20, tzinfo=UTC)
KEY = notes.new_key("example.com/audit/1")
ROOT = bytes(range(32))
SIGNED = checkpoint.sign(Checkpoint("example.com/audit/1", 20852163, ROOT), KEY, AT)


def test_a_checkpoint_is_origin_size_and_root() -> None:
    assert SIGNED.startswith("example.com/audit/1\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n\u2014 ")
    stated, note = checkpoint.read(SIGNED)
    assert stated == Checkpoint("example.com/audit/1", 20852163, ROOT)
    assert KEY.public.signed(note)


def test_its_time_is_signed() -> None:
    _, note = checkpoint.read(SIGNED)
    assert checkpoint.signed_by(note, [notes.new_key("x").public, KEY.public]) == (KEY.public, AT)
    assert checkpoint.signed_by(notes.Note(note.text, note.signatures[:1]), [KEY.public]) == (KEY.public, None)
    assert checkpoint.signed_by(note, [notes.new_key("example.com/audit/1").public]) is None


@pytest.mark.parametrize("size", ["", "-1", "01", "1.0", "\u0661", "x", "1" * 30])
def test_a_size_is_a_plain_number(size: str) -> None:
    with pytest.raises(BadNote):
        checkpoint.read(SIGNED.replace("20852163", size))


def test_a_root_has_32_bytes() -> None:
    with pytest.raises(BadNote):
        checkpoint.read(SIGNED.replace("AAECAwQF", "AAEC"))
    with pytest.raises(BadNote):
        checkpoint.read(SIGNED.replace("AAECAwQF", "\u00e9\u00e9\u00e9\u00e9"))
