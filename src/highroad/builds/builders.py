"""Which module builds which language. `build` and `testing` ask for a recipe here."""

from __future__ import annotations

from collections.abc import Mapping

from highroad.builds import go, node, plain, python, ruby
from highroad.builds.recipes import Language, Recipe
from highroad.builds.toolchains import Toolchains
from highroad.builds.trees import Source
from highroad.workload.model import Build

LANGUAGES: Mapping[str, Language] = {
    "python": python.recipe,
    "node": node.recipe,
    "go": go.recipe,
    "ruby": ruby.recipe,
    "static": plain.recipe,
    "other": plain.recipe,
}


def recipe_for(source: Source, build: Build, tools: Toolchains, tree: str) -> Recipe:
    return LANGUAGES[build.language](source, build, tools, tree)
