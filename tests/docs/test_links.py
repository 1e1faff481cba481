"""Links lead somewhere, in the built site and for somebody who reads the files as they are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _build(source: Path, into: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "-b", "html", str(source), str(into)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_documentation_builds_without_a_warning(root: Path, tmp_path: Path) -> None:
    built = _build(root / "docs", tmp_path)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "quickstart.html").exists()


def test_a_broken_link_fails_the_build(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    (source / "conf.py").write_text((root / "docs" / "conf.py").read_text())
    (source / "index.md").write_text("# Home\n\n[nowhere](nowhere.md)\n")
    built = _build(source, tmp_path / "site")
    assert built.returncode != 0
    assert "nowhere.md" in built.stderr


def test_relative_links_lead_to_files(root: Path, pages: dict[str, str]) -> None:
    broken = []
    for name, text in pages.items():
        for target in _LINK.findall(_FENCE.sub("", text)):
            path = target.partition("#")[0]
            if path and "://" not in path and not ((root / name).parent / path).exists():
                broken.append(f"{name}: {target}")
    assert broken == []


def test_paths_in_the_text_exist(root: Path, pages: dict[str, str]) -> None:
    """`src/...`, `tools/...`, `examples/...` in code style, apart from those with a name to fill in."""
    named = re.compile(r"`((?:src|docs|tools|tests|examples|requirements)/[a-z0-9_./-]+)`")
    missing = [
        f"{name}: {path}" for name, text in pages.items() for path in named.findall(text) if not (root / path).exists()
    ]
    assert missing == []
