"""Every example in the repository is deployed as its README says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.installation import Installation

EXAMPLES = Path(__file__).parents[2] / "examples"
ANSWERS = {"python-web": "/healthz", "node-web": "/healthz", "static-site": "/", "score-web": "/"}


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_an_example_goes_live(installation: Installation, example: str) -> None:
    root = EXAMPLES / example
    files = {
        str(path.relative_to(root)): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.parts[-2].startswith(".")
    }
    developer = installation.developer(files, name=example, push=False)
    assert "is live in production" in developer.push()
    if example in ANSWERS:
        assert developer.get(ANSWERS[example])[0] == 200
