"""What languages and tools this machine has: their versions, where they are, and what a sandbox must see to run them.

`detect` gets `versions()` to say early what is missing; the language modules get the paths. Asking every tool costs
about 0.1 s, so it happens once per process, on first use.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import uv

from highroad.builds.failures import ToolchainMissing, WrongRuntime

_PROBE = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.base_prefix); print(sys.implementation.name)"
_OLDEST = (3, 8)
_ASKED: Mapping[str, Sequence[str]] = {
    "node": ("--version",),
    "npm": ("--version",),
    "pnpm": ("--version",),
    "yarn": ("--version",),
    "go": ("version",),
    "ruby": ("--version",),
    "bundle": ("--version",),
    "git": ("--version",),
}
_SYSTEM = ("/usr/", "/bin/", "/lib/")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program on this machine. `mounts` are the absolute paths outside /usr that it needs to run; usually none."""

    name: str
    version: str
    path: str
    mounts: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        return _numbers(self.version)

    @property
    def short(self) -> str:
        """Major and minor version, `3.11`."""
        return ".".join(map(str, self.numbers[:2]))


@dataclass(frozen=True, slots=True)
class Toolchains:
    """`pythons` are newest first; `default_python` is the one that runs Highroad. `tools` are the others by name."""

    pythons: tuple[Tool, ...]
    default_python: Tool
    uv: Tool
    tools: Mapping[str, Tool] = field(default_factory=dict)

    def versions(self) -> Mapping[str, str]:
        """Every tool's name and version; `python` is the default one, `python3.12` and the like are all there are."""
        found = {f"python{python.short}": python.version for python in reversed(self.pythons)}
        found["python"] = self.default_python.version
        found["uv"] = self.uv.version
        found.update({name: tool.version for name, tool in self.tools.items()})
        return found

    def require(self, name: str, *, for_what: str) -> Tool:
        tool = self.tools.get(name)
        if tool is None:
            raise ToolchainMissing(
                f"{for_what} needs {name}, which this machine does not have.",
                next_step=f"Have the operator install {name} for all users and restart Highroad.",
            )
        return tool

    def python(self, wanted: str | None) -> Tool:
        """The Python for a version (`3.12`, `3.12.1`) or specifier (`>=3.10,<3.13`): the default if it fits, else the
        newest that does. Raises `WrongRuntime`."""
        if not wanted or satisfies(self.default_python.numbers, wanted):
            return self.default_python
        for python in self.pythons:
            if satisfies(python.numbers, wanted):
                return python
        have = ", ".join(python.version for python in self.pythons)
        raise WrongRuntime(
            f"Python {wanted} is asked for; this machine has {have}.",
            next_step="Ask for one of these in highroad.yaml (`build: {version: ...}`), or have it installed.",
        )


def satisfies(version: tuple[int, ...], wanted: str) -> bool:
    """Whether a version fits a bare version (as a prefix), or every one of comma- or space-separated specifiers.

    Understands ==, !=, >=, <=, >, <, ~= (PEP 440) and ^, ~, || (npm) on release numbers. Text without any number fits
    nothing, `*` everything.
    """
    return any(_fits_all(version, alternative) for alternative in wanted.split("||"))


def _fits_all(version: tuple[int, ...], wanted: str) -> bool:
    if wanted.strip() in ("*", "x"):
        return True
    parts = re.findall(r"(===?|!=|~=|>=|<=|>|<|\^|~)?\s*v?(\d+(?:\.(?:\d+|\*|x))*)", wanted)
    return bool(parts) and all(_fits(version, operator, text) for operator, text in parts)


def _fits(version: tuple[int, ...], operator: str, text: str) -> bool:
    want = _numbers(text)
    padded = version + (0,) * (len(want) - len(version))
    same = padded[: len(want)] == want
    match operator:
        case "" | "==" | "===":
            return same
        case "!=":
            return not same
        case ">=":
            return padded >= want
        case "<=":
            return padded <= want or same
        case ">":
            return padded > want and not same
        case "<":
            return padded < want
        case "~=":
            return padded >= want and padded[: max(1, len(want) - 1)] == want[: max(1, len(want) - 1)]
        case "^":
            return padded >= want and padded[0] == want[0]
        case _:
            return padded >= want and padded[:2] == (*want, 0)[:2]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text.split("+")[0])[:3])


@lru_cache(maxsize=1)
def find() -> Toolchains:
    """The toolchains of this machine, asked once per process."""
    return discover(os.environ, Path.home())


def discover(environ: Mapping[str, str], home: Path) -> Toolchains:
    """Look through PATH, pyenv's and uv's directories and the interpreter that runs Highroad."""
    search = environ.get("PATH", os.defpath)
    with ThreadPoolExecutor(max_workers=4) as pool:
        asked = pool.map(lambda path: _ask_python(path), _python_candidates(search, environ, home))
        tools = pool.map(lambda name: _ask_tool(name, search), _ASKED)
        own = _ask_python(_own_python())
        pythons = {python.path: python for python in asked if python is not None}
        others = {tool.name: tool for tool in tools if tool is not None}
    if own is None:  # it is running this very line
        own = Tool("python", sysconfig.get_python_version(), sys.executable, (sys.base_prefix,))
    pythons.setdefault(own.path, own)
    # One interpreter per exact version: a distribution's 3.11.2 and pyenv's are different, its python3 link is not.
    by_version = {python.version: python for python in (*pythons.values(), own)}
    ordered = sorted(by_version.values(), key=lambda python: python.numbers, reverse=True)
    return Toolchains(pythons=tuple(ordered), default_python=own, uv=_own_uv(), tools=others)


def _own_python() -> Path:
    """The real interpreter behind a virtual environment's link."""
    return Path(sys.executable).resolve()


def _own_uv() -> Tool:
    path = str(Path(uv.find_uv_bin()).resolve())
    said = _output([path, "--version"])
    return Tool("uv", said.split()[1] if len(said.split()) > 1 else "unknown", path, _mounts(path))


def _python_candidates(search: str, environ: Mapping[str, str], home: Path) -> list[Path]:
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
    folders = [Path(folder) for folder in search.split(os.pathsep) if folder.startswith("/")]
    managed = Path(environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local/share/uv/python")
    found = [path for folder in folders for path in _programs(folder, "python3.*")]
    for root in (pyenv / "versions", managed):
        found += _programs(root, "*/bin/python3.*")
    return list(dict.fromkeys(found))


def _programs(folder: Path, pattern: str) -> Iterator[Path]:
    try:
        matches = sorted(folder.glob(pattern))
    except OSError:  # a PATH entry that we may not read has nothing for us
        return
    for path in matches:
        if re.fullmatch(r"python3\.\d+", path.name) and os.access(path, os.X_OK) and not _is_script(path):
            yield path.resolve()


def _is_script(path: Path) -> bool:
    """pyenv's shims are scripts that lead to another interpreter or to none."""
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True


def _ask_python(path: Path) -> Tool | None:
    said = _output([str(path), "-I", "-S", "-c", _PROBE]).split("\n")
    if len(said) < 3 or said[2] != "cpython" or _numbers(said[0]) < _OLDEST:
        return None
    prefix = said[1]
    mounts = () if prefix == "/usr" else (prefix, *_mounts(str(path), prefix))
    return Tool("python", said[0], str(path), mounts)


def _ask_tool(name: str, search: str) -> Tool | None:
    path = shutil.which(name, path=search)
    if path is None:
        return None
    real = Path(path).resolve()
    version = _packaged_version(real) or _output([path, *_ASKED[name]])
    said = re.search(r"\d+(?:\.\d+)+", version)
    if said is None:
        return None
    return Tool(name, said.group(), path, tuple(dict.fromkeys(_mounts(path) + _mounts(str(real)))))


def _packaged_version(program: Path) -> str:
    """The version in the package.json of a tool written in JavaScript: asking npm itself takes half a second."""
    if program.suffix not in (".js", ".cjs", ".mjs"):
        return ""
    try:
        manifest = json.loads((program.parent.parent / "package.json").read_bytes())
    except (OSError, ValueError):
        return ""
    return str(manifest.get("version", "")) if isinstance(manifest, dict) else ""


def _mounts(path: str, covered: str = "") -> tuple[str, ...]:
    """What outside the system's directories must be visible for the program at `path`: its prefix, if it has one."""
    if path.startswith(_SYSTEM) or (covered and path.startswith(covered + "/")):
        return ()
    file = Path(path)
    # A tool in somebody's home is shown alone; one in its own installation (…/go/bin/go) with all that belongs to it.
    prefix = file.parent.parent
    alone = file.parent.name != "bin" or prefix == Path.home() or (prefix / "pyvenv.cfg").exists()
    return (path,) if alone else (str(prefix),)


def _output(argv: Sequence[str]) -> str:
    """A tool's standard output, empty when it fails: a broken tool counts as absent."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
