"""An installation of its own for a benchmark: brought up in a temporary directory, used as a developer would, removed.

It uses the commands a user has and the public API; only floors look into the data directory, to start the very process
that Highroad started.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 60.0
POLL = 0.002
AUTHOR = ("-c", "user.name=Bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, slots=True)
class Installation:
    """`place` holds everything, `data` within it is the data directory."""

    place: Path
    port: int
    environ: Mapping[str, str]
    token: str

    @property
    def data(self) -> Path:
        return self.place / "data"

    def highroad(self, *arguments: str, cwd: Path | None = None) -> str:
        return call(("highroad", *arguments), cwd or self.place, self.environ)

    def api(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """One request of the API, as the operator; its JSON, None without."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Host": f"localhost:{self.port}",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def host(self, service: str) -> str:
        return f"{service}.production.bench.localhost:{self.port}"

    def repository(self, service: str, source: Path, *, without: Sequence[str] = ()) -> Path:
        """A clone with one commit of `source`, connected to a service of the project `bench`."""
        repository = self.place / service
        shutil.copytree(source, repository, ignore=shutil.ignore_patterns("__pycache__", ".*_cache", *without))
        call(("git", "init", "--quiet", "--initial-branch=main", "."), repository, self.environ)
        commit(repository, self.environ)
        self.highroad("init", "--project", "bench", "--service", service, cwd=repository)
        return repository

    def push(self, repository: Path) -> None:
        call(("git", "push", "--quiet", "highroad", "main"), repository, self.environ)

    def push_until(self, repository: Path, answers: Callable[[], bool]) -> float:
        """Seconds from the start of a push until `answers`; returns when the push has ended, too."""
        began = time.perf_counter()
        command = ("git", "push", "highroad", "main")
        with tempfile.TemporaryFile() as said:
            with subprocess.Popen(command, cwd=repository, env=self.environ, stderr=said) as pushing:
                with contextlib.suppress(TimeoutError):
                    until(lambda: answers() or pushing.poll() is not None)
                answered = time.perf_counter() - began
                pushing.wait(DEADLINE)
            if pushing.returncode or not answers():
                said.seek(0)
                raise RuntimeError(f"The push did not lead to an answer:\n{said.read().decode()}")
        return answered

    def programs(self) -> dict[str, int]:
        """The processes of Highroad itself by what they are; `router` is Caddy."""
        answer = {"supervisord": int((self.data / "run" / "supervisord.pid").read_text())}
        for name in ("collector", "control-plane", "router-0"):
            answer[name.removesuffix("-0")] = int((self.data / "run" / "records" / name).read_text().split()[0])
        return answer


@contextlib.contextmanager
def installation() -> Iterator[Installation]:
    """A running installation, gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="highroad-bench-"))
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("HIGHROAD_", "GIT_"))},
        "HIGHROAD_DATA": str(place / "data"),
        "XDG_CONFIG_HOME": str(place / "config"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    try:
        answer = json.loads(call(("highroad", "up", "--json", "--port", str(free_port())), place, environ))
        operator = json.loads((place / "data" / "run" / "operator.json").read_text())
        call(("highroad", "login", str(answer["url"])), place, environ)
        yield Installation(place, int(answer["port"]), environ, str(operator["token"]))
    finally:
        subprocess.run(("highroad", "down"), cwd=place, env=environ, capture_output=True, check=False)
        shutil.rmtree(place, ignore_errors=True)


def call(command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> str:
    """The output of a command that succeeds; its words in the error of one that does not."""
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def commit(repository: Path, environ: Mapping[str, str], message: str = "A change") -> str:
    call(("git", "add", "--all"), repository, environ)
    call(("git", *AUTHOR, "commit", "--quiet", "--message", message), repository, environ)
    return call(("git", "rev-parse", "HEAD"), repository, environ).strip()


def ask(port: int, host: str, path: str = "/") -> bytes:
    """The answer to one request on a connection of its own; empty when there is none."""
    question = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(question)
        while piece := connection.recv(65536):
            answer += piece
    return answer


def until(condition: Callable[[], bool], *, seconds: float = DEADLINE, pause: float = POLL) -> float:
    """The instant (`time.perf_counter`) at which `condition` was found true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("What was waited for did not happen.")
        time.sleep(pause)
    return time.perf_counter()


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
