"""The generator of the reference reads the code as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from highroad.errors import HighroadError, NotFound
from highroad.settings import BadSetting, Settings
from tools import reference


@dataclass(frozen=True, slots=True)
class Sample:
    """Two fields, one with a meaning."""

    size: int = 1
    """How large."""
    name: str = ""


def test_a_field_takes_its_meaning_from_the_docstring_below_it() -> None:
    assert reference.meanings(Sample) == {"size": "How large."}


def test_table_cells_cannot_break_the_table() -> None:
    assert reference.table(("A", "B"), [("x|y", "one\ntwo")]).splitlines()[2] == "| x\\|y | one two |"


def test_an_empty_table_is_left_out() -> None:
    assert reference.table(("A",), []) == ""


def test_sizes_and_times_are_shown_with_their_unit() -> None:
    default = Settings(Path("/data"))
    assert reference.shown("push_limit", default.push_limit) == "268435456 bytes (256 MiB)"
    assert reference.shown("build_seconds", default.build_seconds) == "1200 seconds"
    assert reference.shown("allow_unisolated", default.allow_unisolated) == "no"


def test_errors_are_found_below_their_families() -> None:
    found = reference.error_classes()
    assert found[0] is HighroadError
    assert {NotFound, BadSetting} <= set(found)


def test_what_is_not_written_yet_is_none() -> None:
    assert reference.existing("highroad.no_such_room.model", "THING") is None
    assert reference.existing("highroad.settings", "NO_SUCH_NAME") is None


def test_commands_are_listed_with_their_path_and_hidden_ones_are_not() -> None:
    inner = click.Group("config", commands=[click.Command("set"), click.Command("secret", hidden=True)])
    root = click.Group("highroad", commands=[inner])
    assert [path for path, _, _ in reference.commands(root)] == [("highroad", "config"), ("highroad", "config", "set")]


def test_a_stale_page_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "ALL_PAGES", {"one.md": lambda: "1\n", "two.md": lambda: "2\n"})
    (tmp_path / "one.md").write_text("1\n")
    (tmp_path / "two.md").write_text("old\n")
    assert reference.outdated(tmp_path) == ["two.md"]


def test_keys_of_a_schema_are_listed_with_what_they_take() -> None:
    schema: dict[str, Any] = {
        "properties": {"health": {"oneOf": [{"type": "string"}, {"$ref": "#/$defs/health"}], "description": "How."}},
        "$defs": {"health": {"type": "object", "properties": {"grace": {"type": "number", "description": "Seconds."}}}},
    }
    assert list(reference._keys(schema, schema["$defs"])) == [
        ("`health`", "text or mapping", "How."),
        ("`health.grace`", "number", "Seconds."),
    ]
