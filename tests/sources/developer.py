"""A developer with the real git client in front of a real uvicorn with the gateway on a free port."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from highroad.errors import NotFound, Unauthenticated
from highroad.sources.gateway import Gateway, Opened
from highroad.sources.protocol import RefUpdate
from highroad.sources.repository import Repository

TOKEN = "hr_secret"
OTHER_TOKEN = "hr_others"
PATIENCE = 20.0
IDENTITY = {"NAME": "Ann", "EMAIL": "ann@example.com", "DATE": "2026-11-01T10:00:00+01:00"}


def eventually(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@dataclass
class ScriptedGate:
    """Knows one repository and one token. `lines` are shown for a push; a `held` run then goes on."""

    repository: Repository
    lines: list[str] = field(default_factory=lambda: ["building", "live"])
    pushes: list[list[RefUpdate]] = field(default_factory=list)
    held: bool = False
    closed: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None

    async def authorize(self, project: str, service: str, token: str | None, *, write: bool) -> Opened[str]:
        if token not in (TOKEN, OTHER_TOKEN):
            raise Unauthenticated("This token is not known.", next_step="Run `highroad login`.")
        if (project, service) != ("shop", "web"):
            raise NotFound(f"There is no service {service!r}.", next_step="Run `highroad init`.")
        return Opened(self.repository, "svc_1", "ann", whose=token)

    async def received(self, opened: Opened[str], updates: Sequence[RefUpdate]) -> AsyncIterator[str]:
        self.pushes.append(list(updates))
        if self.failure is not None:
            raise self.failure
        return self._run()

    async def _run(self) -> AsyncIterator[str]:
        try:
            for line in self.lines:
                yield line
            if self.held:
                await asyncio.Event().wait()
        finally:
            self.closed.set()


@dataclass
class Served:
    port: int
    gate: ScriptedGate
    gateway: Gateway[str]
    loop: asyncio.AbstractEventLoop
    server: uvicorn.Server

    def url(self, *, user: str = "x", token: str = TOKEN) -> str:
        return f"http://{user}:{token}@127.0.0.1:{self.port}/git/shop/web.git"


@contextmanager
def serving(
    gate: ScriptedGate,
    *,
    push_limit: int = 64 * 1024**2,
    push_seconds: float = 60.0,
    most: int = 8,
    turn_seconds: float = PATIENCE,
) -> Iterator[Served]:
    gateway = Gateway(
        gate,
        push_limit=push_limit,
        push_seconds=push_seconds,
        most=most,
        turn_seconds=turn_seconds if most else 0.1,
    )
    config = uvicorn.Config(
        Starlette(routes=[Mount("/git", gateway)]), log_config=None, lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve([listening])

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        eventually(lambda: server.started, "the server did not start")
        yield Served(listening.getsockname()[1], gate, gateway, loops[0], server)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listening.close()
        assert not thread.is_alive()


@dataclass
class Developer:
    """A clone and the git client in it, with no configuration of this machine."""

    home: Path
    clone: Path

    @property
    def environment(self) -> dict[str, str]:
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in IDENTITY.items()}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
            **who,
        }

    def try_git(self, *arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.clone,
            env=self.environment,
            input=stdin,
            capture_output=True,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )

    def git(self, *arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> str:
        """Both outputs; the command must succeed."""
        done = self.try_git(*arguments, stdin=stdin, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command under way, in a session of its own; read its stderr or `communicate`."""
        return subprocess.Popen(
            ["git", *arguments],
            cwd=self.clone,
            env=self.environment,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def commit(self, files: dict[str, str | bytes], message: str = "Change") -> str:
        for name, content in files.items():
            path = self.clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def link(self, name: str, target: str) -> None:
        path = self.clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def forged_commit(self, rows: Sequence[tuple[str, str, str]]) -> str:
        """A commit whose tree holds `mode`, `name` and content as given, whatever git thinks of the names."""
        tree = b""
        for mode, name, content in rows:
            blob = self.git("hash-object", "-w", "--stdin", stdin=content.encode()).strip()
            tree += f"{mode} {name}\0".encode() + bytes.fromhex(blob)
        forged = self.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=tree).strip()
        return self.git("commit-tree", forged, "-m", "Forged").strip()
