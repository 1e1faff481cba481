"""Sealed texts open with their key, at their place and unchanged, and in no other way."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.sealing import Keyring
from highroad.sealing.errors import BadMasterKey, CannotOpen, Locked, MasterKeyCommandFailed, WrongMasterKey
from highroad.sealing.keyring import WrappedKey, new_key, rewrap, sealed_by
from highroad.sealing.master import CommandKey, LocalKey, MasterKey, from_base64, from_words

MASTER = LocalKey(bytes(32), "a test")
STORED = [new_key(MASTER)]
RING = Keyring(MASTER, lambda: STORED)


@given(st.text(), st.text(max_size=60))
def test_what_was_sealed_opens_again(text: str, about: str) -> None:
    assert RING.open(RING.seal(text, about=about), about=about) == text


def test_a_lone_surrogate_survives() -> None:
    assert RING.open(RING.seal("a\ud800b", about="x"), about="x") == "a\ud800b"


def test_the_same_text_is_sealed_differently_each_time_and_shows_nothing_of_it() -> None:
    sealed = {RING.seal("hunter2", about="x") for _ in range(100)}
    assert len(sealed) == 100
    assert not any("hunter2" in each for each in sealed)
    assert {sealed_by(each) for each in sealed} == {STORED[0].id}


def test_a_sealed_text_that_was_moved_does_not_open() -> None:
    sealed = RING.seal("hunter2", about="secret:a")
    with pytest.raises(CannotOpen, match="secret:b") as refused:
        RING.open(sealed, about="secret:b")
    assert "hunter2" not in str(refused.value)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_no_change_of_a_byte_goes_unseen(position: int, change: int) -> None:
    sealed = bytearray(RING.seal("hunter2", about="x").encode())
    sealed[position % len(sealed)] ^= change
    with pytest.raises(CannotOpen):
        RING.open(sealed.decode("latin-1"), about="x")


@pytest.mark.parametrize("text", ["", "plain", "hs1", "hs1..", "hs1.x.%%%", "hs2.a.b", "hs1.a.b.c", '{"A": "1"}'])
def test_what_is_not_sealed_does_not_open(text: str) -> None:
    with pytest.raises(CannotOpen):
        RING.open(text, about="x")


def test_a_text_of_another_installation_does_not_open() -> None:
    other = [new_key(MASTER)]
    sealed = Keyring(MASTER, lambda: other).seal("x", about="x")
    with pytest.raises(CannotOpen, match="not in this database"):
        RING.open(sealed, about="x")


def test_a_rotated_keyring_seals_with_the_new_key_and_opens_both() -> None:
    stored = [new_key(MASTER)]
    ring = Keyring(MASTER, lambda: stored)
    before = ring.seal("x", about="x")
    stored[:] = [new_key(MASTER), WrappedKey(stored[0].id, stored[0].master, stored[0].wrapped, retired=True)]
    ring.refresh()
    after = ring.seal("x", about="x")
    assert sealed_by(after) == stored[0].id
    assert [ring.open(each, about="x") for each in (before, after)] == ["x", "x"]


def test_a_key_that_somebody_else_made_is_looked_for_when_it_is_met() -> None:
    stored = [new_key(MASTER)]
    here, there = Keyring(MASTER, lambda: stored), Keyring(MASTER, lambda: stored)
    here.seal("x", about="x")
    stored.insert(0, new_key(MASTER))
    sealed = there.seal("x", about="x")
    assert here.open(sealed, about="x") == "x"


def test_without_a_key_nothing_is_sealed() -> None:
    with pytest.raises(Locked):
        Keyring(MASTER, list).seal("x", about="x")


# Master keys


def test_another_master_key_unwraps_nothing() -> None:
    wrong = LocalKey(os.urandom(32), "another")
    with pytest.raises(WrongMasterKey):
        Keyring(wrong, lambda: STORED).seal("x", about="x")


def test_a_wrapped_key_that_was_exchanged_for_another_is_noticed() -> None:
    a, b = new_key(MASTER), new_key(MASTER)
    swapped = WrappedKey(a.id, a.master, b.wrapped)
    with pytest.raises(WrongMasterKey):
        Keyring(MASTER, lambda: [swapped]).refresh()


def test_a_data_key_moves_to_another_master_key() -> None:
    after = LocalKey(os.urandom(32), "the new one")
    sealed = RING.seal("x", about="x")
    moved = rewrap(STORED[0], MASTER, after)
    assert Keyring(after, lambda: [moved]).open(sealed, about="x") == "x"
    assert moved.master == after.id != MASTER.id


@pytest.mark.parametrize("text", ["not base64!", "", "YWJj", "A" * 100])
def test_a_key_that_is_none_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(BadMasterKey) as refused:
        from_base64(text, "HIGHROAD_MASTER_KEY")
    assert text == "" or text not in refused.value.detail + refused.value.next_step


def test_a_key_shows_itself_nowhere() -> None:
    key = bytes(range(65, 97))
    assert key.decode() not in repr(LocalKey(key, "here")) + str(LocalKey(key, "here"))


# A command

REVERSED = (
    sys.executable,
    "-c",
    "import sys; line = sys.stdin.readline().strip(); "
    "print({'wrap': 'kms:' + line[::-1], 'unwrap': line[4:][::-1]}[sys.argv[1]])",
)


def ring_of(master: MasterKey) -> Keyring:
    stored = [new_key(master)]
    return Keyring(master, lambda: stored)


def test_a_command_wraps_and_unwraps() -> None:
    ring = ring_of(CommandKey(REVERSED))
    assert ring.open(ring.seal("x", about="x"), about="x") == "x"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.exit('no access: ' + sys.stdin.readline())", "exit code 1: no access"),
        ("import time; time.sleep(60)", "longer than 0.5 s"),
    ],
)
def test_a_command_that_fails_is_a_matter_of_trying_again_and_gives_nothing_away(program: str, said: str) -> None:
    command = CommandKey((sys.executable, "-c", program), seconds=0.5 if "sleep" in program else 10)
    with pytest.raises(MasterKeyCommandFailed, match=said) as failed:
        command.unwrap("wrapped-and-secret", about="k")
    shown = [failed.value.detail, failed.value.next_step, str(failed.value.__cause__)]
    assert not any("wrapped-and-secret" in each for each in shown)


@pytest.mark.parametrize("program", ["", "print('a\\x07b')", "print('x' * 9000)"])
def test_a_command_that_prints_no_wrapped_key_is_refused(program: str) -> None:
    with pytest.raises(BadMasterKey):
        CommandKey((sys.executable, "-c", program)).wrap(bytes(32), about="k")


def test_a_command_that_is_not_there_is_said_so() -> None:
    with pytest.raises(MasterKeyCommandFailed, match="cannot run"):
        CommandKey(("/nonexistent/kms",)).wrap(bytes(32), about="k")


@pytest.mark.parametrize("text", ["", "   ", "'unclosed"])
def test_a_command_line_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadMasterKey):
        from_words(text)
