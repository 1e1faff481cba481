"""Every form in which a secret value can show is hidden; ordinary words are not."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from highroad.kit.disguises import NOTHING, Mask, disguises, weakness
from highroad.kit.masking import SHORTEST

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=SHORTEST, max_size=60)
_AROUND = st.binary(max_size=7)
_TEXT_ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "quote": quote,
    "quote all": lambda text: quote(text, safe=""),
    "quote_plus": quote_plus,
    "lower": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "form": lambda text: urlencode({"a": text}),
    "json": json.dumps,
    "json utf-8": lambda text: json.dumps(text, ensure_ascii=False),
    "json slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "json twice": lambda text: json.dumps(json.dumps(text)),
    "shell": shlex.quote,
    "html": html.escape,
    "repr": repr,
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
}


@pytest.mark.parametrize("encoding", list(_TEXT_ENCODINGS))
@given(value=_TEXT, before=st.text("ab =\n", max_size=5))
@example(value="p@ss w/rd+'\"<&>\\é~*!(", before="")
@example(value="-----BEGIN KEY-----\nMIIEvQIBADAN\nkqhki+G9w0/=\n-----END KEY-----\n", before="key ")
@example(value="postgres://app:s3cr3t%2Fx@db:5432/app", before="")
def test_no_encoding_shows_the_value(encoding: str, value: str, before: str) -> None:
    assume(weakness(value) is None)
    shown = Mask([value]).text(f"{before}{_TEXT_ENCODINGS[encoding](value)}!")
    for text in [value.strip()] if "\n" not in value else [line for line in value.split() if len(line) > 8]:
        if not text.startswith("---"):
            assert text not in shown
            assert _TEXT_ENCODINGS[encoding](text).strip("'\"") not in shown


@given(value=_TEXT, before=_AROUND, behind=_AROUND)
def test_base64_shows_nothing_but_edges_whatever_stands_around(value: str, before: bytes, behind: bytes) -> None:
    assume(weakness(value) is None)
    raw = value.strip().encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(before + raw + behind).decode()
        shown = Mask([value]).text(whole)
        first, end = -(-len(before) * 8 // 6), (len(before) + len(raw)) * 8 // 6
        assert whole[first:end] not in shown
        assert shown.startswith(whole[:first])


def test_wrapped_base64_is_hidden() -> None:
    value = "".join(map(chr, range(33, 126))) * 2
    shown = Mask([value]).text(base64.encodebytes(value.encode()).decode())
    assert [line.rstrip("=") for line in shown.splitlines()] == ["***"] * 4


def test_lines_are_hidden_one_by_one_and_armour_stays() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END PRIVATE KEY-----\n"
    shown = Mask([key]).text("> MIIEvQIBADANBg\n" + key)
    assert shown == "> ***\n-----BEGIN PRIVATE KEY-----\n***\n***\n-----END PRIVATE KEY-----\n"


def test_a_password_within_a_url_is_hidden_alone() -> None:
    mask = Mask(["postgres://app:s3cr3t%2Fx@db.example:5432/app"])
    assert mask.text("no such user app with s3cr3t/x at db.example") == "no such user app with *** at db.example"


@pytest.mark.parametrize("value", ["", "abc", "true", "Password", "8080", "********", "a\nb\n", " x "])
def test_what_ordinary_output_is_full_of_is_not_hidden_and_said(value: str) -> None:
    assert weakness(value) is not None
    assert disguises(value) == frozenset()


@pytest.mark.parametrize("value", ["hunter2", "12345678", "s3cr", "-----BEGIN X-----\nabcdefgh"])
def test_what_is_rare_is_hidden_and_needs_no_warning(value: str) -> None:
    assert weakness(value) is None
    assert disguises(value)


def test_json_values_are_masked_with_their_names() -> None:
    shown = Mask(["hunter2"]).value({"hunter2": ["a hunter2", 3, None, {"x": "fine"}]})
    assert shown == {"***": ["a ***", 3, None, {"x": "fine"}]}


def test_output_that_is_veiled_comes_masked_and_whole() -> None:
    said: list[bytes] = []
    emit = Mask(["hunter2"]).over(said.append)
    for piece in (b"a hun", b"ter2 b hun"):
        emit(piece)
    emit.close()
    assert b"".join(said) == b"a *** b hun"


def test_nothing_to_hide_hides_nothing_and_a_mask_tells_nothing() -> None:
    assert NOTHING.text("text") == "text"
    assert not NOTHING
    assert "hunter2" not in repr(Mask(["hunter2"]))
