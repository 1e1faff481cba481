"""Ruby: gems from Gemfile.lock into the dependency store with Bundler. Called through `builders`.

Gems may run code while they are installed, so an installation shares nothing with others but its result.
"""

from __future__ import annotations

from pathlib import Path

from highroad.builds.cache import Entry, Installed, key_of
from highroad.builds.failures import LockOutdated
from highroad.builds.recipes import Attached, Dependencies, Installation, Recipe
from highroad.builds.toolchains import Tool, Toolchains
from highroad.builds.trees import Source
from highroad.workload.model import Build


def recipe(source: Source, build: Build, tools: Toolchains, _tree: str) -> Recipe:
    ruby = tools.require("ruby", for_what="A Ruby service")
    gemfile = source.read("Gemfile")
    dependencies = None
    mounts = ruby.mounts
    if gemfile is not None:
        bundle = tools.require("bundle", for_what="A service with a Gemfile")
        mounts += bundle.mounts
        lock = source.read(build.lock_file or "Gemfile.lock")
        if lock is None:
            raise LockOutdated(
                "There is a Gemfile but no Gemfile.lock.",
                next_step="Run `bundle lock` and commit Gemfile.lock.",
            )
        dependencies = Dependencies(
            key=key_of("ruby", ruby.version, gemfile, lock),
            label="Gemfile.lock",
            install=lambda installation: _install(installation, (ruby, bundle), gemfile, lock),
        )

    def attach(entry: Entry | None, _directory: Path) -> Attached:
        env = {"RACK_ENV": "production", "RAILS_ENV": "production", "RAILS_LOG_TO_STDOUT": "1"}
        found: tuple[str, ...] = ()
        if entry is not None:
            env |= {"BUNDLE_PATH": str(entry.directory / "bundle"), "BUNDLE_FROZEN": "true"}
            found = (str(entry.directory),)
        return Attached(path=(str(Path(ruby.path).parent),), env=env, mounts=(*found, *mounts))

    return Recipe(
        title=f"Ruby {ruby.version}",
        runtime=f"ruby {ruby.version}",
        attach=attach,
        dependencies=dependencies,
        commands=build.commands,
    )


def _install(installation: Installation, tools: tuple[Tool, ...], gemfile: bytes, lock: bytes) -> Installed:
    project = installation.into / "project"
    project.mkdir()
    (project / "Gemfile").write_bytes(gemfile)
    (project / "Gemfile.lock").write_bytes(lock)
    installation.bench.run(
        ("bundle", "install", "--jobs", "4"),
        doing="installing gems",
        cwd=project,
        path=tuple(dict.fromkeys(str(Path(tool.path).parent) for tool in tools)),
        env={
            "BUNDLE_PATH": str(installation.into / "bundle"),
            "BUNDLE_FROZEN": "true",
            "BUNDLE_APP_CONFIG": str(installation.into / "config"),
        },
        readable=(project, *(mount for tool in tools for mount in tool.mounts)),
        writable=(installation.into,),
        registries=True,
    )
    specs = list((installation.into / "bundle").glob("ruby/*/specifications/*.gemspec"))
    return Installed(packages=len(specs))
