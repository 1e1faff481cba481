"""Where this process may make cgroups, what a cgroup says of its processes, and how one is emptied.

`level` looks once for the places; `run` and `drivers.process` read the figures and remove what they made.
Interfaces: kernel documentation `admin-guide/cgroup-v1/` and `admin-guide/cgroup-v2`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from pathlib import Path

from highroad.sandbox.launch import empty_cgroup
from highroad.sandbox.model import Cgroups, Level

CONTROLLERS = ("memory", "pids", "cpu")
ACCOUNTING = "cpuacct"  # version 1 counts CPU time in a hierarchy of its own


def unit_of(data: Path) -> str:
    """The name of an installation's directories, from that of its data directory."""
    return "highroad-" + hashlib.sha256(os.fsencode(data)).hexdigest()[:10]


def find(unit: str, mounts: Path = Path("/proc/self/mounts"), own: Path = Path("/proc/self/cgroup")) -> Cgroups:
    """Our directories named `unit` in the hierarchies that we may write: version 1 first, else version 2.

    Those of version 1 come and go with their first and last command; that of version 2 must pass its controllers on
    and stays.
    """
    try:
        table = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return Cgroups()
    parents: dict[str, str] = {}
    for mount in (each for each in table if each[2] == "cgroup"):
        for controller in {*CONTROLLERS, ACCOUNTING} & set(mount[3].split(",")):
            directory = Path(mount[1]) / unit
            if _make(directory):
                parents[controller] = str(directory)
                _remove_if_empty(directory)
    if parents:
        return Cgroups(1, parents)
    for mount in (each for each in table if each[2] == "cgroup2"):
        parents = _version_2(Path(mount[1]), unit, own)
        if parents:
            return Cgroups(2, parents)
    return Cgroups()


def _version_2(mount: Path, unit: str, own: Path) -> dict[str, str]:
    """The highest writable cgroup at or above our own that offers controllers; it must hold no processes itself."""
    line = next((each for each in own.read_text().splitlines() if each.startswith("0::")), "0::/")
    here = mount / line.removeprefix("0::").lstrip("/")
    for parent in (mount, *reversed([each for each in (here, *here.parents) if mount in each.parents])):
        offered = _words(parent / "cgroup.controllers") & set(CONTROLLERS)
        if not offered or not _enable(parent, offered):
            continue
        directory = parent / unit
        if _make(directory) and _enable(directory, offered):
            return dict.fromkeys(sorted(offered), str(directory))
    return {}


def _enable(directory: Path, controllers: set[str]) -> bool:
    switch = directory / "cgroup.subtree_control"
    if controllers <= _words(switch):
        return os.access(directory, os.W_OK)
    try:
        switch.write_text(" ".join(f"+{each}" for each in sorted(controllers)))
    except OSError:
        return False
    return True


def _words(file: Path) -> set[str]:
    try:
        return set(file.read_text().split())
    except OSError:
        return set()


def _make(directory: Path) -> bool:
    try:
        directory.mkdir(mode=0o755, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK)


def out_of_memory(name: str, level: Level) -> bool:
    """Whether the kernel killed a process of this cgroup because of its memory limit."""
    parent = level.cgroups.parents.get("memory")
    if parent is None:
        return False
    file = "memory.events" if level.cgroups.version == 2 else "memory.oom_control"
    try:
        lines = Path(parent, name, file).read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in lines)


def peak_memory(name: str, level: Level) -> int:
    """Highest memory of the cgroup in bytes; 0 when it cannot be told."""
    return _memory_figure(name, level, "memory.max_usage_in_bytes", "memory.peak")


def cpu_seconds(name: str, level: Level) -> float | None:
    """CPU time of all processes that were in the cgroup; None when it cannot be told."""
    two = level.cgroups.version == 2
    parent = level.cgroups.parents.get("cpu" if two else ACCOUNTING)
    if parent is None:
        return None
    try:
        text = Path(parent, name, "cpu.stat" if two else "cpuacct.usage").read_text()
    except OSError:
        return None
    return int(text.split()[1]) / 1e6 if two else int(text) / 1e9  # "usage_usec N" is the first line


def memory_limit(name: str, level: Level) -> int:
    """The cgroup's limit in bytes; 0 when it has none or it cannot be told."""
    return _memory_figure(name, level, "memory.limit_in_bytes", "memory.max")


def _memory_figure(name: str, level: Level, version_1: str, version_2: str) -> int:
    parent = level.cgroups.parents.get("memory")
    if parent is None:
        return 0
    file = version_2 if level.cgroups.version == 2 else version_1
    try:
        return int(Path(parent, name, file).read_text())
    except (OSError, ValueError):
        return 0


def remove(name: str, level: Level) -> bool:
    """Kill what is left in the cgroup and remove it; True when it is gone."""
    gone = True
    for parent in dict.fromkeys(level.cgroups.parents.values()):
        directory = Path(parent, name)
        gone = empty_cgroup(str(directory)) and _remove_empty(directory) and gone
        if level.cgroups.version == 1:
            _remove_if_empty(Path(parent))
    return gone


def _remove_if_empty(directory: Path) -> None:
    with contextlib.suppress(OSError):
        directory.rmdir()


def _remove_empty(directory: Path) -> bool:
    """False when it stays busy: a killed process leaves its cgroup a moment after it left the list."""
    for _ in range(100):
        try:
            directory.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            time.sleep(0.005)
        else:
            return True
    return False


def clear(data: Path) -> None:
    """End what is left of an installation that was shut down, and remove its directories (`highroad down`)."""
    remove_all(Level(features=(), cgroups=find(unit_of(data))))


def remove_all(level: Level) -> None:
    """Remove the installation's own directories, when nothing runs in them any more."""
    for parent in dict.fromkeys(level.cgroups.parents.values()):
        for child in [each.name for each in Path(parent).glob("*") if each.is_dir()]:
            remove(child, level)
        _remove_if_empty(Path(parent))
