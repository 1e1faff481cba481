"""Which packages a Python project declares, and where; tolerant, since the installer will judge. Used by `python`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from highroad.workload.languages.found import read_toml, table, texts
from highroad.workload.source import Source

LOCK_LIMIT = 16 * 1024 * 1024
DEVELOPMENT_FILES = (
    "requirements-dev.txt",
    "requirements-test.txt",
    "requirements_dev.txt",
    "requirements_test.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "requirements/dev.txt",
    "requirements/test.txt",
)
DEVELOPMENT_NAMES = ("dev", "test", "tests", "testing", "develop", "development")
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?")
_INCLUDE = re.compile(r"\s*(?:-r|--requirement)[ =]?\s*(\S+)")
_LOCKED = re.compile(r'^name = "([^"]+)"', re.MULTILINE)
_STANDARD = {"fastapi": ("standard", "uvicorn"), "starlette": ("full", ""), "uvicorn": ("standard", "")}


@dataclass(frozen=True, slots=True)
class PythonProject:
    """`manager` as in `Build`, or `none` when nothing declares dependencies. Names are normalised as by PEP 503.

    `runtime` are packages installed for the app, `development` where each development package comes from: the need
    (see `Test.needs`) that installs it. `asked_version` and `version_from` are what is asked of Python and where.
    """

    manager: str
    file: str | None
    runtime: frozenset[str] = frozenset()
    development: dict[str, str] = field(default_factory=dict)
    asked_version: str | None = None
    version_from: str = ""

    @property
    def any(self) -> frozenset[str]:
        return self.runtime | self.development.keys()


def read(source: Source) -> PythonProject:
    """Raises `BadProjectFile` and the errors of `Source`."""
    pyproject = read_toml(source, "pyproject.toml")
    pipfile = read_toml(source, "Pipfile")
    project = table(pyproject.get("project"))
    poetry = table(table(pyproject.get("tool")).get("poetry"))
    manager, file = _manager(source, declares=bool(project or poetry))
    runtime = _names(texts(project.get("dependencies"))) | {normal(name) for name in table(poetry.get("dependencies"))}
    if manager == "pip":
        runtime |= _requirements(source, "requirements.txt")
    elif manager == "pipenv":
        runtime |= {normal(name) for name in table(pipfile.get("packages"))} | _pipfile_lock(source)
    elif manager == "uv":
        # The lock knows what comes along with what was asked for; groups are in it too, so they are taken out again.
        locked = {normal(name) for name in _LOCKED.findall(source.read("uv.lock", limit=LOCK_LIMIT) or "")}
        runtime |= locked - _development(source, pyproject, pipfile).keys()
    version, version_from = _version(source, pyproject, pipfile)
    return PythonProject(
        manager=manager,
        file=file,
        runtime=frozenset(runtime - {"python"}),
        development=_development(source, pyproject, pipfile),
        asked_version=version,
        version_from=version_from,
    )


def normal(name: str) -> str:
    """PEP 503: `Flask_Login` and `flask-login` are one package."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _manager(source: Source, *, declares: bool) -> tuple[str, str | None]:
    if source.has("uv.lock") and declares:
        return "uv", "uv.lock"
    if source.has("requirements.txt"):
        return "pip", "requirements.txt"
    if pipfile := source.first("Pipfile.lock", "Pipfile"):
        return "pipenv", pipfile
    return ("pyproject", "pyproject.toml") if declares else ("none", None)


def _names(lines: tuple[str, ...]) -> set[str]:
    """Package names of requirement lines, and what a well-known extra (`fastapi[standard]`) brings along."""
    names: set[str] = set()
    for line in lines:
        if match := _NAME.match(line):
            name = normal(match[1])
            extra, brings = _STANDARD.get(name, ("", ""))
            names |= {name, brings} if brings and extra in (match[2] or "") else {name}
    return names


def _requirements(source: Source, path: str, seen: frozenset[str] = frozenset()) -> set[str]:
    text = source.read(path) or ""
    lines = tuple(line for line in text.splitlines() if not line.lstrip().startswith(("#", "-")))
    names = _names(lines)
    folder = path.rpartition("/")[0]
    for line in text.splitlines():
        match = _INCLUDE.match(line)
        included = f"{folder}/{match[1]}".lstrip("/") if match else ""
        # A file that leads out of the source is the installer's to refuse; here it only holds names.
        if match and included not in seen and ".." not in included and len(seen) < 20:
            names |= _requirements(source, included, seen | {path})
    return names


def _pipfile_lock(source: Source) -> set[str]:
    text = source.read("Pipfile.lock", limit=LOCK_LIMIT)
    try:
        return {normal(name) for name in table(table(json.loads(text)).get("default"))} if text else set()
    except (ValueError, RecursionError):  # a broken lock file is reported by the installer, which knows how to mend it
        return set()


def _development(source: Source, pyproject: object, pipfile: object) -> dict[str, str]:
    """Development packages by the need that installs them; the first place that names a package counts."""
    needs: dict[str, str] = {}
    tables = table(pyproject)
    for group, members in table(tables.get("dependency-groups")).items():
        needs = dict.fromkeys(_names(texts(members)), f"--group {group}") | needs
    poetry = table(table(table(tables.get("tool")).get("poetry")).get("group"))
    for group, spec in poetry.items():
        needs = dict.fromkeys(map(normal, table(table(spec).get("dependencies"))), f"--group {group}") | needs
    for extra, members in table(table(tables.get("project")).get("optional-dependencies")).items():
        if extra in DEVELOPMENT_NAMES:
            needs = dict.fromkeys(_names(texts(members)), f"--extra {extra}") | needs
    needs = dict.fromkeys(map(normal, table(table(pipfile).get("dev-packages"))), "--group dev-packages") | needs
    for file in DEVELOPMENT_FILES:
        if source.has(file):
            needs = dict.fromkeys(_requirements(source, file), f"-r {file}") | needs
    return needs


def _version(source: Source, pyproject: object, pipfile: object) -> tuple[str | None, str]:
    for file in (".python-version", "runtime.txt"):
        written = (source.read(file) or "").strip().splitlines()
        if written and (match := re.fullmatch(r"(?:python-)?(\d+\.\d+(?:\.\d+)?)", written[0].strip())):
            return match[1], file
    requires = table(table(pyproject).get("project")).get("requires-python")
    if isinstance(requires, str) and len(requires) <= 80:
        return requires, "pyproject.toml"
    asked = table(table(pipfile).get("requires")).get("python_version")
    return (asked, "Pipfile") if isinstance(asked, str) else (None, "")
