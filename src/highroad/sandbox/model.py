"""What a sandbox is: the confinement of one command, what the machine offers for it, and how a command ended.

Pure values. `builds`, `pipelines` and `drivers` describe what they want as a `Confinement`; `level.probe` finds the
`Level` once per process; `run.run` executes one command, `drivers.process` hands a standing one to supervisord.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that exists only inside the sandbox: absolute `path` there, its bytes, and its permission bits."""

    path: str
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """One command and everything it may touch.

    `argv[0]` is looked up in PATH of `env`; `env` is its whole environment apart from HOME, TMPDIR and PATH, which are
    filled in when absent. `cwd` must lie under `readable` or `writable`, or be `/tmp`. Directories appear at their own
    absolute path; those that do not exist are left out. Everything in `writable` must belong to `uid` (see
    `sandbox.files.hand_over`). `uid` and `gid` take effect only when Highroad runs as root; None keeps its own user,
    which the machine's other users can then tell apart from Highroad only by the namespaces.

    `memory` and `disk` are bytes, `cpu` cores, `processes` a count of tasks; None is no limit. `disk` is the size of
    the one scratch file system behind `/tmp` and HOME (`/tmp/home`); it is memory, counts towards `memory` as far as it
    is filled, and vanishes with the command. Without `network` the command sees an empty loopback of its own.
    `name` (file-name characters) names its cgroup; two commands that run at the same time must not share it.

    `ports` are the TCP ports that it may listen on, 0 being any free one that the kernel picks; None is all. It takes
    effect where `Level.confines_ports`.
    """

    argv: tuple[str, ...]
    cwd: str
    name: str
    env: Mapping[str, str] = field(default_factory=dict)
    uid: int | None = None
    gid: int | None = None
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    files: tuple[Placed, ...] = ()
    memory: int | None = None
    cpu: float | None = None
    processes: int | None = None
    disk: int = 256 * MIB
    network: bool = True
    ports: tuple[int, ...] | None = None


CgroupVersion = Literal[0, 1, 2]


@dataclass(frozen=True, slots=True)
class Cgroups:
    """Where limits are set. `parents` maps a controller (`memory`, `pids`, `cpu`, `cpuacct`) to our directory of its
    hierarchy; with version 2 they are all the same one. Version 0 means that there are none."""

    version: CgroupVersion = 0
    parents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What protects one command from another on this machine, found by `level.probe`.

    `features` are for people, strongest first; `warnings` say what is missing and how to get it. `scratch` is a
    directory of Highroad's own for files that are placed into sandboxes. `system` are bubblewrap's arguments for the
    read-only system directories of this machine. `bwrap`, `setpriv` and `env` are the programs that the sandbox is
    made of, None where they were not found or do not work. `confines_ports` says whether the kernel can keep a command
    to its own TCP ports (Landlock).
    """

    features: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    root: bool = False
    bwrap: str | None = None
    setpriv: str | None = None
    env: str | None = None
    system: tuple[str, ...] = ()
    cgroups: Cgroups = field(default_factory=Cgroups)
    confines_ports: bool = False
    scratch: Path = Path("/nonexistent")

    @property
    def isolated(self) -> bool:
        return self.bwrap is not None


EndedBy = Literal["itself", "time", "output", "memory", "cancel", "signal"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `exit_code` is None when Highroad ended it, 128 + n when signal n did. `why` is for people
    and empty after exit code 0 ("exit code 1", "killed: used more than 512 MiB of memory"). `peak_memory` is bytes (0
    when it could not be measured), `cpu_seconds` user and system time of the whole tree
    (without cgroups: of its first process)."""

    exit_code: int | None
    by: EndedBy
    why: str
    peak_memory: int
    cpu_seconds: float
