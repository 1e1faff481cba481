"""What a Python project wants installed, read from whatever it locks with. Used by `python` alone.

Reads manifests, runs nothing. Everything that decides the installation ends up in `Wanted`, whose parts are the key.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from highroad.builds.failures import BadManifest
from highroad.builds.trees import Source
from highroad.workload.model import Build, Test

_LOCAL = re.compile(
    r"^\s*(?:-e\s*|--editable[ =]\s*)?(?:\.{1,2}(?:/|$|\[)|file:\.)|@\s*file:(?!///)|^\s*(?:-e|--editable)\b"
)
_INCLUDE = re.compile(r"^\s*(?:-r|-c|--requirements?|--constraints?)[ =]?\s*(\S+)")
# Options by which a requirements file would have uv build from source although it was called with --only-binary, and
# files that only uv reads, which could hold them.
_BUILDS = re.compile(
    r"--(?:only|no)-binary|^\s*(?:-r|-c|--requirements?|--constraints?)[ =]?\s*['\"]?\w+://", re.MULTILINE
)
_MANY_INCLUDES = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to install: `arguments` for uv (`pip install ...` or `sync ...`), run in the service's directory.

    `parts` decide the key. `local` says that the requirements lead into the repository, `compiled` that they may ask
    for building from source; either means that code of packages will run. `written` are requirement
    files that exist nowhere in the source, by name, to be written beside the environment. `more` is installed after.
    """

    label: str
    parts: tuple[bytes, ...] = ()
    arguments: tuple[str, ...] = ()
    local: bool = False
    compiled: bool = False
    written: Mapping[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()


def what_to_install(source: Source, build: Build, project: Mapping[str, object]) -> Wanted:
    match build.manager:
        case "uv":
            return _from_uv_lock(source, build.lock_file or "uv.lock", project)
        case "pip":
            return _from_requirements(source, build.lock_file or "requirements.txt")
        case "pipenv":
            return _from_pipenv(source, build.lock_file or "Pipfile.lock")
        case "pyproject":
            return _from_pyproject(project)
        case _:
            return Wanted(label="no dependencies")


def read_project(source: Source) -> Mapping[str, object]:
    text = source.text("pyproject.toml")
    if text is None:
        return {}
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadManifest(f"pyproject.toml cannot be read: {error}.", next_step="Correct pyproject.toml.") from error


def table(parent: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = parent.get(name)
    return found if isinstance(found, dict) else {}


def requires_python(project: Mapping[str, object]) -> str | None:
    wanted = table(project, "project").get("requires-python")
    return wanted if isinstance(wanted, str) else None


def _from_requirements(source: Source, name: str) -> Wanted:
    contents = dict(_with_includes(source, name))
    return Wanted(
        label=name,
        parts=tuple(part for path, content in sorted(contents.items()) for part in (path.encode(), content)),
        arguments=("pip", "install", "-r", name),
        local=any(_LOCAL.search(line) for line in _lines(contents)),
        compiled=_ask_for_builds(contents),
    )


def _with_includes(source: Source, name: str) -> Iterator[tuple[str, bytes]]:
    """A requirements file and those it includes by -r and -c, however deep; each once."""
    seen: set[str] = set()
    pending = [name]
    while pending and len(seen) < _MANY_INCLUDES:
        current = pending.pop()
        if current in seen or "://" in current:
            continue
        seen.add(current)
        content = source.read(current)
        if content is None:
            raise BadManifest(f"{current} does not exist.", next_step=f"Commit {current}, or remove what refers to it.")
        yield current, content
        for line in content.decode("utf-8", "replace").splitlines():
            found = _INCLUDE.match(line)
            if found is not None:
                pending.append(str(Path(current).parent / found.group(1)))


def _from_uv_lock(source: Source, name: str, project: Mapping[str, object]) -> Wanted:
    lock = source.read(name)
    if lock is None:
        raise BadManifest(f"{name} does not exist.", next_step="Run `uv lock` and commit uv.lock.")
    relevant = {
        "project": {key: value for key, value in table(project, "project").items() if "dependencies" in key},
        "python": requires_python(project),
        "groups": project.get("dependency-groups"),
        "uv": table(project, "tool").get("uv"),
    }
    # The project itself is run from its source; any other local package has to be built.
    local = re.findall(rb'source = \{ (?:editable|directory|virtual|path) = "([^"]*)"', lock)
    return Wanted(
        label=name,
        parts=(lock, json.dumps(relevant, sort_keys=True, default=str).encode()),
        arguments=("sync", "--frozen", "--no-dev", "--no-install-project", "--no-editable"),
        local=any(path != b"." for path in local),
    )


def _from_pyproject(project: Mapping[str, object]) -> Wanted:
    declared = table(project, "project")
    if "dependencies" in _strings(declared.get("dynamic")):
        return Wanted(label="pyproject.toml", arguments=("pip", "install", "-r", "pyproject.toml"), local=True)
    dependencies = _strings(declared.get("dependencies"))
    if not dependencies:
        return Wanted(label="pyproject.toml")
    return Wanted(
        label="pyproject.toml",
        parts=(json.dumps(table(project, "tool").get("uv"), sort_keys=True, default=str).encode(),),
        arguments=("pip", "install", "-r", "@pyproject.txt", *_indexes(project)),
        written={"pyproject.txt": "\n".join(dependencies) + "\n"},
        local=any(_LOCAL.search(line) for line in dependencies),
    )


def _indexes(project: Mapping[str, object]) -> Iterator[str]:
    """The registries of `[[tool.uv.index]]`, as options: uv is run without reading a repository's configuration."""
    listed = table(table(project, "tool"), "uv").get("index")
    for index in listed if isinstance(listed, list) else ():
        if isinstance(index, dict) and re.match(r"https?://", str(index.get("url", ""))):
            yield f"--default-index={index['url']}" if index.get("default") is True else f"--index={index['url']}"


def _from_pipenv(source: Source, name: str) -> Wanted:
    text = source.text(name)
    if text is None:
        raise BadManifest(f"{name} does not exist.", next_step="Run `pipenv lock` and commit Pipfile.lock.")
    try:
        locked = json.loads(text)["default"]
        lines = [_pipenv_line(package, details) for package, details in sorted(locked.items())]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadManifest(f"{name} cannot be read: {error!r}.", next_step="Run `pipenv lock` and commit it.") from error
    if not lines:
        return Wanted(label=name)
    return Wanted(
        label=name,
        arguments=("pip", "install", "-r", "@pipenv.txt"),
        written={"pipenv.txt": "\n".join(lines) + "\n"},
        local=any(_LOCAL.search(line) for line in lines),
    )


def _pipenv_line(package: str, details: Mapping[str, object]) -> str:
    """One entry of Pipfile.lock's `default` as a requirement (https://github.com/pypa/pipfile)."""
    extras = details.get("extras")
    name = f"{package}[{','.join(extras)}]" if isinstance(extras, list) else package
    marker = f" ; {details['markers']}" if details.get("markers") else ""
    if "path" in details:
        return f"{details['path']}{marker}"
    if "git" in details:
        return f"{name} @ git+{details['git']}@{details.get('ref', 'HEAD')}{marker}"
    if "file" in details:
        return f"{name} @ {details['file']}{marker}"
    hashes = details.get("hashes")
    pins = "".join(f" --hash={value}" for value in hashes) if isinstance(hashes, list) else ""
    version = details.get("version", "")
    return f"{name}{'' if version == '*' else version}{marker}{pins}"


def with_needs(
    wanted: Wanted, test: Test, source: Source, project: Mapping[str, object], installed: Sequence[str]
) -> Wanted | None:
    """What the environment of the tests wants, or None when the service's own will do.

    `installed` is what the service's environment has (`name==version`): the tests run with the same versions.
    """
    needs = [shlex.split(need) for need in test.needs]
    has_pytest = any(line.startswith("pytest==") for line in installed)
    if re.search(r"\bpytest\b", test.command) and not needs and not has_pytest:
        needs = [["pytest"]]
    if not needs:
        return None
    synced = wanted.arguments[:1] == ("sync",)
    files: list[str] = []
    lines: list[str] = []
    groups: list[str] = []
    for need in needs:
        match need:
            case ["-r" | "--requirement", name]:
                files.append(name)
            case ["--group" | "--extra" as kind, name] if synced:
                groups += [kind, name]
            case ["--group", name]:
                lines += _group(project, name)
            case ["--extra", name]:
                lines += _strings(table(table(project, "project"), "optional-dependencies").get(name))
            case _:
                lines.append(" ".join(need))
    included = {path: content for name in files for path, content in _with_includes(source, name)}
    arguments = tuple(word for word in wanted.arguments if not (synced and word == "--no-dev"))
    pinned = ("-c", "@constraints.txt")
    first = () if synced or not arguments else pinned
    more = [word for name in files for word in ("-r", name)] + (["-r", "@needs.txt"] if lines else [])
    return replace(
        wanted,
        label=", ".join(test.needs) or "pytest",
        parts=(*wanted.parts, *(part for path, text in sorted(included.items()) for part in (path.encode(), text))),
        arguments=(*arguments, *groups, *first),
        local=wanted.local or any(_LOCAL.search(line) for line in _lines(included)) or any(map(_LOCAL.search, lines)),
        compiled=wanted.compiled or _ask_for_builds(included) or bool(_BUILDS.search("\n".join(lines))),
        written={
            **wanted.written,
            "constraints.txt": "\n".join(installed) + "\n",
            **({"needs.txt": "\n".join(lines) + "\n"} if lines else {}),
        },
        more=("pip", "install", *more, *pinned) if more else (),
    )


def _lines(contents: Mapping[str, bytes]) -> list[str]:
    return [line for content in contents.values() for line in content.decode("utf-8", "replace").splitlines()]


def _ask_for_builds(contents: Mapping[str, bytes]) -> bool:
    return any(_BUILDS.search(re.sub(rb"\\\r?\n", b"", each).decode("utf-8", "replace")) for each in contents.values())


def _strings(listed: object) -> list[str]:
    return [str(each) for each in listed] if isinstance(listed, list) else []


def _group(project: Mapping[str, object], name: str, depth: int = 0) -> list[str]:
    """A dependency group with those it includes (PEP 735)."""
    listed = table(project, "dependency-groups").get(name)
    lines: list[str] = []
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, str):
            lines.append(each)
        elif isinstance(each, dict) and depth < _MANY_INCLUDES:
            lines += _group(project, str(each.get("include-group")), depth + 1)
    return lines
