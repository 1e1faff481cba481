"""Go: modules into the dependency store, then `go build` with a build cache of its own. Called through `builders`.

Neither `go mod download` nor `go build` runs code of a module, so the build cache may be shared by all projects.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from highroad.builds.cache import DependencyStore, Entry, Installed, key_of
from highroad.builds.recipes import Attached, Dependencies, Installation, Recipe
from highroad.builds.toolchains import Tool, Toolchains
from highroad.builds.trees import Source
from highroad.workload.model import Build

_PLAIN = re.compile(r"go build(?: -o [\w./-]+)?(?: -trimpath| -buildvcs=false)*(?: \.?[\w./]+)?")
DEFAULT_COMMAND = "mkdir -p bin && go build -trimpath -buildvcs=false -o bin/ ./..."


def recipe(source: Source, build: Build, tools: Toolchains, _tree: str) -> Recipe:
    go = tools.require("go", for_what="A Go service")
    manifest, sums = source.read("go.mod"), source.read("go.sum")
    dependencies = None
    if manifest is not None and sums is not None:
        dependencies = Dependencies(
            key=key_of("go", go.version, manifest, sums),
            label="go.sum",
            install=lambda installation: _download(installation, go, manifest, sums),
        )

    def attach(entry: Entry | None, _directory: Path) -> Attached:
        env = {"GOTOOLCHAIN": "local"}
        if entry is not None:
            env["GOMODCACHE"] = str(entry.directory / "mod")
        return Attached(
            path=(str(Path(go.path).parent),),
            env=env,
            mounts=(*go.mounts, *((str(entry.directory),) if entry else ())),
        )

    return Recipe(
        title=f"Go {go.version}",
        runtime=f"go {go.version}",
        attach=attach,
        dependencies=dependencies,
        commands=build.commands or (DEFAULT_COMMAND,),
        # Commands of the user's own may run anything; the shared cache is for plain builds alone.
        shared=_build_cache if all(_PLAIN.fullmatch(command) for command in build.commands) else None,
    )


def _build_cache(store: DependencyStore) -> Mapping[str, Path]:
    return {"GOCACHE": store.cache("go-build")}


def _download(installation: Installation, go: Tool, manifest: bytes, sums: bytes) -> Installed:
    project = installation.into / "project"
    project.mkdir()
    (project / "go.mod").write_bytes(manifest)
    (project / "go.sum").write_bytes(sums)
    installation.bench.run(
        ("go", "mod", "download"),
        doing="downloading Go modules",
        cwd=project,
        path=(str(Path(go.path).parent),),
        env={"GOMODCACHE": str(installation.into / "mod"), "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local"},
        readable=(project, *go.mounts),
        writable=(installation.into,),
        registries=True,
    )
    return Installed(packages=len({line.split()[0] for line in sums.decode().splitlines() if line.strip()}))
