"""Masking a stream: nothing of a form survives, nothing else changes, and cuts make no difference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.kit.masking import LONGEST, MASK, Forms, Masker, masked

# A small alphabet, so that forms overlap, touch, and begin within each other; forms of all densities of looking.
_LETTERS = st.sampled_from([b"a", b"b", b"c", b"\xe2", b" "])
_FORMS = st.lists(st.lists(_LETTERS, min_size=4, max_size=24).map(b"".join), max_size=6)
_PIECES = st.lists(st.one_of(_LETTERS, st.just(b"\n"), st.binary(max_size=9)), max_size=40)


def streamed(forms: Forms, data: bytes, cuts: list[int]) -> bytes:
    masker, out, at = Masker(forms), [], 0
    for cut in sorted(min(cut, len(data)) for cut in cuts):
        out.append(masker.feed(data[at:cut]))
        at = cut
    return b"".join([*out, masker.feed(data[at:]), masker.close()])


@given(_FORMS, _PIECES, st.data())
def test_no_form_survives_and_cuts_make_no_difference(
    forms: list[bytes], pieces: list[bytes], data: st.DataObject
) -> None:
    inserted = data.draw(st.lists(st.sampled_from([*forms, b"x"]), max_size=8))
    text = b"".join(data.draw(st.permutations([*pieces, *inserted])))
    index = Forms(forms)
    whole = masked(text, index)
    assert not any(form in whole for form in forms)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=12))
    assert streamed(index, text, cuts) == whole
    assert streamed(index, text, list(range(len(text)))) == whole


@given(_FORMS, st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_what_holds_no_form_is_unchanged(forms: list[bytes], text: bytes, cuts: list[int]) -> None:
    if not any(form in text for form in forms):
        assert masked(text, Forms(forms)) == text
        assert streamed(Forms(forms), text, cuts) == text


@given(st.integers(0, 40), st.integers(0, 40), st.integers(4, 40))
def test_a_form_is_found_wherever_it_stands(before: int, behind: int, size: int) -> None:
    form = bytes(range(100, 100 + size))
    assert masked(b"." * before + form + b"." * behind, Forms([form])) == b"." * before + MASK + b"." * behind


def test_only_a_possible_beginning_is_held_back() -> None:
    masker = Masker(Forms([b"hunter2-is-long"]))
    assert masker.feed(b"the password is hunt") == b"the password is "
    assert masker.feed(b"ing season") == b"hunting season"
    assert masker.feed(b"hunter2-is-lo") == b""
    assert masker.close() == b"hunter2-is-lo"


def test_a_line_end_lets_everything_go() -> None:
    assert Masker(Forms([b"hunter2"])).feed(b"hunt\n") == b"hunt\n"


def test_overlapping_and_touching_forms_become_one_mask() -> None:
    forms = Forms([b"abcdef", b"defghi"])
    assert masked(b"-abcdefghi-abcdefabcdef-", forms) == b"-***-***-"


def test_a_very_long_form_is_hidden_in_pieces_and_shows_as_one_mask() -> None:
    form = b"".join(b"%06d" % number for number in range(3 * LONGEST // 6))
    index = Forms([form])
    assert masked(b"[" + form + b"]", index) == b"[***]"
    assert streamed(index, b"[" + form + b"]", list(range(0, len(form), 7))) == b"[***]"
    assert masked(form[: LONGEST // 2], index) == MASK


@pytest.mark.parametrize("form", [b"abc", b"line\nend"])
def test_forms_that_cannot_be_looked_for_are_refused(form: bytes) -> None:
    with pytest.raises(ValueError, match="four bytes"):
        Forms([form])


def test_without_forms_everything_passes() -> None:
    assert not Forms([])
    assert masked(b"anything", Forms([])) == b"anything"
