"""Recognises a static site: files that are served as they are."""

from __future__ import annotations

from collections.abc import Mapping

from highroad.workload.languages.found import Found
from highroad.workload.model import Build, Reason
from highroad.workload.source import Source

DIRECTORIES = ("", "public", "dist", "site", "www", "_site")
LOOKED_FOR = ("index.html", "public/index.html")


def recognise(source: Source, toolchains: Mapping[str, str]) -> Found | None:  # noqa: ARG001  # needs no tool
    """The first of the usual directories that has an index.html."""
    for directory in DIRECTORIES:
        page = f"{directory}/index.html" if directory else "index.html"
        if source.has(page):
            reason = Reason(f"static site in {directory or 'the source'}{'/' if directory else ''}", page)
            return Found(build=Build(language="static", publish=directory or "."), reasons=(reason,))
    return None
