"""A real installation on a free port, driven as people do it: by the CLI, by git, and by requests to the apps."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from highroad.drivers.process.supervisor import Supervisor
from highroad.errors import Temporary
from highroad.sandbox import cgroups
from highroad.sandbox.level import probe
from highroad.settings import Settings, load

T = TypeVar("T")
PATIENCE = 60.0
_PASSED = ("LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_PASSED_PREFIXES = ("PIP_", "UV_", "NPM_CONFIG_", "npm_config_")


def wait(condition: Callable[[], T], seconds: float = PATIENCE) -> T:
    """What the condition answers, as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return answer


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        return int(probe_socket.getsockname()[1])


@dataclass
class Installation:
    """`number` (0 to 99) keeps the ports and users of its apps apart from those of other test processes."""

    home: Path
    number: int
    port: int = field(default_factory=free_port)
    services: int = 0

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def settings(self) -> Settings:
        return load(self.data, {})

    @property
    def env(self) -> dict[str, str]:
        """What a shell of the developer holds."""
        passed = {key: value for key, value in os.environ.items() if key in _PASSED or key.startswith(_PASSED_PREFIXES)}
        return {
            **passed,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "HIGHROAD_DATA": str(self.data),
            "HIGHROAD_FIRST_UID": str(300_000 + 1_000 * self.number),
            "HIGHROAD_FIRST_APP_PORT": str(20_000 + 100 * self.number),
            "HIGHROAD_LAST_APP_PORT": str(20_099 + 100 * self.number),
            "HIGHROAD_LOG_SEGMENT": str(1024**2),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            **{f"GIT_{role}_NAME": "Ann" for role in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{role}_EMAIL": "ann@example.com" for role in ("AUTHOR", "COMMITTER")},
        }

    def up(self) -> None:
        self.run("highroad", "up", "--port", str(self.port))
        self.run("highroad", "login", self.url)

    def run(
        self, *words: str, cwd: Path | None = None, code: int | None = 0, env: Mapping[str, str] | None = None
    ) -> str:
        """Both outputs of a command, which must end with `code`."""
        done = subprocess.run(
            words,
            cwd=cwd or self.home,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        output = (done.stdout + done.stderr).decode(errors="replace")
        assert code is None or done.returncode == code, f"{' '.join(words)} ended with {done.returncode}:\n{output}"
        return output

    def ask(self, *words: str, cwd: Path | None = None) -> Any:
        """The JSON answer of a command of the CLI."""
        done = subprocess.run(
            ("highroad", *words, "--json"),
            cwd=cwd or self.home,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("localhost", "/api/v1/health")[0] == 204
        return False

    def get(self, host: str, path: str = "/") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Host": f"{host}:{self.port}"})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")

    # Its processes

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.settings)

    def pid(self, program: str) -> int:
        """The process of a program, once it runs."""

        def running() -> int:
            with contextlib.suppress(Temporary):
                return next((each.pid or 0 for each in self.supervisor.statuses([program]) if each.pid), 0)
            return 0

        return wait(running)

    def kill(self, program: str) -> None:
        """SIGKILL to a program of the platform; returns when another process has taken its place."""
        pid = self.pid(program)
        os.kill(pid, signal.SIGKILL)
        wait(lambda: self.pid(program) != pid)

    def processes(self) -> list[int]:
        """Everything that runs on this data directory: by their words or environment."""
        return [
            pid
            for pid in pids()
            if pid != os.getpid() and str(self.data).encode() in read(pid, "cmdline") + read(pid, "environ")
        ]

    def dismantle(self) -> None:
        """Stop and delete everything, also what a failing test left."""
        if self.data.exists():
            level = probe(self.settings)
            subprocess.run(("highroad", "down"), env=self.env, capture_output=True, timeout=PATIENCE, check=False)
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            cgroups.remove_all(level)
        shutil.rmtree(self.home, ignore_errors=True)

    # What developers have there

    def developer(self, files: Mapping[str, str], *, name: str = "", push: bool = True) -> Developer:
        """A repository with these files that `highroad init` has connected to a service of its own."""
        self.services += 1
        service = f"{name or 'app'}-{self.number}-{self.services}"
        directory = self.home / "work" / service
        directory.mkdir(parents=True)
        developer = Developer(self, directory, service)
        developer.git("init", "--quiet", "--initial-branch=main", ".")
        developer.commit(files)
        self.run("highroad", "init", "--project", "shop", "--service", service, cwd=directory)
        if push:
            developer.push()
        return developer


@dataclass
class Developer:
    installation: Installation
    directory: Path
    service: str

    @property
    def host(self) -> str:
        return f"{self.service}.production.shop.localhost"

    def git(self, *words: str, code: int | None = 0) -> str:
        return self.installation.run("git", *words, cwd=self.directory, code=code)

    def highroad(self, *words: str, code: int | None = 0) -> str:
        return self.installation.run("highroad", *words, cwd=self.directory, code=code)

    def ask(self, *words: str) -> Any:
        return self.installation.ask(*words, cwd=self.directory)

    def commit(self, files: Mapping[str, str], message: str = "Change") -> None:
        for name, text in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def push(self, *words: str) -> str:
        """What `git push highroad ...` says; by default of main."""
        return self.git("push", "highroad", *(words or ("main",)))

    def ship(self, files: Mapping[str, str]) -> str:
        self.commit(files)
        return self.push()

    @contextlib.contextmanager
    def pushing(self, *words: str) -> Iterator[Pushing]:
        """A push that goes on while the block does something else."""
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                ("git", "push", "highroad", *(words or ("main",))),
                cwd=self.directory,
                env=self.installation.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            try:
                yield Pushing(process, output.fileno())
            finally:
                process.kill()
                process.wait()

    def get(self, path: str = "/") -> tuple[int, str]:
        return self.installation.get(self.host, path)

    def answers(self, text: str) -> bool:
        """Whether the app answers with `text` now."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get() == (200, text)
        return False

    def last_run(self) -> Any:
        return self.ask("runs")["items"][0]

    def logs(self) -> str:
        return self.highroad("logs", "-n", "400")


@dataclass
class Pushing:
    process: subprocess.Popen[bytes]
    output: int

    @property
    def said(self) -> str:
        return os.pread(self.output, 10_000_000, 0).decode(errors="replace")

    def until(self, text: str) -> None:
        """Wait until the push has said `text`."""
        wait(lambda: text in self.said or self.process.poll() is not None)
        assert text in self.said, self.said

    def end(self) -> str:
        self.process.wait(PATIENCE)
        return self.said


def pids() -> list[int]:
    """All processes of the machine."""
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def read(pid: int, name: str) -> bytes:
    """A file of a process; nothing when it is gone or not ours."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""
