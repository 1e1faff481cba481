"""Links that stay in a tree and links that leave it, held against what the operating system does."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highroad.sources.links import bad_links


@pytest.mark.parametrize("target", ["b", "./b", "../b", "d/../b", "../a/b", "", "../x/./../b"])
def test_a_link_that_stays_inside_is_fine(target: str) -> None:
    assert bad_links({"a/link": target}) == []


@pytest.mark.parametrize("target", ["../../b", "/etc/passwd", "..//../b", "b/../../../c", "../.."])
def test_a_link_that_leaves_is_found(target: str) -> None:
    assert [link.path for link in bad_links({"a/link": target})] == ["a/link"]


def test_a_link_that_leaves_through_another_link_is_found() -> None:
    links = {"deep/er/up": "../..", "out": "deep/er/up/../etc"}
    assert [link.path for link in bad_links(links)] == ["out"]


def test_a_loop_of_links_is_harmless() -> None:
    assert bad_links({"a": "b", "b": "a"}) == []


names = st.sampled_from(["a", "b", "c"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
targets = st.lists(st.sampled_from(["a", "b", "c", "..", "..", "."]), min_size=1, max_size=5).map("/".join)


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(paths, targets, max_size=4))
def test_no_link_that_is_passed_leads_out_of_the_tree_on_disk(links: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory).resolve() / "x" / "x" / "root"
        for place in (root, root.parent, root.parent.parent):
            for name in ("a/b/c", "b/c", "c"):
                (place / name).mkdir(parents=True, exist_ok=True)
        made = _write(root, links)
        bad = {link.path for link in bad_links(made)}
        for path in made.keys() - bad:
            try:
                real = Path(os.path.realpath(root / path, strict=True))
            except OSError:  # a loop, or a link to nothing: it cannot be opened
                continue
            assert real.is_relative_to(root), (path, made)


def _write(root: Path, links: dict[str, str]) -> dict[str, str]:
    """The links as a tree can hold them: none below another, and every directory on the way is there."""
    made: dict[str, str] = {}
    for path, target in sorted(links.items()):
        if any(path.startswith(f"{other}/") or other == path for other in made):
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if (root / path).is_dir():
            shutil.rmtree(root / path)
        (root / path).symlink_to(target)
        made[path] = target
    return made
