"""Build a tree: the one verb of this package. `pipelines` calls `Builder.build`.

A tree whose artifact is there is not built again. Otherwise: find or install its dependencies, move the tree into its
final place, run the build commands there, settle its permissions and times, and only then mark it as whole. Without
commands no process is started at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from highroad.builds import toolchains
from highroad.builds.artifacts import ArtifactStore
from highroad.builds.builders import recipe_for
from highroad.builds.cache import DependencyStore, Entry
from highroad.builds.environment import local_paths, registry_settings
from highroad.builds.failures import NothingToPublish, SourceGone, SubdirectoryMissing
from highroad.builds.model import Artifact, BuildRequest, digest_of
from highroad.builds.recipes import Attached, Installation, Recipe
from highroad.builds.steps import Bench, Bounds, Emit, Runner, bounds_from, build_user
from highroad.builds.toolchains import Toolchains
from highroad.builds.trees import Measured, Source, move, remove, require_links_inside, settle
from highroad.sandbox import run as sandbox_run
from highroad.sandbox.files import hand_over
from highroad.sandbox.model import MIB, Level
from highroad.settings import Settings

_SYSTEM = (Path("/usr"), Path("/bin"), Path("/lib"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """What all builds of an installation share. `environ` is Highroad's own environment, of which little passes."""

    artifacts: ArtifactStore
    dependencies: DependencyStore
    level: Level
    bounds: Bounds
    work: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    uid: int | None = None
    runner: Runner = sandbox_run.run
    tools: Callable[[], Toolchains] = toolchains.find

    @staticmethod
    def from_settings(settings: Settings, level: Level, environ: Mapping[str, str] = os.environ) -> Builder:
        uid = build_user(settings)
        return Builder(
            artifacts=ArtifactStore(settings.artifacts),
            dependencies=DependencyStore(settings.dependencies, owner=uid),
            level=level,
            bounds=bounds_from(settings),
            work=settings.work,
            environ=environ,
            uid=uid,
        )

    def bench(self, emit: Emit, cancelled: Callable[[], bool], *, epoch: int = 0) -> Bench:
        return Bench(
            level=self.level,
            bounds=self.bounds,
            settings=registry_settings(self.environ),
            emit=emit,
            cancelled=cancelled,
            runner=self.runner,
            uid=self.uid,
            gid=self.uid,
            epoch=epoch,
        )

    def build(self, request: BuildRequest, emit: Emit, *, cancelled: Callable[[], bool]) -> Artifact:
        """The artifact of `request`, made or found; `emit` gets the log by lines. `request.source` is gone afterwards.

        Raises `BuildFailed` or one of its kin with the cause, or `BuildDiskFull`; then no artifact is there.
        """
        bench = self.bench(emit, cancelled, epoch=request.epoch)
        try:
            return self._build(request, bench)
        finally:
            remove(request.source)

    def _build(self, request: BuildRequest, bench: Bench) -> Artifact:
        source = Source(request.source, request.subdirectory)
        _require_source(request, source)
        build = request.workload.build
        recipe = recipe_for(source, build, self.tools(), request.tree)
        key = recipe.dependencies.key if recipe.dependencies else ""
        digest = digest_of(
            tree=request.tree,
            subdirectory=request.subdirectory,
            build=build,
            dependencies=key,
            runtime=recipe.runtime,
        )
        waiting = Waiting(bench, "Waiting for another build of the same tree")
        with self.artifacts.making(digest, waiting=waiting) as finish:
            found = self.artifacts.find(digest)
            if found is not None:
                if key and self.dependencies.find(key) is None:
                    install(recipe, self.dependencies, bench)
                bench.heading(f"{found.summary}: this tree was built before ({digest[7:19]})")
                return found
            artifact = self._make(request, recipe, digest, bench)
            finish(artifact)
        return artifact

    def _make(self, request: BuildRequest, recipe: Recipe, digest: str, bench: Bench) -> Artifact:
        build = request.workload.build
        entry, summary = install(recipe, self.dependencies, bench)
        for note in recipe.notes:
            bench.note(note)
        tree = self.artifacts.tree(digest)
        remove(tree)
        move(request.source, tree)
        service = Source(tree, request.subdirectory)
        # Before anything is written into the tree: no link of the repository may lead that elsewhere.
        measured = settle(tree, epoch=request.epoch, take_over=True)
        attached = recipe.attach(entry, service.directory)
        if recipe.commands:
            measured = self._run_commands(recipe, attached, service, bench)
        return Artifact(
            digest=digest,
            directory=str(service.directory),
            env=attached.whole_env,
            mounts=_mounts(attached, tree, service),
            dependencies=(entry.key,) if entry else (),
            publish=_published(service, build.publish),
            size=measured.size,
            files=measured.files,
            summary=summary,
        )

    def _run_commands(self, recipe: Recipe, attached: Attached, service: Source, bench: Bench) -> Measured:
        hand_over(service.root, self.uid, self.uid, level=self.level)
        shared = recipe.shared(self.dependencies) if recipe.shared else {}
        for command in recipe.commands:
            bench.heading(f"Running: {command}")
            bench.run(
                ("sh", "-c", command),
                doing=f"running `{command[:100]}`",
                cwd=service.directory,
                path=attached.path,
                env={**attached.env, **{name: str(path) for name, path in shared.items()}},
                readable=attached.mounts,
                writable=(service.root, *shared.values()),
            )
        allowed = (*_SYSTEM, *map(Path, attached.mounts), *map(Path, local_paths(bench.settings)))
        return settle(service.root, epoch=bench.epoch, take_over=True, allowed=allowed)


def _require_source(request: BuildRequest, source: Source) -> None:
    if not request.source.is_dir():
        raise SourceGone(
            "The checked-out source was already used by another build.",
            next_step="Push again, or `highroad deploy` to build this commit anew.",
        )
    if not source.path(".").is_dir():
        raise SubdirectoryMissing(
            f"There is no directory {request.subdirectory} in this commit.",
            next_step="Correct the service's path in its settings, or push a commit that has it.",
        )


@dataclass(slots=True)
class Waiting:
    """Called while another builder holds a lock: says so once, and gives up when this one is cancelled or too late."""

    bench: Bench
    text: str
    _said: bool = False

    def __call__(self) -> None:
        if not self._said:
            self._said = True
            self.bench.heading(self.text)
        self.bench.check()


def install(recipe: Recipe, store: DependencyStore, bench: Bench) -> tuple[Entry | None, str]:
    """The installed dependencies of a recipe, and a line that says what they are."""
    wanted = recipe.dependencies
    if wanted is None:
        bench.heading(recipe.title)
        return None, recipe.title
    fresh = store.find(wanted.key) is None
    if fresh:
        bench.heading(f"{recipe.title}: installing from {wanted.label}")
    entry, made = store.make(
        wanted.key,
        lambda into: wanted.install(Installation(bench, store, into)),
        waiting=Waiting(bench, "Waiting for another build that installs the same dependencies"),
    )
    packages = "1 package" if entry.packages == 1 else f"{entry.packages} packages"
    summary = f"{recipe.title}: {packages} from {wanted.label}" if entry.packages else f"{recipe.title}: {wanted.label}"
    if made:
        bench.note(f"{packages} installed, {entry.size / MIB:.1f} MiB")
    else:
        bench.heading(f"{summary} (cached)" if entry.packages else summary)
    return entry, summary


def _mounts(attached: Attached, tree: Path, service: Source) -> tuple[str, ...]:
    """A service in a subdirectory sees the whole tree: what it imports from its siblings must be there."""
    beside = (str(tree),) if service.directory != tree else ()
    return tuple(dict.fromkeys((*beside, *attached.mounts)))


def _published(service: Source, publish: str | None) -> str | None:
    """The absolute directory that a static site serves. The router reads it as Highroad: nothing in it may lead out."""
    if publish is None:
        return None
    directory = service.path(publish)
    if not directory.is_dir():
        raise NothingToPublish(
            f"The build left no directory {publish} to publish.",
            next_step="Correct `build: publish:` in highroad.yaml, or the build command that should make it.",
        )
    real = Path(os.path.realpath(directory))
    require_links_inside(real)
    return str(real)
