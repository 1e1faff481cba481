"""What a step leaves behind reads the same the first time and after a crash."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.errors import FieldError, HighroadError, Invalid, NotFound, Permanent
from highroad.workflows.outcome import Envelope, NotPlain, failed, opened, succeeded

_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Special(NotFound):
    code = "special"

    def __init__(self, thing: str) -> None:
        super().__init__(f"No {thing}.", next_step="Look elsewhere.", extra={"thing": thing})


class Broken(Permanent):
    pass


def _written_and_read(envelope: Envelope) -> Any:
    return opened(json.loads(json.dumps(envelope)))


@given(_PLAIN)
def test_every_plain_value_comes_back_unchanged(value: Any) -> None:
    assert _written_and_read(succeeded(value)) == value


@pytest.mark.parametrize("value", [(1, 2), {1: "a"}, {"a": {2}}, math.nan, math.inf, object(), b"bytes"])
def test_a_value_that_json_would_change_is_refused(value: object) -> None:
    with pytest.raises(NotPlain, match="JSON"):
        succeeded(value)


def test_an_error_comes_back_with_its_class_words_and_next_step() -> None:
    with pytest.raises(Special) as caught:
        _written_and_read(failed(Special("moon")))
    error = caught.value
    assert (error.code, error.status, str(error)) == ("special", 404, "No moon.")
    assert (error.detail, error.next_step, error.extra) == ("No moon.", "Look elsewhere.", {"thing": "moon"})


def test_field_errors_come_back() -> None:
    with pytest.raises(Invalid) as caught:
        _written_and_read(failed(Invalid("Bad.", next_step="Mend it.", errors=[FieldError("/a", "wrong")])))
    assert caught.value.errors == (FieldError("/a", "wrong"),)


def test_a_permanent_failure_comes_back_with_its_class() -> None:
    with pytest.raises(Broken) as caught:
        _written_and_read(failed(Broken("no image", next_step="Build it.")))
    assert (caught.value.detail, caught.value.next_step) == ("no image", "Build it.")


def test_an_error_whose_class_is_gone_comes_back_as_its_nearest_ancestor() -> None:
    envelope = failed(Special("moon"))
    envelope["error"]["kinds"][0] = f"{__name__}:Renamed"
    with pytest.raises(NotFound, match="moon") as caught:
        _written_and_read(envelope)
    assert type(caught.value) is NotFound


def test_no_module_is_imported_and_no_other_class_built_by_a_recorded_name() -> None:
    assert "antigravity" not in sys.modules
    recorded = {"kinds": ["antigravity:Error", "builtins:SystemExit"], "detail": "d", "next_step": "n"}
    with pytest.raises(HighroadError, match="d"):
        opened({"error": recorded | {"errors": [], "extra": {}}})
    assert "antigravity" not in sys.modules


def test_an_extra_member_that_is_no_json_is_kept_as_text() -> None:
    with pytest.raises(HighroadError) as caught:
        _written_and_read(failed(HighroadError("d", next_step="n", extra={"path": {1}})))
    assert caught.value.extra == {"path": "{1}"}
