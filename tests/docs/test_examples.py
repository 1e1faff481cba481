"""Configuration shown in the pages is configuration that Highroad accepts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

_YAML = re.compile(r"^```yaml\n# ([a-z./-]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SCHEMAS = {"highroad.yaml": "highroad.schema.json", "score.yaml": "score-v1b1.json"}


def _blocks(pages: dict[str, str], file: str) -> list[tuple[str, Any]]:
    return [
        (name, yaml.safe_load(block)) for name, text in pages.items() for of, block in _YAML.findall(text) if of == file
    ]


@pytest.mark.parametrize("file", _SCHEMAS)
def test_shown_files_fit_their_schema(root: Path, pages: dict[str, str], file: str) -> None:
    schema = json.loads((root / "src" / "highroad" / "workload" / _SCHEMAS[file]).read_text())
    check = jsonschema.Draft202012Validator(schema)
    blocks = _blocks(pages, file)
    assert blocks
    assert [
        f"{name}: {error.json_path} {error.message}" for name, block in blocks for error in check.iter_errors(block)
    ] == []


def test_every_yaml_block_says_which_file_it_is(pages: dict[str, str]) -> None:
    unnamed = [name for name, text in pages.items() if text.count("```yaml\n") != len(_YAML.findall(text))]
    assert unnamed == []
