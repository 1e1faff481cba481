"""Turn a confinement and the machine's level into the orders of `launch.py`: bubblewrap's arguments, cgroup, limits.

Called by `run` for a command that somebody waits for, and by `drivers.process` for a standing instance. Apart from
looking whether directories exist and laying out placed files, it only computes.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from highroad.sandbox import launch
from highroad.sandbox.errors import CannotStart
from highroad.sandbox.model import Confinement, Level, Placed

HOME = "/tmp/home"  # noqa: S108  # in the sandbox's own scratch
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OPEN_FILES = 16_384
SYSTEM = ("/usr", "/etc")
CPU_PERIOD = 100_000  # microseconds, the kernel's default
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What `launch.py` does, in its words. `cgroups` are directories to enter, `writes` files to fill before.
    `ports` are the TCP ports that it may bind, None all."""

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    rlimits: tuple[str, ...] = ()
    pipe: str | None = None
    record: str | None = None
    grace: float = 5.0
    no_input: bool = True
    hold_term: bool = False
    ports: tuple[int, ...] | None = None


@dataclass(slots=True)
class _Layout:
    """bubblewrap's arguments for files, and directories that must be bound with a layer of files above them."""

    binds: list[str] = field(default_factory=list)
    layers: dict[str, Path] = field(default_factory=dict)


def launcher(orders_file: str) -> list[str]:
    """The command line that carries out an orders file."""
    return [sys.executable, "-I", "-S", "-E", launch.__file__, orders_file]


def encode(orders: Orders) -> bytes:
    pairs: list[tuple[str, str]] = [("argv", word) for word in orders.argv]
    pairs += [("env", pair) for pair in orders.env]
    pairs += [("cgroup", directory) for directory in orders.cgroups]
    pairs += [("write", each) for each in orders.writes]
    pairs += [("rlimit", each) for each in orders.rlimits]
    pairs += [("pipe", orders.pipe)] if orders.pipe else []
    pairs += [("record", orders.record)] if orders.record else []
    pairs += [("stdin", "null")] if orders.no_input else []
    pairs += [("hold-term", "1")] if orders.hold_term else []
    pairs += [("ports", ",".join(map(str, orders.ports)))] if orders.ports is not None else []
    pairs += [("grace", str(orders.grace))]
    return b"".join(key.encode() + b"\0" + os.fsencode(value) + b"\0" for key, value in pairs)


def prepare(
    confinement: Confinement,
    level: Level,
    *,
    placed: Path,
    standing: bool,
    pipe: Path | None = None,
    record: Path | None = None,
    grace: float = 5.0,
) -> Orders:
    """Orders for `confinement`. Placed files are written under `placed`, which the caller deletes afterwards.

    A `standing` command lives on when its parent dies. Raises `CannotStart`.
    """
    _validate(confinement, level)
    argv = [*_identity(confinement, level), *confinement.argv]
    if level.bwrap is not None:
        layout = _lay_out(confinement, level, placed)
        argv = [level.bwrap, *_view(confinement, level, layout, standing=standing), "--", *argv]
    cgroups, writes = cgroup_orders(confinement, level)
    return Orders(
        argv=tuple(argv),
        env=_environment(confinement, level),
        cgroups=cgroups,
        writes=writes,
        rlimits=_rlimits(confinement, level),
        pipe=str(pipe) if pipe else None,
        record=str(record) if record else None,
        grace=grace,
        hold_term=level.bwrap is not None,
        ports=confinement.ports if level.confines_ports else None,
    )


def cgroup_directories(name: str, level: Level) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{parent}/{name}" for parent in level.cgroups.parents.values()))


def cgroup_orders(confinement: Confinement, level: Level) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Directories to enter and `PATH=TEXT` to write into them (kernel documentation: cgroup-v1/*, cgroup-v2)."""
    at = {name: f"{parent}/{confinement.name}" for name, parent in level.cgroups.parents.items()}
    two = level.cgroups.version == 2
    writes: list[str] = []
    if confinement.memory is not None and "memory" in at:
        files = ("memory.max",) if two else ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        writes += [f"{at['memory']}/{file}={confinement.memory}" for file in files]
        writes += [f"{at['memory']}/memory.swap.max=0"] if two else []
    if confinement.processes is not None and "pids" in at:
        writes.append(f"{at['pids']}/pids.max={confinement.processes}")
    if confinement.cpu is not None and "cpu" in at:
        quota = max(int(confinement.cpu * CPU_PERIOD), 1000)
        writes.append(f"{at['cpu']}/cpu.max={quota} {CPU_PERIOD}" if two else f"{at['cpu']}/cpu.cfs_quota_us={quota}")
    return cgroup_directories(confinement.name, level), tuple(writes)


def _validate(confinement: Confinement, level: Level) -> None:
    def refuse(detail: str, next_step: str) -> CannotStart:
        return CannotStart(detail, next_step=next_step)

    if not confinement.argv:
        raise refuse("There is no command to run.", "Give a command.")
    if not _NAME.fullmatch(confinement.name):
        raise refuse(f"{confinement.name!r} cannot name a cgroup.", "Use letters, digits, '.', '_' and '-'.")
    strings = (*confinement.argv, *confinement.env, *confinement.env.values(), confinement.cwd)
    if any("\0" in each for each in strings) or any("=" in name or not name for name in confinement.env):
        raise refuse("A variable or argument holds a NUL byte or has no usable name.", "Correct the variable.")
    if confinement.cwd != "/tmp" and not Path(confinement.cwd).is_dir():  # noqa: S108
        raise refuse(f"The directory {confinement.cwd} does not exist.", "Build the release again.")
    if confinement.files and not level.isolated:
        raise refuse("Files can only be placed where bubblewrap works.", "Install bubblewrap, or use variables.")
    for each in confinement.files:
        if not each.path.startswith("/") or ".." in each.path.split("/") or each.path.rstrip("/") != each.path:
            raise refuse(f"{each.path!r} is not the absolute path of a file.", "Give an absolute path without '..'.")


def _identity(confinement: Confinement, level: Level) -> list[str]:
    words = [level.env, "--default-signal"] if level.env and level.isolated else []
    if level.root and level.setpriv and confinement.uid is not None:
        gid = confinement.uid if confinement.gid is None else confinement.gid
        words += [level.setpriv, f"--reuid={confinement.uid}", f"--regid={gid}", "--clear-groups"]
        words += ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    return words


def _environment(confinement: Confinement, level: Level) -> tuple[str, ...]:
    home = HOME if level.isolated else confinement.cwd
    defaults = {"PATH": PATH, "HOME": home, "TMPDIR": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108
    return tuple(f"{name}={value}" for name, value in {**defaults, **confinement.env}.items())


def _rlimits(confinement: Confinement, level: Level) -> tuple[str, ...]:
    limits = ["CORE=0", f"NOFILE={OPEN_FILES}"]
    if confinement.memory is not None and "memory" not in level.cgroups.parents:
        # Address space (RLIMIT_AS) would refuse Node, Go and Java, which reserve far more than they use.
        limits.append(f"DATA={confinement.memory}")
    if confinement.processes is not None and "pids" not in level.cgroups.parents and level.root:
        limits.append(f"NPROC={confinement.processes}")  # counts per user: without an own user it would count us, too
    return tuple(limits)


def _view(confinement: Confinement, level: Level, layout: _Layout, *, standing: bool) -> list[str]:
    words = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += [] if level.root else ["--unshare-user"]
    words += [] if confinement.network else ["--unshare-net"]
    # bubblewrap's --new-session would take the command out of the process group that a stop signals; the session is
    # already one of our own without a terminal, which is what the option is for.
    words += [] if standing else ["--die-with-parent"]
    words += [*level.system, *_layered(layout, SYSTEM), "--proc", "/proc", "--dev", "/dev"]
    words += ["--perms", "1777", "--size", str(min(confinement.disk, 64 * 1024**2)), "--tmpfs", "/dev/shm"]  # noqa: S108
    words += ["--perms", "1777", "--size", str(confinement.disk), "--tmpfs", "/tmp"]  # noqa: S108
    words += ["--perms", "1777", "--dir", HOME, "--dir", "/run", "--dir", "/var"]
    kinds = dict.fromkeys(confinement.readable, "--ro-bind") | dict.fromkeys(confinement.writable, "--bind")
    kinds = {path: kind for path, kind in kinds.items() if Path(path).exists() and not _is_system(path)}
    shown = [*kinds, *(each.path for each in confinement.files)]
    if not any(path.startswith("/var/tmp") for path in shown):  # noqa: S108  # bubblewrap does not mount through links
        words += ["--symlink", "/tmp", "/var/tmp"]  # noqa: S108
    words += _parents(shown)
    for path in sorted(kinds, key=lambda each: len(Path(each).parts)):
        words += _layered(layout, (path,)) or [kinds[path], path, path]
    return [*words, *layout.binds, "--remount-ro", "/", "--remount-ro", "/dev", "--chdir", confinement.cwd]


def _layered(layout: _Layout, paths: Sequence[str]) -> list[str]:
    words: list[str] = []
    for path in (each for each in paths if each in layout.layers):
        words += ["--overlay-src", path, "--overlay-src", str(layout.layers[path]), "--ro-overlay", path]
    return words


def _parents(paths: Sequence[str]) -> list[str]:
    """Empty directories on the way to `paths`: bubblewrap would make them for their owner alone, here root."""
    words: list[str] = []
    above = {parent for path in paths for parent in Path(path).parents if str(parent) not in ("/", "/tmp")}  # noqa: S108
    for parent in sorted(above, key=lambda each: len(each.parts)):
        if not _is_system(str(parent)) and not any(Path(path) in (parent, *parent.parents) for path in paths):
            words += ["--perms", "0755", "--dir", str(parent)]
    return words


def _is_system(path: str) -> bool:
    return path.split("/")[1] in ("usr", "etc", "bin", "sbin", "lib", "lib32", "lib64", "libx32")


def _lay_out(confinement: Confinement, level: Level, placed: Path) -> _Layout:
    """Write placed files. A file that would be new inside a read-only directory needs a layer over that directory."""
    layout = _Layout()
    for number, each in enumerate(confinement.files):
        above = _directory_above(each.path, (*confinement.readable, *confinement.writable, *SYSTEM))
        if above is None or Path(each.path).is_file():
            host = placed / f"file-{number}"
            layout.binds += ["--ro-bind", str(host), each.path]
        elif above in confinement.writable:
            raise CannotStart(
                f"{each.path} lies in a directory that the command itself writes.", next_step="Place it elsewhere."
            )
        else:
            layer = layout.layers.setdefault(above, placed / f"layer-{len(layout.layers)}")
            host = layer / Path(each.path).relative_to(above)
        _place(each, host, confinement, level)
    for layer in layout.layers.values():
        for folder in (layer, *(path for path in layer.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
    return layout


def _place(each: Placed, host: Path, confinement: Confinement, level: Level) -> None:
    host.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    host.unlink(missing_ok=True)
    descriptor = os.open(host, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(each.content)
    if level.root and confinement.uid is not None:
        os.chown(host, confinement.uid, confinement.uid if confinement.gid is None else confinement.gid)
    host.chmod(each.mode)


def _directory_above(path: str, directories: Sequence[str]) -> str | None:
    """The deepest of `directories` that `path` lies in."""
    holding = [each for each in directories if Path(each) in Path(path).parents]
    return max(holding, key=len, default=None)
