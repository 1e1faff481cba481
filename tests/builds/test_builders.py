"""Every language has a builder; those whose toolchain is rarely installed are checked by their recipes."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from highroad.builds.builders import LANGUAGES, recipe_for
from highroad.builds.cache import DependencyStore, Entry
from highroad.builds.failures import LockOutdated, ToolchainMissing
from highroad.builds.recipes import Recipe
from highroad.builds.toolchains import Tool, Toolchains
from highroad.builds.trees import Source
from highroad.workload.model import Build, Language
from tests.builds.yard import write

PYTHON, UV = Tool("python", "3.11.7", "/usr/bin/python3.11"), Tool("uv", "0.13.9", "/usr/bin/uv")
NAMES = ("go", "ruby", "bundle", "node", "npm")
TOOLS = Toolchains(
    (PYTHON,), PYTHON, UV, {name: Tool(name, "3.2.1", f"/opt/{name}/bin/{name}", ("/opt",)) for name in NAMES}
)


def recipe(tmp_path: Path, files: dict[str, str], build: Build, tools: Toolchains = TOOLS) -> Recipe:
    return recipe_for(Source(write(tmp_path, files)), build, tools, "tree")


def test_every_language_has_a_builder() -> None:
    assert set(LANGUAGES) == set(get_args(Language))


@pytest.mark.parametrize("language", ["go", "ruby", "node"])
def test_a_language_that_is_not_installed_is_named(tmp_path: Path, language: Language) -> None:
    with pytest.raises(ToolchainMissing, match=language):
        recipe(tmp_path, {}, Build(language=language), Toolchains((PYTHON,), PYTHON, UV))


def test_go_keeps_modules_by_their_sums_and_shares_the_cache_with_plain_builds_alone(tmp_path: Path) -> None:
    files = {"go.mod": "module x\n", "go.sum": "a v1 h1:x\n"}
    made = recipe(tmp_path, files, Build(language="go", commands=("go build -o bin/app ./cmd/x",)))
    assert made.dependencies is not None
    assert made.shared is not None
    assert set(made.shared(DependencyStore(tmp_path / "store"))) == {"GOCACHE"}
    attached = made.attach(Entry("k", tmp_path / "k"), tmp_path)
    assert attached.env["GOMODCACHE"] == str(tmp_path / "k" / "mod")
    for command in ("go build -toolexec ./evil .", "go generate && go build ."):
        assert recipe(tmp_path, files, Build(language="go", commands=(command,))).shared is None


def test_ruby_needs_a_lock_for_its_gemfile(tmp_path: Path) -> None:
    with pytest.raises(LockOutdated, match=r"no Gemfile\.lock"):
        recipe(tmp_path, {"Gemfile": ""}, Build(language="ruby"))
    made = recipe(tmp_path, {"Gemfile.lock": "GEM\n"}, Build(language="ruby"))
    attached = made.attach(Entry("k", tmp_path / "k"), tmp_path)
    assert attached.env["BUNDLE_PATH"] == str(tmp_path / "k" / "bundle")
    assert attached.whole_env["PATH"].startswith("/opt/ruby/bin:")


def test_a_node_version_that_does_not_fit_is_a_warning(tmp_path: Path) -> None:
    made = recipe(tmp_path, {"package.json": "{}"}, Build(language="node", version="20.x", manager="npm"))
    assert any("asks for Node 20.x; this machine has 3.2.1" in note for note in made.notes)
