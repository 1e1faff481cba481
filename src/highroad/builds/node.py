"""Node: npm, pnpm or yarn install into the dependency store; the artifact gets links to what is there.

Called through `builders`. An installation has two steps: packages are put in place without running their scripts,
out of a cache that all builds share; then, only if some have them, their install scripts run, without that cache.
A repository whose settings for its tool are not known to be harmless does not get that cache at all.

An artifact's `node_modules` is a directory of links, not a link: build tools write caches of their own into it.
Development dependencies are installed too, because build and tests need them; the instance shares them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from highroad.builds.cache import Entry, Installed, key_of
from highroad.builds.failures import BadManifest
from highroad.builds.node_settings import harmless
from highroad.builds.recipes import Attached, Dependencies, Installation, Recipe
from highroad.builds.toolchains import Tool, Toolchains, satisfies
from highroad.builds.trees import Source, remove
from highroad.workload.model import Build

_INSTALL_SCRIPTS = ("preinstall", "install", "postinstall")
_DECIDING = (
    "name",
    "version",
    "type",
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bundleDependencies",
    "overrides",
    "resolutions",
    "workspaces",
    "engines",
    "packageManager",
    "pnpm",
    "dependenciesMeta",
)
_SETTINGS = (".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", ".pnpmfile.cjs")
# The last one is code of the repository that pnpm would run; it stays away.
_NEVER_COPIED = (".pnpmfile.cjs",)
_LOCKS = {"npm": "package-lock.json", "pnpm": "pnpm-lock.yaml", "yarn": "yarn.lock"}
_DEEPEST_WORKSPACE = 4
_OWN_CACHE = ".own-cache"
# The tool that is installed here does the work: not one that the repository brings along or has downloaded, which would
# be code of the repository's choice with the shared cache in its hands.
_ENVIRONMENT = {
    "YARN_NODE_LINKER": "node-modules",
    "YARN_IGNORE_PATH": "1",
    "npm_config_manage_package_manager_versions": "false",
    "npm_config_package_manager_strict": "false",
    "npm_config_update_notifier": "false",
    "COREPACK_ENABLE_NETWORK": "0",
}


@dataclass(frozen=True, slots=True)
class _Manager:
    """A package tool: how it puts packages in place, how it runs their scripts, how it is told where its cache is."""

    tool: Tool
    place: Sequence[str]
    rebuild: tuple[str, ...]
    cache_setting: str


def recipe(source: Source, build: Build, tools: Toolchains, _tree: str) -> Recipe:
    node = tools.require("node", for_what="A Node service")
    base = str(Path(build.lock_file).parent) if build.lock_file else "."
    dependencies = None
    mounts = node.mounts
    if build.manager != "none" and source.has(f"{base}/package.json"):
        manager = _manager(build, tools, locked=build.lock_file is not None)
        files = _manifests(source, base, build)
        dependencies = Dependencies(
            key=key_of(
                "node",
                f"{node.version} {manager.tool.name} {manager.tool.version}",
                *(part for name, content in files.items() for part in (name, _deciding(name, content))),
            ),
            label=build.lock_file or f"{base}/package.json".removeprefix("./"),
            install=lambda installation: _install(installation, manager, node, files),
        )
        mounts += manager.tool.mounts
    return Recipe(
        title=f"Node {node.version}",
        runtime=f"node {node.version}",
        attach=lambda entry, directory: _attach(entry, Path(os.path.normpath(directory / base)), node, mounts),
        dependencies=dependencies,
        commands=build.commands,
        notes=_notes(build, node),
    )


def _notes(build: Build, node: Tool) -> tuple[str, ...]:
    notes = []
    if build.version and not satisfies(node.numbers, build.version):
        notes.append(f"Warning: the source asks for Node {build.version}; this machine has {node.version}.")
    if build.manager != "none" and build.lock_file is None:
        notes.append(
            "Warning: no lock file is committed; versions are chosen once and kept until package.json changes."
        )
    return tuple(notes)


def _manager(build: Build, tools: Toolchains, *, locked: bool) -> _Manager:
    place: tuple[str, ...]
    match build.manager:
        case "pnpm":
            tool = tools.require("pnpm", for_what="A service with pnpm-lock.yaml")
            frozen = ("--frozen-lockfile",) if locked else ("--no-frozen-lockfile",)
            place = ("pnpm", "install", "--ignore-scripts", "--ignore-pnpmfile", "--prod=false", *frozen)
            return _Manager(tool, place, ("pnpm", "rebuild", "--recursive"), "npm_config_store_dir")
        case "yarn":
            tool = tools.require("yarn", for_what="A service with yarn.lock")
            if tool.numbers[:1] >= (2,):
                place = ("yarn", "install", "--mode=skip-build", *(("--immutable",) if locked else ()))
                return _Manager(tool, place, ("yarn", "rebuild"), "YARN_GLOBAL_FOLDER")
            place = ("yarn", "install", "--ignore-scripts", "--non-interactive", "--production=false")
            place += ("--frozen-lockfile",) if locked else ("--no-lockfile",)
            return _Manager(tool, place, ("npm", "rebuild", "--foreground-scripts"), "YARN_CACHE_FOLDER")
        case _:
            tool = tools.require("npm", for_what="A service with package.json")
            verb = ("ci",) if locked else ("install", "--no-package-lock")
            place = ("npm", *verb, "--ignore-scripts", "--include=dev", "--no-audit", "--no-fund", "--no-progress")
            return _Manager(tool, place, ("npm", "rebuild", "--foreground-scripts"), "npm_config_cache")


def _manifests(source: Source, base: str, build: Build) -> dict[str, bytes]:
    """Every file that the installation needs, by path below the directory of the lock file; sorted."""
    names = ["package.json", *(name for name in _SETTINGS if name not in _NEVER_COPIED)]
    names.append(Path(build.lock_file).name if build.lock_file else _LOCKS.get(build.manager, ""))
    names += _workspace_manifests(source.path(base))
    found = ((name, source.read(f"{base}/{name}")) for name in sorted(set(filter(None, names))))
    return {name: content for name, content in found if content is not None}


def _workspace_manifests(root: Path) -> Iterator[str]:
    """The package.json of every directory not too deep below a project that says it has workspaces."""
    top = _json(root / "package.json")
    if "workspaces" not in top and not (root / "pnpm-workspace.yaml").is_file():
        return
    for directory, folders, names in os.walk(root):
        below = os.path.relpath(directory, root)
        depth = 0 if below == "." else below.count(os.sep) + 1
        folders[:] = [name for name in folders if name != "node_modules" and not name.startswith(".")]
        if depth >= _DEEPEST_WORKSPACE:
            folders.clear()
        if depth and "package.json" in names:
            yield f"{below}/package.json"


def _json(path: Path) -> Mapping[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise BadManifest(
            f"{path.name} is not JSON: {error}.", next_step=f"Correct {path.name} and push again."
        ) from error
    if not isinstance(content, dict):
        raise BadManifest(f"{path.name} is not a JSON object.", next_step=f"Correct {path.name} and push again.")
    return content


def _deciding(name: str, content: bytes) -> bytes:
    """What of a file decides the installation: not package.json's scripts, so that editing one re-installs nothing."""
    if not name.endswith("package.json"):
        return content
    try:
        manifest = json.loads(content)
        chosen = {field: manifest[field] for field in _DECIDING if field in manifest}
    except (ValueError, TypeError) as error:
        raise BadManifest(f"{name} is not JSON: {error}.", next_step=f"Correct {name} and push again.") from error
    return json.dumps(chosen, sort_keys=True).encode()


def _install(installation: Installation, manager: _Manager, node: Tool, files: Mapping[str, bytes]) -> Installed:
    bench, store, into = installation.bench, installation.store, installation.into
    for name, content in files.items():
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        _give(target, into)
    path = tuple(dict.fromkeys(str(Path(tool.path).parent) for tool in (manager.tool, node)))
    mounts = (*manager.tool.mounts, *node.mounts)
    trusted = harmless(files)
    own = into / _OWN_CACHE
    if not trusted:
        bench.note("The settings of the package tool go beyond registries: installing without the shared cache.")
    bench.run(
        manager.place,
        doing=f"installing with {manager.tool.name}",
        cwd=into,
        path=path,
        env=_ENVIRONMENT | {manager.cache_setting: str(store.cache(manager.tool.name) if trusted else own)},
        readable=mounts,
        writable=(store.workshop,) if trusted else (into,),
        registries=True,
    )
    remove(own)
    if _has_install_scripts(into, manager.tool.name):
        bench.run(
            manager.rebuild,
            doing="running the install scripts of packages",
            cwd=into,
            path=path,
            env=_ENVIRONMENT | {manager.cache_setting: "/tmp/cache"},  # noqa: S108  # the sandbox's own
            readable=mounts,
            writable=(into,),
        )
    roots = [os.path.relpath(path, into) for path in _module_directories(into)]
    return Installed(packages=_count(into, roots), detail={"roots": json.dumps(roots)})


def _give(target: Path, owner_of: Path) -> None:
    """Have the installing user own a manifest and the directories above it, up to its own."""
    if os.geteuid() != 0:
        return
    owner = owner_of.stat()
    for path in (target, *target.parents):
        if path == owner_of:
            return
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _has_install_scripts(into: Path, manager: str) -> bool:
    """npm says so in the lock it writes into node_modules; for others each package's manifest is asked."""
    if manager == "npm":
        packages = _json(into / "node_modules" / ".package-lock.json").get("packages")
        listed = packages.values() if isinstance(packages, dict) else ()
        return any(isinstance(each, dict) and each.get("hasInstallScript") for each in listed)
    where = "node_modules/.pnpm/*/node_modules" if manager == "pnpm" else "node_modules"
    for manifest in into.glob(f"{where}/**/package.json"):
        scripts = _scripts(manifest)
        if any(name in scripts for name in _INSTALL_SCRIPTS) or (manifest.parent / "binding.gyp").exists():
            return True
    return False


def _scripts(manifest: Path) -> Mapping[str, object]:
    try:
        scripts = json.loads(manifest.read_bytes()).get("scripts")
    except (OSError, ValueError, AttributeError):
        # Packages carry broken package.json files as test data.
        return {}
    return scripts if isinstance(scripts, dict) else {}


def _module_directories(root: Path) -> Iterator[Path]:
    """Every outermost node_modules: the project's and those of its workspaces."""
    for directory, folders, _names in os.walk(root):
        if "node_modules" in folders:
            yield Path(directory, "node_modules")
        folders[:] = [name for name in folders if name != "node_modules" and not name.startswith(".")]


def _count(into: Path, roots: list[str]) -> int:
    packages = _json(into / "node_modules" / ".package-lock.json").get("packages")
    if isinstance(packages, dict):
        return len(packages)
    virtual = into / "node_modules" / ".pnpm"
    if virtual.is_dir():
        return sum(1 for path in virtual.iterdir() if "@" in path.name)
    return sum(1 for root in roots for _ in (into / root).glob("[!.@]*/package.json"))


def _attach(entry: Entry | None, base: Path, node: Tool, mounts: tuple[str, ...]) -> Attached:
    env = {"NODE_ENV": "production"}
    path: tuple[str, ...] = (str(Path(node.path).parent),)
    if entry is None:
        return Attached(path=path, env=env, mounts=mounts)
    for root in json.loads(entry.detail["roots"]):
        _link_modules(entry.directory / root, base / root, entry.directory)
    return Attached(path=(str(base / "node_modules" / ".bin"), *path), env=env, mounts=(str(entry.directory), *mounts))


def _link_modules(stored: Path, target: Path, top: Path) -> None:
    """Make `target` a directory of links to what is in `stored`.

    A link in `stored` that leads out of its node_modules is a workspace's: it is kept relative, so that it leads to the
    workspace in the artifact.
    """
    if target.is_symlink() or target.exists():
        remove(target)
    target.mkdir(parents=True)
    for entry in os.scandir(stored):
        if entry.name.startswith("@") and entry.is_dir(follow_symlinks=False):
            _link_modules(Path(entry.path), target / entry.name, top)
            continue
        link = str(Path(entry.path).readlink()) if entry.is_symlink() else ""
        leads = os.path.relpath(os.path.normpath(stored / link), top) if link else "node_modules"
        (target / entry.name).symlink_to(entry.path if "node_modules" in Path(leads).parts else link)
