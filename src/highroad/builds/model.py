"""The nouns of a build: what is asked for and what comes out. `pipelines` makes the one and stores the other.

An artifact's JSON is also its mark of completeness: it is written last, so a directory without it is a leftover.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from highroad.workload.model import Build, Workload

# Part of every key. Raise it whenever the same input would be built differently; everything is then built anew.
BUILDER_VERSION = "1"


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """A tree to build.

    `source` is a directory of its own with the whole checked-out tree; the build takes it over (it is renamed, not
    copied) and it is gone afterwards, whatever the outcome. `tree` is git's hash of that tree. `subdirectory` is where
    the service is in it, `""` for the root. `epoch` is the time of the commit in Unix seconds: `SOURCE_DATE_EPOCH` of
    the build and the modification time of every file.
    """

    source: Path
    tree: str
    workload: Workload
    subdirectory: str = ""
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a build made; immutable.

    `directory` is where instances run and `publish` what a static site serves, both absolute. `env` goes to every
    instance, below its own variables; its `PATH` is whole, not an addition. `mounts` are absolute paths that the
    instance must be able to read besides `directory`. `dependencies` are keys of the dependency store that must be
    kept as long as the artifact is. `size` is in bytes and counts the tree alone.
    """

    digest: str
    directory: str
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    publish: str | None = None
    size: int = 0
    files: int = 0
    summary: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @staticmethod
    def from_json(text: str) -> Artifact:
        """Raises `ValueError`, `KeyError` or `TypeError` for anything that `to_json` did not write."""
        raw = json.loads(text)
        raw["mounts"] = tuple(raw["mounts"])
        raw["dependencies"] = tuple(raw["dependencies"])
        return Artifact(**raw)


def digest_of(*, tree: str, subdirectory: str, build: Build, dependencies: str, runtime: str) -> str:
    """`sha256:` and 64 hexadecimal digits over everything that decides what the artifact contains."""
    parts = [BUILDER_VERSION, tree, subdirectory, asdict(build), dependencies, runtime]
    return "sha256:" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
