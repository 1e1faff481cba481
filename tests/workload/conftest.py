"""A tree of files for detection to look at, and what this machine is said to have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from highroad.workload.detect import detect
from highroad.workload.model import Workload
from highroad.workload.source import Source

# How long one example takes says more about the machine's other work than about the code.
settings.register_profile("highroad", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("highroad")

EVERYTHING = {
    "python": "3.11.7",
    "uv": "0.13.9",
    "node": "20.20.2",
    "npm": "10.8.2",
    "pnpm": "9.1.0",
    "yarn": "1.22.22",
    "go": "1.23.1",
    "ruby": "3.3.0",
    "bundle": "2.5.3",
}
MakeSource = Callable[..., Source]
Detect = Callable[..., Workload]


@pytest.fixture
def tree(tmp_path: Path) -> MakeSource:
    """`tree({"app.py": "..."})` writes the files below a fresh directory and gives the source."""

    def make(files: dict[str, str | bytes], subdirectory: str = "") -> Source:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Source.at(tmp_path, subdirectory)

    return make


@pytest.fixture
def detected(tree: MakeSource) -> Detect:
    """`detected({"index.html": ""})` is the workload of these files on a machine that has every tool."""

    def run(files: dict[str, str | bytes], toolchains: dict[str, str] | None = None) -> Workload:
        return detect(tree(files), EVERYTHING if toolchains is None else toolchains)

    return run
