"""Static sites and everything else that needs no package tool: the tree as it is, and the commands that were given."""

from __future__ import annotations

from highroad.builds.recipes import Recipe, nothing_attached
from highroad.builds.toolchains import Toolchains
from highroad.builds.trees import Source
from highroad.workload.model import Build


def recipe(_source: Source, build: Build, _tools: Toolchains, _tree: str) -> Recipe:
    title = "Static site" if build.language == "static" else "Source as it is"
    return Recipe(title=title, runtime=build.language, attach=nothing_attached, commands=build.commands)
