"""Settings of one installation: where its data is and how it is reached. Read once by the composition root.

Every value comes from a flag of `highroad up`, else from an environment variable, else from `settings.json` in the data
directory (written by `highroad up`, so that `down`, `status` and a reboot find the same installation), else a default.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from highroad.errors import FieldError, Invalid

DEFAULT_PORT = 8080
WHO_NEEDS_A_SECOND_FACTOR = ("", "admins", "everyone")


class BadSetting(Invalid):
    code = "bad-setting"
    title = "A setting cannot be used"


@dataclass(frozen=True, slots=True)
class Settings:
    """`domain` is the suffix of every app's host name; `public_port` what people type, normally `port`.

    `database` is a SQLAlchemy URL without driver (`postgresql://...`), or empty for SQLite in the data directory.
    Sizes are in bytes, times in seconds.
    """

    data: Path
    """The data directory, mode 0700. Everything that Highroad keeps is in it and nothing is written outside it."""
    port: int = DEFAULT_PORT
    """The one TCP port of portal, API, Git server and apps. When it is busy, another free one is taken and said."""
    bind: str = "127.0.0.1"
    """The address to listen on. `0.0.0.0` serves other machines."""
    domain: str = "localhost"
    """The host name of the portal, and the suffix of every app's host name."""
    database: str = ""
    """`postgresql://user:password@host/name`, or empty for SQLite in the data directory."""
    push_limit: int = 256 * 1024 * 1024
    """The largest `git push`."""
    push_seconds: float = 300.0
    """How long receiving the objects of a push may take; the run behind it has its own limits."""
    build_seconds: float = 1200.0
    """How long a build, and how long its tests, may take."""
    build_memory: int = 2 * 1024**3
    """Memory of a build."""
    build_output: int = 8 * 1024**2
    """Output of a build that is kept; one that prints more is ended."""
    instance_memory: int = 512 * 1024**2
    """Memory of an app instance, unless its workload says otherwise."""
    instance_disk: int = 256 * 1024**2
    """Scratch space (`$HOME` and `/tmp`) of an app instance, unless its workload says otherwise."""
    instance_processes: int = 256
    """Processes and threads of an app instance, unless its workload says otherwise."""
    largest_memory: int = 4 * 1024**3
    """The most memory that a workload may ask for an instance."""
    largest_disk: int = 2 * 1024**3
    """The most scratch space that a workload may ask for an instance. It is memory, as far as it is filled."""
    largest_processes: int = 4096
    """The most processes and threads that a workload may ask for an instance."""
    largest_cpu: float = 0.0
    """The most cores that a workload may ask for an instance; 0 stands for all that the machine has."""
    first_app_port: int = 20000
    """First of the loopback ports that app instances get as `PORT`; the only one that an instance may listen on,
    apart from free ones that the kernel picks, where it confines ports (Linux 6.7 or newer)."""
    last_app_port: int = 29999
    """Last of the loopback ports that app instances get as `PORT`."""
    first_uid: int = 200_000
    """First of the unprivileged user ids that apps run as, when Highroad runs as root."""
    keep_releases: int = 10
    """Releases kept for each service to roll back to; older artifacts are deleted."""
    keep_events_days: int = 365
    """How many days events are kept; older ones leave the log."""
    fewest_events_days: int = 90
    """The fewest days that somebody may choose for events to be kept, in place of `keep_events_days`."""
    log_segment: int = 4 * 1024**2
    """Size of one log file of a service in an environment, before the next is begun."""
    log_segments: int = 5
    """Log files kept for each service and environment; the oldest is deleted."""
    second_factor: str = ""
    """Who must have a second factor: `admins` (owners and administrators), `everyone`, or empty for nobody."""
    allow_unisolated: bool = False
    """Run apps even where the machine offers no isolation at all. Only for code that you trust like Highroad itself."""

    # Layout of the data directory; nothing is written outside it.
    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def repositories(self) -> Path:
        return self.data / "repositories"

    @property
    def artifacts(self) -> Path:
        return self.data / "artifacts"

    @property
    def dependencies(self) -> Path:
        return self.data / "dependencies"

    @property
    def vault_commands(self) -> Path:
        """The programs that can be external stores of secrets: the operator puts them there, and nobody else can."""
        return self.data / "vault-commands"

    @property
    def work(self) -> Path:
        return self.data / "work"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def api_socket(self) -> Path:
        return self.run / "api.sock"

    @property
    def url(self) -> str:
        return f"http://{self.domain}:{self.port}"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data / 'highroad.sqlite'}"

    @property
    def largest_cores(self) -> float:
        return self.largest_cpu or float(os.cpu_count() or 1)

    def make_directories(self) -> None:
        """Create the data directory and its rooms, readable by the owner alone."""
        rooms = (
            self.run,
            self.repositories,
            self.artifacts,
            self.dependencies,
            self.work,
            self.logs,
            self.vault_commands,
        )
        for path in (self.data, *rooms):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data.chmod(0o700)  # it may have been there before, open to all: everything inside relies on this door

    def save(self) -> None:
        stored = {
            key: str(value) if isinstance(value, Path) else value
            for key, value in asdict(self).items()
            if key != "data"
        }
        partial = self.data / "settings.json.partial"
        partial.write_text(json.dumps(stored, indent=2) + "\n")
        partial.chmod(0o600)
        partial.replace(self.data / "settings.json")


def data_directory(flag: str | None, environ: Mapping[str, str]) -> Path:
    """`--data`, else `HIGHROAD_DATA`, else `~/.highroad`; absolute."""
    return Path(flag or environ.get("HIGHROAD_DATA") or "~/.highroad").expanduser().absolute()


def load(data: Path, environ: Mapping[str, str] = os.environ, **flags: object) -> Settings:
    """Settings of the installation in `data`; `flags` that are None do not count. Raises `BadSetting`."""
    stored: dict[str, object] = {}
    file = data / "settings.json"
    if file.exists():
        try:
            stored = json.loads(file.read_text())
        except ValueError as error:
            raise BadSetting(f"{file} is not JSON: {error}", next_step=f"Mend or remove {file}.") from error
    values: dict[str, object] = {}
    for name in (each.name for each in fields(Settings) if each.name != "data"):
        default = getattr(Settings(data), name)
        given = flags.get(name)
        if given is None:
            given = environ.get(f"HIGHROAD_{name.upper()}")
        if given is None:
            given = stored.get(name, default)
        values[name] = _convert(name, given, type(default))
    if values["second_factor"] not in WHO_NEEDS_A_SECOND_FACTOR:
        raise BadSetting(
            f"second_factor cannot be {values['second_factor']!r}.",
            next_step="Set HIGHROAD_SECOND_FACTOR to admins or everyone, or leave it out.",
            errors=[FieldError("/second_factor", "admins, everyone, or empty")],
        )
    return replace(Settings(data), **values)  # type: ignore[arg-type]  # the values were converted field by field


def _convert(name: str, value: object, kind: type) -> object:
    try:
        if kind is bool and isinstance(value, str):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.lower()]
        return kind(value)
    except (KeyError, TypeError, ValueError) as error:
        raise BadSetting(
            f"{name} cannot be {value!r}: it takes {kind.__name__}.",
            next_step=f"Set HIGHROAD_{name.upper()} or --{name.replace('_', '-')} to a {kind.__name__}.",
            errors=[FieldError(f"/{name}", f"takes {kind.__name__}")],
        ) from error
