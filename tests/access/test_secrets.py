"""Secrets are random, recognisable where that helps, and kept as hashes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.access import secrets
from highroad.access.secrets import (
    digest,
    hash_password,
    looks_like_token,
    new_secret,
    new_token,
    new_user_code,
    password_matches,
)


def test_a_password_is_kept_as_argon2id_and_matches_itself_alone() -> None:
    stored = hash_password("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert password_matches(stored, "correct horse battery")
    assert not password_matches(stored, "correct horse batterz")


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_password("the same words") != hash_password("the same words")


def test_nobody_has_no_password_and_no_hash_is_broken_by_a_bad_one() -> None:
    assert not password_matches(None, "")
    assert not password_matches("not a hash", "anything")


def test_an_unknown_user_costs_as_much_as_a_wrong_password() -> None:
    """The hash compared with for want of a real one has the parameters of real ones."""
    assert hash_password("anything").rsplit("$", 2)[0] == secrets._DUMMY.rsplit("$", 2)[0]
    assert len(hash_password("anything")) == len(secrets._DUMMY)


def test_a_token_starts_with_hr_and_is_recognised() -> None:
    token = new_token()
    assert re.fullmatch(r"hr_[0-9A-Za-z]{38}", token)
    assert looks_like_token(token)
    assert new_token() != token


@given(
    position=st.integers(3, 40),
    letter=st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
)
def test_a_token_with_one_wrong_letter_is_not(position: int, letter: str) -> None:
    token = new_token()
    wrong = token[:position] + letter + token[position + 1 :]
    assert looks_like_token(wrong) == (wrong == token)


@pytest.mark.parametrize("text", ["", "hr_", "hr_short", "ghp_" + "a" * 37, "é" * 41])
def test_what_is_no_token_is_not_one(text: str) -> None:
    assert not looks_like_token(text)


def test_a_user_code_can_be_read_aloud() -> None:
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", new_user_code())


def test_a_secret_has_256_bits_and_its_digest_does_not_tell_it() -> None:
    secret = new_secret()
    assert len(secret) >= 43
    assert re.fullmatch(r"[0-9a-f]{64}", digest(secret))
    assert secret not in digest(secret)
