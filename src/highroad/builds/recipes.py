"""The contract between `build` and the languages: a recipe, decided from the files before anything runs.

A language is one module with `recipe(source, build, tools, tree)`; `builders` lists them. Adding one edits no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from highroad.builds.cache import DependencyStore, Entry, Installed
from highroad.builds.environment import SYSTEM_PATH
from highroad.builds.steps import Bench
from highroad.builds.toolchains import Toolchains
from highroad.builds.trees import Source
from highroad.workload.model import Build, Test


@dataclass(frozen=True, slots=True)
class Installation:
    """Where an installer works: `into` is the empty directory to fill, which will be `final` when it is whole."""

    bench: Bench
    store: DependencyStore
    into: Path

    @property
    def final(self) -> Path:
        return self.store.root / self.into.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """`key` decides what is installed, `label` says from what ("requirements.txt"), `install` does it."""

    key: str
    label: str
    install: Callable[[Installation], Installed]


@dataclass(frozen=True, slots=True)
class Attached:
    """What dependencies and runtime give to commands and instances. `path` goes before the system's PATH."""

    path: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[str, ...] = ()

    @property
    def whole_env(self) -> dict[str, str]:
        return {**self.env, "PATH": ":".join(dict.fromkeys((*self.path, *SYSTEM_PATH)))}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one language makes an artifact.

    `title` names language and version for the log, `runtime` goes into the artifact's digest. `attach` gets the
    installed entry (None without dependencies) and the service's directory in the artifact, where it may place links
    and files; it is called again for every copy of the artifact. `commands` are shell lines, run in that directory.
    `shared` are directories, by the variable that names each, that they may write besides the tree; only for tools that
    run no code of packages. `for_tests` tells what has to be installed for tests above an installed entry, if anything.
    `notes` are for the log.
    """

    title: str
    runtime: str
    attach: Callable[[Entry | None, Path], Attached]
    dependencies: Dependencies | None = None
    commands: tuple[str, ...] = ()
    shared: Callable[[DependencyStore], Mapping[str, Path]] | None = None
    for_tests: Callable[[Test, Entry], Dependencies | None] | None = None
    notes: tuple[str, ...] = ()


class Language(Protocol):
    """The one function of a language module. `tree` is the source's hash, for keys of what depends on all of it."""

    def __call__(self, source: Source, build: Build, tools: Toolchains, tree: str, /) -> Recipe: ...


def nothing_attached(_entry: Entry | None, _directory: Path) -> Attached:
    return Attached()
