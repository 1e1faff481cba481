"""A builder on a temporary data directory, and what tests build with it: trees from mappings, wheels of their own."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from highroad.builds.build import Builder
from highroad.builds.model import Artifact, BuildRequest
from highroad.workload.model import Build, Workload

EPOCH = 1_700_000_000
PIP = Build(language="python", manager="pip", lock_file="requirements.txt")


# A package that brings its own build backend needs no other to be downloaded (PEP 517, in-tree backends).
BUILT = """
[project]
name = "hello"
version = "1"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """
import os, zipfile
def build_wheel(into, config_settings=None, metadata_directory=None):
    cache = os.environ["UV_CACHE_DIR"]
    text = repr(sorted(os.listdir(os.path.join(cache, "..", ".."))))
    with zipfile.ZipFile(os.path.join(into, "hello-1-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("hello.py", open("hello.py").read())
        wheel.writestr("seen.txt", text)
        wheel.writestr("hello-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: hello\\nVersion: 1\\n")
        wheel.writestr("hello-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("hello-1.dist-info/RECORD", "hello.py,,\\nseen.txt,,\\nhello-1.dist-info/METADATA,,\\n")
    return "hello-1-py3-none-any.whl"
"""


def never() -> bool:
    return False


def write(directory: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


@dataclass(slots=True)
class Yard:
    """A builder, its log, and a way to build a tree from a mapping of file names to texts."""

    builder: Builder
    work: Path
    wheels: Path
    lines: list[str] = field(default_factory=list)

    def build(
        self,
        files: Mapping[str, str],
        build: Build = PIP,
        *,
        tree: str = "tree",
        subdirectory: str = "",
        cancelled: Callable[[], bool] = never,
    ) -> Artifact:
        source = write(self.source(), files)
        request = BuildRequest(source, tree, Workload((), build=build), subdirectory, EPOCH)
        return self.builder.build(request, self.lines.append, cancelled=cancelled)

    def source(self) -> Path:
        path = self.work / f"source-{len(list(self.work.iterdir()))}-{os.urandom(3).hex()}"
        path.mkdir()
        return path

    def wheel(self, name: str, version: str = "1.0", files: Mapping[str, str] | None = None) -> None:
        """Make a wheel that installs `name.py`, or `files` (PEP 427)."""
        info = f"{name}-{version}.dist-info"
        content = {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            **(files or {f"{name}.py": f"VERSION = {version!r}\n"}),
        }
        record = "".join(f"{path},,\n" for path in (*content, f"{info}/RECORD"))
        with zipfile.ZipFile(self.wheels / f"{name}-{version}-py3-none-any.whl", "w") as archive:
            for path, text in {**content, f"{info}/RECORD": record}.items():
                archive.writestr(path, text)

    def sdist(self, name: str, *, backend: str) -> None:
        """Make a source distribution that builds with `backend`."""
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
        files = {"PKG-INFO": metadata, "pyproject.toml": BUILT.replace("hello", name)}
        files["backend.py"] = backend.replace("hello-1", f"{name}-1").replace("Name: hello", f"Name: {name}")
        with tarfile.open(self.wheels / f"{name}-1.tar.gz", "w:gz") as archive:
            for path, text in {**files, "hello.py": ""}.items():
                member = tarfile.TarInfo(f"{name}-1/{path}")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))

    def leftovers(self) -> list[str]:
        """What an unfinished build would leave: trash, partial entries, places without a mark."""
        stores = (self.builder.artifacts.root, self.builder.dependencies.root, self.builder.dependencies.workshop)
        found = [path for store in stores if store.is_dir() for path in store.iterdir()]
        marked = {digest.removeprefix("sha256:") for digest in self.builder.artifacts.digests()}
        keys = set(self.builder.dependencies.keys())
        kept = {".locks", ".install", "uv", "npm", *marked, *keys}
        return sorted(path.name for path in found if path.name not in kept)
