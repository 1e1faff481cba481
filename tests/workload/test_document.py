"""YAML is read with its places, and what a configuration file has no use for is refused by line."""

from __future__ import annotations

import contextlib
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from highroad.workload.document import BadYaml, parse


def refused(text: str) -> str:
    with pytest.raises(BadYaml) as caught:
        parse("f.yaml", text)
    return caught.value.detail


def test_values_keep_their_places() -> None:
    document = parse("f.yaml", "a:\n  b: [x, y]\n  c:\n    - d: 1\n")
    assert document.value == {"a": {"b": ["x", "y"], "c": [{"d": 1}]}}
    assert document.place(("a", "b", 1)) == (2, 10)
    assert document.error(("a", "c", 0, "d"), "is wrong").pointer == "f.yaml:4:7"
    assert document.error(("a", "c", 0, "d"), "is wrong").detail == "a.c[0].d: is wrong"


def test_a_missing_field_is_placed_at_its_nearest_ancestor() -> None:
    assert parse("f.yaml", "a:\n  b: 1\n").place(("a", "c", "d")) == (1, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("010", 10),
        ("0o10", 8),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        ("true", True),
        ("~", None),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("9" * 50, "9" * 50),
    ],
)
def test_scalars_mean_what_people_mean(text: str, value: object) -> None:
    read = parse("f.yaml", f"a: {text}\n").value
    assert read == {"a": value}
    assert isinstance(read, dict)
    assert type(read["a"]) is type(value)


def test_an_empty_file_is_none() -> None:
    assert parse("f.yaml", "").value is None
    assert parse("f.yaml", "# only a comment\n").value is None


def test_broken_yaml_names_the_line_and_where_it_began() -> None:
    detail = refused("a: 1\nb: [1, 2\nc: 3\n")
    assert detail.startswith("f.yaml:3:")
    assert "begins on line 2" in detail


def test_a_tab_is_named_as_such() -> None:
    assert refused("a:\n\tb: 1\n") == "f.yaml:2:1: is indented with a tab; YAML allows only spaces."


def test_a_tab_inside_of_a_text_is_fine() -> None:
    assert parse("f.yaml", "a: |\n  x\ty\n").value == {"a": "x\ty\n"}


def test_a_duplicate_key_is_refused_with_both_lines() -> None:
    assert refused("a: 1\nb: 2\na: 3\n") == "f.yaml:3:1: 'a' is here a second time; it is already on line 1."


def test_a_second_document_is_refused() -> None:
    assert refused("a: 1\n---\nb: 2\n").startswith("f.yaml:2:1: a second document begins here")


def test_an_alias_is_followed() -> None:
    assert parse("f.yaml", "a: &x [1]\nb: *x\n").value == {"a": [1], "b": [1]}


def test_an_alias_bomb_is_refused_before_it_unfolds() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    started = time.perf_counter()
    assert "once its aliases are unfolded" in refused("\n".join(lines))
    assert time.perf_counter() - started < 1


def test_a_long_text_cannot_be_multiplied_either() -> None:
    text = f"a: &a {'x' * 200_000}\nb: [{', '.join(['*a'] * 200)}]\n"
    assert "once its aliases are unfolded" in refused(text)


def test_an_alias_to_itself_is_refused() -> None:
    assert "refers to nothing before it" in refused("a: &x [*x]\n")


def test_deep_nesting_is_refused() -> None:
    assert "nested deeper" in refused("[" * 500 + "]" * 500)


@pytest.mark.parametrize("text", ["a: !!python/object/apply:os.system [id]", "a: !Ref b", "? [1, 2]\n: 3", "a: \0"])
def test_what_has_no_meaning_here_is_refused(text: str) -> None:
    assert refused(text).startswith("f.yaml:1:")


def test_a_large_file_is_read_or_refused_quickly() -> None:
    started = time.perf_counter()
    refused("a:\n" + "".join(f"  k{n}: v\n" for n in range(80_000)))
    assert time.perf_counter() - started < 2


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", min_size=1, max_size=5), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(_values)
def test_what_yaml_writes_is_read_back(value: object) -> None:
    assert parse("f.yaml", yaml.safe_dump(value, allow_unicode=True)).value == value


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadYaml):
        parse("f.yaml", text)
