"""Python: a virtual environment in the dependency store, made by uv from whatever the project locks with.

Called through `builders`, and by `testing` for the environment of the tests. Two ways to install:

- *ready-made*: wheels alone, out of uv's cache that all builds share, hard-linked. No code of a package runs: wheels
  have no install scripts and byte code is compiled without `site`, so no `.pth` file is executed. That is why the
  cache may be writable.
- *compiled*: when a package has no wheel, or the requirements lead into the repository, its build code runs; then with
  a cache of its own that is thrown away.

For unpinned requirements the first way prefers a version with a wheel to a newer one without.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from highroad.builds.cache import Entry, Installed, key_of
from highroad.builds.failures import BadManifest, diagnose
from highroad.builds.python_wanted import Wanted, read_project, requires_python, table, what_to_install, with_needs
from highroad.builds.recipes import Attached, Dependencies, Installation, Recipe
from highroad.builds.toolchains import Tool, Toolchains
from highroad.builds.trees import Source
from highroad.workload.model import Build, Test

# $1 uv, $2 python, $3 the environment, $4 where it will be, then uv's arguments; MORE is quoted arguments for a second
# call. Byte code names the final path and does not depend on file times; a file that does not compile (Python 2 in a
# test suite) is not our business.
_SCRIPT = r"""
set -e; uv=$1; python=$2; into=$3; final=$4; shift 4
"$uv" venv --quiet --clear --relocatable --no-project --python "$python" "$into"
if [ $# -gt 0 ]; then "$uv" "$@"; fi
if [ -n "$MORE" ]; then eval "\"\$uv\" $MORE"; fi
if [ $# -gt 0 ] || [ -n "$MORE" ]; then
  "$python" -I -S -m compileall -q -q -j 0 --invalidation-mode unchecked-hash -s "$into" -p "$final" "$into/lib" || :
fi
"""
# A package in the repository builds in its own directory, so it gets a copy to write into ($1 the tree, $2 the copy, $3
# the service's directory in it). An editable installation would point into that copy, which does not stay.
_IN_A_COPY = r"""
set -e; root=$1; copy=$2; service=$3; shift 3
mkdir "$copy"; cp -R "$root/." "$copy"; cd "$service"
find . -name '*requirements*.txt' -exec sed -i -E 's/^[[:space:]]*(-e|--editable)[ =]+//' {} +
"""
_NEEDS_COMPILING = re.compile(
    r"building from source is disabled|no usable wheels|no wheels|--no-build|only-binary", re.I
)
_SCRIPT_TARGET = re.compile(r"([\w.]+):([\w.]+)")


def recipe(source: Source, build: Build, tools: Toolchains, tree: str) -> Recipe:
    project = read_project(source)
    python = tools.python(build.version or requires_python(project))
    wanted = what_to_install(source, build, project)

    def for_tests(test: Test, entry: Entry) -> Dependencies | None:
        more = with_needs(wanted, test, source, project, installed_packages(entry.directory))
        return None if more is None else environment(more, source, python, tools.uv, tree)

    return Recipe(
        title=f"Python {python.version}",
        runtime=f"cpython {python.version}",
        attach=lambda entry, directory: _attach(entry, directory, python, project),
        dependencies=environment(wanted, source, python, tools.uv, tree),
        commands=build.commands,
        for_tests=for_tests,
    )


def environment(wanted: Wanted, source: Source, python: Tool, uv: Tool, tree: str) -> Dependencies:
    """The virtual environment with `wanted` in it, as an entry of the dependency store (directory `venv`)."""
    parts = (*wanted.parts, *(argument.encode() for argument in (*wanted.arguments, "and", *wanted.more)))
    parts += tuple(text.encode() for text in wanted.written.values())
    if wanted.local:
        parts += (tree.encode(), source.subdirectory.encode())
    return Dependencies(
        key=key_of("python", f"{python.version} {python.path}", *parts),
        label=wanted.label,
        install=lambda installation: _install(installation, wanted, source, python, uv),
    )


def _install(installation: Installation, wanted: Wanted, source: Source, python: Tool, uv: Tool) -> Installed:
    for name, text in wanted.written.items():
        (installation.into / name).write_text(text)
    attempts = (_install_compiled,) if wanted.local or wanted.compiled else (_install_ready_made, _install_compiled)
    for attempt in attempts:
        code, lines, why = attempt(installation, wanted, source, python, uv)
        if code == 0:
            break
        if attempt is _install_ready_made and any(_NEEDS_COMPILING.search(line) for line in lines):
            installation.bench.note("A package has no wheel for this machine: building it from source.")
            continue
        for line in lines:
            installation.bench.note(line)
        raise diagnose(lines, doing=f"installing from {wanted.label}", ended=why)
    return Installed(packages=len(installed_packages(installation.into)))


def _install_ready_made(
    installation: Installation, wanted: Wanted, source: Source, python: Tool, uv: Tool
) -> tuple[int | None, tuple[str, ...], str]:
    store = installation.store
    ended, lines = installation.bench.attempt(
        ("sh", "-c", _SCRIPT, "sh", *_arguments(installation, wanted, python, uv, only_wheels=True)),
        doing=f"installing from {wanted.label}",
        cwd=source.directory,
        env=_uv_environment(installation, wanted, store.cache("uv"), only_wheels=True),
        readable=(source.root, *python.mounts, *uv.mounts),
        writable=(store.workshop,),
        visible=False,
        registries=True,
    )
    return ended.exit_code, lines, ended.why


def _install_compiled(
    installation: Installation, wanted: Wanted, source: Source, python: Tool, uv: Tool
) -> tuple[int | None, tuple[str, ...], str]:
    bench, into = installation.bench, installation.into
    copy = f"{into}/.source"
    service = f"{copy}/{source.subdirectory}" if source.subdirectory else copy
    ended, lines = bench.attempt(
        (
            *("sh", "-c", _IN_A_COPY + _SCRIPT, "sh", str(source.root), copy, service),
            *_arguments(installation, wanted, python, uv),
        ),
        doing=f"installing from {wanted.label}",
        cwd=source.directory,
        env=_uv_environment(installation, wanted, into / ".cache"),
        readable=(source.root, *python.mounts, *uv.mounts),
        writable=(into,),
        visible=False,
        registries=True,
    )
    bench.run(
        ("rm", "-rf", f"{into}/.cache", copy),
        doing="clearing up after the installation",
        cwd=into,
        writable=(into,),
    )
    return ended.exit_code, lines, ended.why


def _arguments(
    installation: Installation, wanted: Wanted, python: Tool, uv: Tool, *, only_wheels: bool = False
) -> tuple[str, ...]:
    words = _placed(installation, wanted.arguments, only_wheels=only_wheels)
    return (uv.path, python.path, f"{installation.into}/venv", f"{installation.final}/venv", *words)


def _placed(installation: Installation, words: tuple[str, ...], *, only_wheels: bool) -> tuple[str, ...]:
    """uv's arguments, where `@name` stands for a requirement file that was written beside the environment."""
    if not words:
        return ()
    placed = (f"{installation.into}/{word[1:]}" if word.startswith("@") else word for word in words)
    if words[0] == "sync":
        return (*placed, *(("--no-build",) if only_wheels else ()))
    # `[tool.uv.pip] target` in a repository's pyproject.toml could lead the installation into the shared cache.
    return (*placed, "--no-config", *(("--only-binary", ":all:") if only_wheels else ()))


def _uv_environment(
    installation: Installation, wanted: Wanted, cache: Path, *, only_wheels: bool = False
) -> dict[str, str]:
    venv = f"{installation.into}/venv"
    return {
        "UV_CACHE_DIR": str(cache),
        "UV_LINK_MODE": "hardlink",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PROJECT_ENVIRONMENT": venv,
        "VIRTUAL_ENV": venv,
        "MORE": shlex.join(_placed(installation, wanted.more, only_wheels=only_wheels)),
    }


def installed_packages(entry: Path) -> tuple[str, ...]:
    """What is in an environment of the store, sorted, as `name==version`."""
    found = (
        path.name.removesuffix(".dist-info").rpartition("-") for path in entry.glob("venv/lib/*/*-packages/*.dist-info")
    )
    return tuple(sorted(f"{name}=={version}" for name, _, version in found))


def _attach(entry: Entry | None, directory: Path, python: Tool, project: Mapping[str, object]) -> Attached:
    if entry is None:
        return Attached(mounts=python.mounts)
    venv = entry.directory / "venv"
    env = {"VIRTUAL_ENV": str(venv), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    path: tuple[str, ...] = (str(venv / "bin"),)
    # A project that is a package of its own is run from its source: as fast as an editable installation, and part of
    # the artifact rather than of the dependencies.
    if table(project, "project"):
        roots = (directory / "src", directory) if (directory / "src").is_dir() else (directory,)
        env["PYTHONPATH"] = ":".join(map(str, roots))
        scripts = directory / ".highroad" / "bin"
        if _write_scripts(scripts, venv / "bin" / "python", table(table(project, "project"), "scripts")):
            path = (str(scripts), *path)
    return Attached(path=path, env=env, mounts=(str(entry.directory), *python.mounts))


def _write_scripts(folder: Path, python: Path, scripts: Mapping[str, object]) -> bool:
    """Write the programs of `[project.scripts]`, as an installation of the project would; whether there are any."""
    programs = {name: _SCRIPT_TARGET.fullmatch(str(target).replace(" ", "")) for name, target in scripts.items()}
    for name, target in programs.items():
        if target is None or not re.fullmatch(r"[\w.-]+", name):
            raise BadManifest(
                f"pyproject.toml: [project.scripts] {name} is not `module:function`.",
                next_step="Correct pyproject.toml.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        module, function = target.groups()
        first = function.partition(".")[0]
        program = folder / name
        program.write_text(f"#!{python}\nimport sys\nfrom {module} import {first}\nsys.exit({function}())\n")
        program.chmod(0o755)
    return bool(programs)
