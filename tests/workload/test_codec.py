"""A stored workload comes back exactly as it was, and nothing else is taken for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.workload.codec import BadWorkload, dump, load
from highroad.workload.model import (
    Build,
    File,
    Health,
    Limits,
    Process,
    Reason,
    ResourceRequest,
    Test,
    Volume,
    Workload,
)

_text = st.text(max_size=8)
_maybe = st.none() | _text
_floats = st.floats(0, 1e6, allow_nan=False)
_texts = st.dictionaries(_text, _text, max_size=2)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _text, lambda each: st.lists(each, max_size=2), max_leaves=4
)
_limits = st.builds(Limits, st.none() | st.integers(1), st.none() | _floats, st.none() | st.integers(1), st.none())
_health = st.builds(Health, st.sampled_from(["http", "tcp", "command", "none"]), _text, _text, _texts, _floats)
_files = st.lists(st.builds(File, _text, _text, _text, st.booleans()), max_size=1).map(tuple)
_volumes = st.lists(st.builds(Volume, _text, _text, _text, st.booleans()), max_size=1).map(tuple)
_processes = st.builds(
    Process,
    name=_text,
    command=_text,
    http=st.booleans(),
    schedule=_maybe,
    count=st.integers(0, 9),
    health=_health,
    limits=_limits,
    variables=_texts,
    drain=_floats,
    image=_maybe,
    port=st.none() | st.integers(1, 65535),
    files=_files,
    volumes=_volumes,
    before=_texts,
)
_workloads = st.builds(
    Workload,
    processes=st.lists(_processes, max_size=2).map(tuple),
    build=st.builds(Build, st.sampled_from(["python", "other"]), _maybe, _text, _maybe, st.just(("a", "b")), _maybe),
    test=st.none() | st.builds(Test, _text, _maybe, st.booleans(), st.just(("pytest",))),
    release_command=_maybe,
    variables=_texts,
    resources=st.lists(
        st.builds(ResourceRequest, _text, _text, _text, _maybe, st.dictionaries(_text, _json, max_size=2)), max_size=1
    ).map(tuple),
    image=_maybe,
    reasons=st.lists(st.builds(Reason, _text, _text), max_size=2).map(tuple),
    paths=st.just(("a/**",)),
    name=_maybe,
    annotations=_texts,
)


@given(_workloads)
def test_what_is_dumped_is_loaded_as_it_was(workload: Workload) -> None:
    stored = json.dumps(dump(workload))
    assert load(json.loads(stored)) == workload


def test_fields_that_an_older_version_did_not_write_get_their_defaults() -> None:
    assert load({"processes": [{"name": "web", "command": "x"}]}) == Workload(processes=(Process("web", "x"),))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"processes": "web"},
        {"processes": [{"name": "web", "command": 3}]},
        {"processes": [{"name": "web", "command": "x", "count": "1"}]},
        {"processes": [], "build": {"language": "cobol"}},
    ],
)
def test_nothing_is_converted_to_fit(value: dict[str, Any]) -> None:
    with pytest.raises(BadWorkload, match="This is not a workload"):
        load(value)
