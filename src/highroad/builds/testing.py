"""Run the tests of a workload against its artifact. Called by `pipelines` after a build.

The artifact is immutable, so its tests get a copy of their own to write into. Development dependencies stand in a
second environment, which has the same versions of everything that the artifact has. Red tests are a result, not an
error: an error means that they could not be run to their end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from highroad.builds.build import Builder, Waiting
from highroad.builds.builders import recipe_for
from highroad.builds.cache import Entry
from highroad.builds.failures import disk_full
from highroad.builds.junit import LARGEST, BadReport, TestRun, read_junit
from highroad.builds.model import Artifact
from highroad.builds.recipes import Installation, Recipe
from highroad.builds.steps import Bench, Emit
from highroad.builds.trees import Source, read_from_strangers, remove
from highroad.errors import Unavailable
from highroad.kit.disguises import Mask
from highroad.kit.ids import new_id
from highroad.workload.model import Test, Workload

# The copy is made inside the sandbox: so it belongs to the right user and counts as the command's own work. The mark
# tells a copy that failed, which is no fault of the tests.
_SCRIPT = 'cp -R "$1/." "$2" && cd "$3" && : > "$5" && exec sh -c "$4"'
_COPIED = "highroad-copied"
_REPORT = "highroad-junit.xml"


class CopyFailed(Unavailable):
    code = "copy-for-tests-failed"
    title = "The tests could not be given a copy of the source"


@dataclass(frozen=True, slots=True)
class Tested:
    """How the tests ended. `why` says it in words when they did not pass ("exit code 1"). `run` is None when they left
    no report that could be read; then `note` says why."""

    __test__ = False  # pytest collects names that begin with Test

    passed: bool
    why: str
    seconds: float
    run: TestRun | None = None
    note: str = ""


def hidden(tested: Tested, mask: Mask) -> Tested:
    """The same with secrets masked in every word that the tests' author wrote."""
    if not mask:
        return tested
    run = tested.run and replace(
        tested.run,
        cases=tuple(
            replace(each, suite=mask.text(each.suite), name=mask.text(each.name), message=mask.text(each.message))
            for each in tested.run.cases
        ),
    )
    return replace(tested, why=mask.text(tested.why), note=mask.text(tested.note), run=run)


@dataclass(frozen=True, slots=True)
class _Place:
    """The copy: where it is, and how the artifact's environment reads there."""

    root: Path
    service: Path
    env: Mapping[str, str]
    mounts: tuple[str, ...]


def run_tests(
    builder: Builder,
    artifact: Artifact,
    workload: Workload,
    emit: Emit,
    *,
    cancelled: Callable[[], bool],
    epoch: int = 0,
) -> Tested:
    """Run `workload.test`, which must not be None. Raises `BuildFailed` or one of its kin when the tests could not be
    run (dependencies, time, memory, output, cancelled)."""
    test = workload.test
    if test is None:
        raise ValueError("this workload has no tests")
    bench = builder.bench(emit, cancelled, epoch=epoch)
    tree = builder.artifacts.tree(artifact.digest)
    subdirectory = os.path.relpath(artifact.directory, tree)
    source = Source(tree, "" if subdirectory == "." else subdirectory)
    recipe = recipe_for(source, workload.build, builder.tools(), artifact.digest)
    needed = _install_needs(builder, recipe, artifact, test, bench)
    workplace = builder.work / new_id("test")
    try:
        return _run(builder, bench, test, _place(workplace, artifact, source, needed), source)
    finally:
        remove(workplace)


def _install_needs(builder: Builder, recipe: Recipe, artifact: Artifact, test: Test, bench: Bench) -> Entry | None:
    if recipe.for_tests is None or not artifact.dependencies:
        return None
    installed = builder.dependencies.find(artifact.dependencies[0])
    wanted = recipe.for_tests(test, installed) if installed else None
    if wanted is None:
        return None
    if builder.dependencies.find(wanted.key) is None:
        bench.heading(f"Installing test dependencies: {wanted.label}")
    entry, made = builder.dependencies.make(
        wanted.key,
        lambda into: wanted.install(Installation(bench, builder.dependencies, into)),
        waiting=Waiting(bench, "Waiting for another build that installs the same dependencies"),
    )
    if not made:
        bench.heading(f"Test dependencies: {wanted.label} (cached)")
    return entry


def _place(workplace: Path, artifact: Artifact, source: Source, needed: Entry | None) -> _Place:
    """The environment of the artifact, with the paths of the copy and of the environment that has the needs."""
    root = workplace / "tree"
    moved = {str(source.root): str(root)}
    if needed is not None:
        moved[str(needed.directory.with_name(artifact.dependencies[0]))] = str(needed.directory)

    def relocate(text: str) -> str:
        for old, new in moved.items():
            text = text.replace(old, new)
        return text

    return _Place(
        root=root,
        service=root / source.subdirectory,
        env={name: relocate(value) for name, value in artifact.env.items()},
        # What is in the copy is there already, and a mount would make it read-only.
        mounts=tuple({*map(relocate, artifact.mounts), *artifact.mounts} - {str(root)}),
    )


def _run(builder: Builder, bench: Bench, test: Test, place: _Place, source: Source) -> Tested:
    workplace = place.root.parent
    for directory in (workplace, place.root):
        directory.mkdir(mode=0o755)
        if builder.uid is not None and builder.level.root:
            os.chown(directory, builder.uid, builder.uid)
    bench.heading(f"Running tests: {test.command}")
    started = time.monotonic()
    copied = workplace / _COPIED
    places = (str(source.root), str(place.root), str(place.service))
    ended, lines = bench.attempt(
        ("sh", "-c", _SCRIPT, "sh", *places, test.command, str(copied)),
        doing="running the tests",
        cwd=workplace,
        env={**place.env, "HIGHROAD_JUNIT": str(workplace / _REPORT), "NODE_ENV": "test", "RACK_ENV": "test"},
        readable=(source.root, *place.mounts),
        writable=(workplace,),
    )
    if ended.exit_code != 0 and not os.path.lexists(copied):
        _raise_copy_failed(lines, ended.why)
    seconds = time.monotonic() - started
    run, note = _report(test, place)
    if run is not None:
        bench.heading(f"Tests: {run.summary} in {seconds:.1f} s")
    return Tested(passed=ended.exit_code == 0, why=ended.why, seconds=seconds, run=run, note=note)


def _raise_copy_failed(lines: Sequence[str], why: str) -> NoReturn:
    said = next((line for line in reversed(lines) if line.strip()), why)
    if "No space left" in said:
        raise disk_full("copying the source for its tests")
    raise CopyFailed(
        f"The source could not be copied for its tests: {said[:200]}",
        next_step="Push again; if it stays so, the operator finds the reason in this line.",
    )


def _report(test: Test, place: _Place) -> tuple[TestRun | None, str]:
    workplace = place.root.parent
    names = [_REPORT]
    if test.junit and not test.junit.startswith("$"):
        names.insert(0, os.path.relpath(place.service / test.junit, workplace))
    for name in names:
        content = read_from_strangers(workplace, name, limit=LARGEST)
        if content is None:
            continue
        try:
            return read_junit(content), ""
        except BadReport as error:
            return None, error.detail
    return None, "" if test.junit is None else "The tests left no report."
