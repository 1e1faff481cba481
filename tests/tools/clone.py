"""A copy of what stands between a fresh clone and its environment, for the tests of `make` and `tools/bootstrap`."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Clone:
    """`directory` is the checkout, `programs` the only directory on its PATH."""

    directory: Path
    programs: Path

    def program(self, name: str, script: str) -> None:
        file = self.programs / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def link(self, name: str, target: str | None = None) -> None:
        found = target or shutil.which(name)
        assert found is not None, name
        (self.programs / name).symlink_to(found)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Merged output in `stdout`; no input; nothing of our own environment but the locale."""
        environ = {"PATH": str(self.programs), "HOME": str(self.directory), "LANG": os.environ.get("LANG", "C")}
        return subprocess.run(
            command,
            cwd=self.directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def make_clone(directory: Path, programs: Path) -> Clone:
    """A checkout with the files that set it up; `programs` has what a machine without Git and Python has."""
    programs.mkdir()
    (directory / "tools").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "tools/bootstrap", "tools/package_index.py"):
        shutil.copy(ROOT / name, directory / name)
    shutil.copytree(ROOT / "requirements", directory / "requirements")
    made = Clone(directory, programs)
    for name in ("sh", "dirname", "cat", "rm", "touch"):
        made.link(name)
    return made
