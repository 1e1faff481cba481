"""Signed notes and keys are those that other implementations write and read."""

from __future__ import annotations

import pytest

from highroad.transparency import notes
from highroad.transparency.notes import BadKey, BadNote, Note, public_key, secret_key

# The example of golang.org/x/mod/sumdb/note.
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED = (
    f"{TEXT}\n\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_example_of_the_go_package_is_read_and_its_signature_holds() -> None:
    note = notes.parse(SIGNED)
    assert note.text == TEXT
    assert public_key(PUBLIC).signed(note)
    assert str(note) == SIGNED


def test_the_example_is_signed_as_there() -> None:
    key = secret_key(SECRET)
    assert str(Note(TEXT, (key.sign(TEXT),))) == SIGNED
    assert str(key.public) == PUBLIC
    assert str(key) == SECRET


def test_a_signature_holds_for_no_other_text_and_no_other_key() -> None:
    other = notes.parse(SIGNED.replace("answer", "anwser"))
    assert not public_key(PUBLIC).signed(other)
    assert not notes.new_key("PeterNeumann").public.signed(notes.parse(SIGNED))
    assert not notes.PublicKey("Somebody", public_key(PUBLIC).raw).signed(notes.parse(SIGNED))


def test_a_cosignature_also_signs_the_time() -> None:
    key = notes.new_key("example.com/log")
    note = Note(TEXT, (key.sign(TEXT), key.cosign(TEXT, 1_700_000_000)))
    assert key.public.signed_at(notes.parse(str(note))) == 1_700_000_000
    signed = note.signatures[1]
    later = notes.Signature(signed.name, signed.hash, (1_700_000_001).to_bytes(8, "big") + signed.signed[8:])
    assert key.public.signed_at(Note(TEXT, (later,))) is None
    assert key.public.signed_at(Note(TEXT, (note.signatures[0],))) is None


def test_the_two_types_of_one_key_are_told_apart_by_their_hash() -> None:
    key = notes.new_key("example.com/log").public
    assert key.hash(notes.ED25519) != key.hash(notes.COSIGNATURE)
    assert public_key(key.text(notes.COSIGNATURE)) == public_key(str(key)) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT,
        SIGNED[:-1],
        SIGNED.replace("\n\n", "\n"),
        SIGNED.replace("\u2014", "-"),
        SIGNED.replace("x08go", "x08g!"),
        f"{TEXT}\n\u2014 Peter x08g\n",
        f"{TEXT}\n\u2014 Pet+er {'A' * 12}\n",
        SIGNED.replace("think", "th\tink"),
        f"{TEXT}\n\u2014 Peter \u00e9\u00e9\u00e9\u00e9\n",
    ],
)
def test_what_is_no_signed_note_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(BadNote) as refused:
        notes.parse(text)
    assert refused.value.next_step


@pytest.mark.parametrize(
    "text", ["", "x", PUBLIC[:-1], PUBLIC.replace("c74f", "c74e"), PUBLIC.replace("+AR", "+BR"), SECRET]
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        public_key(text)


@pytest.mark.parametrize("text", ["", PUBLIC, SECRET.replace("c74f", "c74e"), SECRET[:-1]])
def test_what_is_no_secret_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadKey) as refused:
        secret_key(text)
    assert "AYEKFALV" not in refused.value.detail + repr(secret_key(SECRET))
