"""What to run, independent of where: the nouns that detection produces, releases store and drivers execute.

Everything here is a frozen value; pydantic's `TypeAdapter` reads and writes it as JSON (see `dump` and `load`), so a
release keeps exactly the workload of its commit. Nothing in this module touches a file, a clock or a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

HealthKind = Literal["http", "tcp", "command", "none"]
Language = Literal["python", "node", "static", "go", "ruby", "other"]


@dataclass(frozen=True, slots=True)
class Health:
    """How to tell that an instance serves. Times are in seconds.

    `http` GETs `path` on the instance's port and takes 200-399; `tcp` connects; `command` runs inside the instance's
    sandbox and takes exit code 0; `none` means "is running". `grace` is how long a start may take altogether.
    """

    kind: HealthKind = "tcp"
    path: str = "/"
    command: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    grace: float = 60.0
    interval: float = 0.05
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class File:
    """A file mounted into every instance: `mode` as octal text, content base64 when `binary`.

    Placeholders in a text file are resolved at deployment; a binary file is placed as it is.
    """

    target: str
    content: str
    mode: str = "0644"
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Volume:
    """A lasting directory at `target`. `source` is a placeholder (`${resources.data}`), `path` is inside of it."""

    target: str
    source: str
    path: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What one instance may use. `memory` and `disk` in bytes, `cpu` in cores, `processes` a count; None = default."""

    memory: int | None = None
    cpu: float | None = None
    processes: int | None = None
    disk: int | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """One process type of a workload, e.g. `web`, `worker`, `nightly`.

    `command` is a shell command line run with the artifact's directory as working directory. `http` says that it
    listens on `$PORT` and gets routes. `schedule` is a five-field cron expression in UTC; such a process has no
    standing instances. `count` is the number of instances before anybody scales it. `drain` is how many seconds an
    instance may finish its requests before it is stopped, `stop_grace` how long it may take to end after SIGTERM.

    `image`, `port` (where the container listens), `requests` (what to reserve) and `volumes` matter to container
    targets; `files` join those of the workload. `before` names processes that wait for this one, each with what it
    waits for: `started`, `healthy` or `complete`.
    """

    name: str
    command: str
    http: bool = False
    schedule: str | None = None
    count: int = 1
    health: Health = field(default_factory=Health)
    limits: Limits = field(default_factory=Limits)
    variables: Mapping[str, str] = field(default_factory=dict)
    drain: float = 30.0
    stop_grace: float = 10.0
    image: str | None = None
    port: int | None = None
    requests: Limits = field(default_factory=Limits)
    files: tuple[File, ...] = ()
    volumes: tuple[Volume, ...] = ()
    before: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Build:
    """How the source becomes an artifact. `commands` run after dependencies were installed.

    `version` is what the source asks of its language, as written there ("3.12", ">=3.11", "20.x"). `lock_file` (path in
    the source) keys the dependency cache; `manager` is the tool that installs from it: one of
    uv, pip, pyproject, pipenv, npm, pnpm, yarn, bundler, go, none. `publish` is the directory that a static site serves
    ("." for the whole source); a workload with `publish` and no listening process is a static site.
    """

    language: Language = "other"
    version: str | None = None
    manager: str = "none"
    lock_file: str | None = None
    commands: tuple[str, ...] = ()
    publish: str | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """The tests of the pipeline. `junit` is where the command leaves its JUnit XML, if it does: a path in the source,
    or `$HIGHROAD_JUNIT` when the command writes the file that this variable names.

    `required` says whether red tests stop the release. `needs` are development dependencies to install first, each a
    requirement (`pytest`), a requirements file (`-r requirements-dev.txt`), or a group or extra of the project
    (`--group dev`, `--extra test`).
    """

    __test__ = False  # pytest collects names that begin with Test

    command: str
    junit: str | None = None
    required: bool = True
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """A Score resource that the workload asks for, as written; provisioners turn it into outputs."""

    name: str
    type: str
    cls: str = "default"
    id: str | None = None
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why detection decided something: `what` was decided, `because` of which file or setting."""

    what: str
    because: str


@dataclass(frozen=True, slots=True)
class Workload:
    """What a service runs at one commit.

    `image` is None when the source is built, else a foreign container image that only a container target can run.
    `variables` go to every process, below the configuration set in Highroad. Placeholders in variable values, text
    files, volumes and resource parameters (`${resources.db.host}`, `$$` for a dollar sign) are kept as written and
    resolved at deployment by `placeholders.substitute`. `paths` are globs of the files whose changes concern this
    service; none means all. `name` and `annotations` are what the source says of itself. `warnings` are sentences about
    what the developer hardly meant and detection cannot mend.
    """

    processes: tuple[Process, ...]
    build: Build = field(default_factory=Build)
    test: Test | None = None
    release_command: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    resources: tuple[ResourceRequest, ...] = ()
    image: str | None = None
    reasons: tuple[Reason, ...] = ()
    paths: tuple[str, ...] = ()
    name: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def http(self) -> Process | None:
        """The process that gets the service's routes, if any: `web` before any other that listens."""
        listening = [process for process in self.processes if process.http]
        return next((process for process in listening if process.name == "web"), listening[0] if listening else None)

    @property
    def static(self) -> bool:
        """Whether the router serves a directory of the artifact (`build.publish`) instead of a process."""
        return self.build.publish is not None and self.http is None
