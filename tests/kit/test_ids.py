"""Identifiers: unique, sortable, of one shape."""

from __future__ import annotations

import re

from highroad.kit.ids import new_id


def test_an_identifier_is_a_prefix_and_twenty_six_letters_and_digits() -> None:
    assert re.fullmatch(r"dep_[0-9a-hjkmnp-tv-z]{26}", new_id("dep"))


def test_ten_thousand_are_all_different() -> None:
    assert len({new_id("x") for _ in range(10_000)}) == 10_000


def test_they_sort_by_the_millisecond_they_were_made_in() -> None:
    # The first 48 bits are the time: ten characters, less two bits.
    times = [new_id("x")[2:11] for _ in range(1000)]
    assert times == sorted(times)


def test_version_and_variant_are_those_of_a_uuid_version_seven() -> None:
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    value = 0
    for character in new_id("x")[2:]:
        value = value << 5 | alphabet.index(character)
    assert (value >> 76 & 0xF, value >> 62 & 0x3) == (7, 2)
