"""Node dependencies by the real npm and registry, with one small package."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from highroad.builds import failures
from highroad.builds.node import recipe
from highroad.builds.toolchains import find
from highroad.builds.trees import Source
from highroad.workload.model import Build
from tests.builds.yard import Yard, write

NPM = Build(language="node", manager="npm")
PACKAGE = {"name": "app", "version": "1.0.0", "dependencies": {"is-number": "7.0.0"}}

pytestmark = pytest.mark.skipif("npm" not in find().tools, reason="npm is not installed")


def files(**more: object) -> dict[str, str]:
    return {"package.json": json.dumps({**PACKAGE, **more}), "app.js": "console.log(require('is-number')(7))"}


def key(tmp_path: Path, tree: dict[str, str], build: Build = NPM) -> str:
    source = write(tmp_path / os.urandom(4).hex(), tree)
    dependencies = recipe(Source(source), build, find(), "tree").dependencies
    assert dependencies is not None
    return dependencies.key


def test_an_artifact_links_to_its_packages_and_build_tools_may_write_beside_them(online: Yard) -> None:
    scripts = {"build": "node app.js && mkdir node_modules/.cache && echo built > out"}
    artifact = online.build(files(scripts=scripts), Build(language="node", manager="npm", commands=("npm run build",)))
    modules = Path(artifact.directory, "node_modules")
    assert (modules / "is-number").is_symlink()
    assert (modules / ".cache").is_dir()
    assert Path(artifact.directory, "out").read_text() == "built\n"
    ran = subprocess.run(["node", "app.js"], cwd=artifact.directory, capture_output=True, text=True, check=True)
    assert ran.stdout == "true\n"
    assert artifact.env["NODE_ENV"] == "production"
    assert any("no lock file" in line for line in online.lines)


def test_a_locked_project_is_installed_by_its_lock(online: Yard, tmp_path: Path) -> None:
    write(tmp_path / "p", files())
    subprocess.run(["npm", "install", "--package-lock-only"], cwd=tmp_path / "p", check=True, capture_output=True)
    tree = {**files(), "package-lock.json": (tmp_path / "p/package-lock.json").read_text()}
    build = Build(language="node", manager="npm", lock_file="package-lock.json")
    online.build(tree, build)
    assert "Node" in online.lines[0]
    assert "package-lock.json" in online.lines[0]
    stale = {**tree, "package.json": json.dumps({**PACKAGE, "dependencies": {"is-number": "6.0.0"}})}
    with pytest.raises(failures.LockOutdated):
        online.build(stale, build, tree="2")


def test_install_scripts_run_after_the_packages_are_in_place(online: Yard) -> None:
    artifact = online.build(files(dependencies={"esbuild": "0.25.0"}), NPM)
    ran = subprocess.run(
        [Path(artifact.directory, "node_modules/.bin/esbuild"), "--version"], capture_output=True, check=True
    )
    assert ran.stdout == b"0.25.0\n"


def test_a_package_that_does_not_exist_is_named(online: Yard) -> None:
    with pytest.raises(failures.NoMatchingVersion, match=r"is-number@99\.0\.0"):
        online.build(files(dependencies={"is-number": "99.0.0"}), NPM)


def test_editing_a_script_installs_nothing_again(tmp_path: Path) -> None:
    assert key(tmp_path, files(scripts={"a": "1"})) == key(tmp_path, files(scripts={"a": "2"}))
    assert key(tmp_path, files()) != key(tmp_path, files(dependencies={}))


def test_a_workspaces_manifest_counts(tmp_path: Path) -> None:
    def tree(version: str) -> dict[str, str]:
        member = json.dumps({"name": "a", "dependencies": {"is-number": version}})
        return {**files(workspaces=["packages/*"]), "packages/a/package.json": member}

    assert key(tmp_path, tree("7.0.0")) != key(tmp_path, tree("6.0.0"))


def test_a_workspace_is_linked_within_the_artifact(online: Yard) -> None:
    tree = {
        **files(workspaces=["packages/*"]),
        "packages/a/package.json": '{"name": "@me/a", "version": "1.0.0"}',
        "packages/a/index.js": "module.exports = 'mine'",
        "app.js": "console.log(require('@me/a'))",
    }
    artifact = online.build(tree, NPM)
    link = Path(artifact.directory, "node_modules/@me/a")
    assert link.resolve() == Path(artifact.directory, "packages/a")
    ran = subprocess.run(["node", "app.js"], cwd=artifact.directory, capture_output=True, text=True, check=True)
    assert ran.stdout == "mine\n"


def test_a_broken_manifest_is_said(yard: Yard) -> None:
    with pytest.raises(failures.BadManifest, match=r"package\.json is not JSON"):
        yard.build({"package.json": "{"}, NPM)


def test_settings_that_may_start_programs_keep_a_project_from_the_shared_cache(online: Yard) -> None:
    shared = online.builder.dependencies.workshop / "npm"
    artifact = online.build({**files(), ".npmrc": "script-shell=./evil\n"}, NPM)
    assert Path(artifact.directory, "node_modules/is-number").is_symlink()
    assert not shared.exists() or not list(shared.iterdir())
    assert any("without the shared cache" in line for line in online.lines)
