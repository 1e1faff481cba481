"""The reference says what the code says, and leaves nothing out."""

from __future__ import annotations

from dataclasses import fields

from highroad.cli.table import GROUPS
from highroad.settings import Settings
from tools.reference import error_classes, openapi, outdated


def test_reference_pages_are_up_to_date() -> None:
    assert outdated() == [], "run `make reference`"


def test_every_command_is_documented(pages: dict[str, str]) -> None:
    text = pages["docs/reference/cli.md"]
    named = [entry.name for _, entries in GROUPS for entry in entries]
    assert {"up", "down", "backup", "restore", "sign-in-link"} <= set(named)
    assert [name for name in named if f"## highroad {name}\n" not in text] == []


def test_every_endpoint_is_documented(pages: dict[str, str]) -> None:
    document, text = openapi(), pages["docs/reference/api.md"]
    assert document is not None
    named = [f"`{method.upper()} {path}`" for path, methods in document["paths"].items() for method in methods]
    assert len(named) > 30
    assert [each for each in named if each not in text] == []


def test_every_error_is_documented(pages: dict[str, str]) -> None:
    text = pages["docs/reference/errors.md"]
    assert [each.__qualname__ for each in error_classes() if f"## {each.code}\n" not in text] == []


def test_one_error_code_means_one_thing() -> None:
    """The client may mirror a code of the API; within each side a code belongs to one class and its subclasses."""
    seen: dict[tuple[bool, str], type] = {}
    twice = []
    for kind in error_classes():
        client = kind.__module__.startswith(("highroad.client", "highroad.cli"))
        first = seen.setdefault((client, kind.code), kind)
        if not issubclass(kind, first) and not issubclass(first, kind):
            twice.append(f"{kind.code}: {first.__module__}.{first.__qualname__}, {kind.__module__}.{kind.__qualname__}")
    assert twice == []


def test_every_setting_is_documented_with_its_meaning(pages: dict[str, str]) -> None:
    rows = [line.split(" | ") for line in pages["docs/reference/settings.md"].splitlines() if line.startswith("| `")]
    meanings = {row[0].strip("| `"): row[-1].strip("| ") for row in rows}
    assert [each.name for each in fields(Settings) if not meanings.get(each.name)] == []
