"""Our checker agrees with a general validator on what is valid, and says better what is not."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.workload.document import Document, parse
from highroad.workload.schema import check, did_you_mean, load

SCHEMAS = ("score-v1b1.json", "highroad.schema.json")
GENERAL = {name: jsonschema.Draft202012Validator(load(name)) for name in SCHEMAS}
SCORE = {"apiVersion": "score.dev/v1b1", "metadata": {"name": "ab"}, "containers": {"ab": {"image": "."}}}

_WORDS = """apiVersion metadata name containers image files content source target before ready resources limits memory
cpu type id build commands test required processes command http health none tcp schedule count web
variables paths x-y"""
_names = st.sampled_from(_WORDS.split())
_leaves = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        80,
        0.5,
        -1,
        70000,
        "",
        ".",
        "none",
        "/",
        "/healthz",
        "512Mi",
        "250m",
        "web",
        "score.dev/v1b1",
        "a\n",
        "A",
    ]
)
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4), max_leaves=12
)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_a_valid_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(load(name))


@pytest.mark.parametrize("name", SCHEMAS)
@given(value=_values, extra=_values, key=_names)
def test_a_general_validator_agrees(name: str, value: object, extra: object, key: str) -> None:
    full = {**SCORE, key: extra} if name == SCHEMAS[0] else {key: extra}
    for each in (value, full, {key: value}):
        assert (check(Document("f", each, {}), load(name)) == []) == GENERAL[name].is_valid(each)


def test_every_example_in_the_schema_is_valid() -> None:
    schema = load("highroad.schema.json")
    examples = [(name, example) for name, each in schema["properties"].items() for example in each.get("examples", ())]
    assert len(examples) > 5
    for name, example in examples:
        assert check(Document("f", {name: example}, {}), schema) == []


def flaws(text: str) -> list[str]:
    errors = check(parse("highroad.yaml", text), load("highroad.schema.json"))
    return [f"{error.pointer}: {error.detail}" for error in errors]


def test_the_branch_that_was_meant_is_the_one_complained_about() -> None:
    assert flaws("processes:\n  web:\n    comand: x\n") == [
        "highroad.yaml:3:5: processes.web.comand: is not a known field; did you mean 'command'?"
    ]
    assert flaws("health: healthz\n") == [
        "highroad.yaml:1:1: health: 'healthz' cannot be used here. A path begins with '/'; or write none"
    ]


def test_a_number_where_text_belongs_is_shown_in_quotes() -> None:
    assert flaws("build:\n  version: 3.11\n") == [
        'highroad.yaml:2:3: build.version: must be text: write it in quotes, "3.11"'
    ]


def test_a_field_that_is_empty_is_said_to_be_empty() -> None:
    assert flaws("build:\n") == ["highroad.yaml:1:1: build: must be a mapping, but nothing is written"]


def test_flaws_come_in_the_order_of_lines() -> None:
    lines = [
        int(flaw.split(":")[1]) for flaw in flaws("buid: {}\ntest: 3\nprocesses:\n  web: {count: -1}\nlimit: {}\n")
    ]
    assert lines == sorted(lines)
    assert len(lines) == 4


def test_a_file_of_flaws_does_not_flood_the_reader() -> None:
    assert len(flaws("".join(f"wrong{n}: 1\n" for n in range(500)))) == 20


@pytest.mark.parametrize(
    ("written", "meant"), [("imgae", "image"), ("Image", "image"), ("commands", "command"), ("zzz", "")]
)
def test_a_near_name_is_suggested(written: str, meant: str) -> None:
    assert did_you_mean(written, ["image", "command"]) == (f"; did you mean {meant!r}?" if meant else "")


def test_a_schema_with_an_unchecked_keyword_is_refused() -> None:
    with pytest.raises(AssertionError, match="multipleOf"):
        check(Document("f", 1, {}), {"type": "integer", "multipleOf": 2})


def test_both_schemas_are_readable_json_without_a_machine_in_them() -> None:
    for name in SCHEMAS:
        assert json.dumps(load(name)).count("localhost") == 0
