"""A real Caddy started as a supervisor starts it, and small servers to put behind it."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from highroad.routing.caddy import CaddyRouter, prepare, program
from highroad.settings import Settings


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def until(condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Wait for `condition`, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


@dataclass
class Caddy:
    """A running Caddy whose listening socket the test holds, as supervisord would."""

    settings: Settings
    listener: socket.socket
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def start(self) -> None:
        prepare(self.settings)
        how = program(self.settings)
        with (self.settings.logs / "caddy.log").open("ab") as log:
            self.process = subprocess.Popen(
                how.command, cwd=how.directory, env=dict(how.env), stdin=self.listener.fileno(), stdout=log, stderr=log
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ask(
        self,
        host: str,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        keep: http.client.HTTPConnection | None = None,
    ) -> Answer:
        connection = keep or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {"Host": host, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            if keep is None:
                connection.close()

    def serves(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("nobody.localhost").status == 404
        return False

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and read until the answer ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(tmp_path / "d")
    settings.make_directories()
    return settings


@pytest.fixture
def caddy(settings: Settings) -> Iterator[Caddy]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        caddy = Caddy(settings, listener)
        caddy.start()
        try:
            until(CaddyRouter(settings).alive)
            # Its admin endpoint answers before its server serves; a load in between drops connections of that moment.
            until(caddy.serves)
            yield caddy
        finally:
            caddy.kill()


@pytest.fixture
def router(caddy: Caddy) -> CaddyRouter:
    return CaddyRouter(caddy.settings)


class _App(BaseHTTPRequestHandler):
    """Says its name at /, and does at other paths what real apps do: wait, stream, count bytes, break off."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one write: a second one would wait 40 ms for Nagle
    server: App

    def do_GET(self) -> None:
        kind, _, argument = self.path.strip("/").partition("/")
        if kind == "slow":
            self.server.entered.set()
            self.server.release.wait(float(argument or 30))
        if kind == "events":
            self._stream()
        elif kind == "break":
            self.server.broken += 1
            self.close_connection = True
        elif kind == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
        elif kind == "headers":
            self._say("\n".join(f"{key}: {value}" for key, value in self.headers.items()))
        else:
            self._say(self.server.name)

    def do_POST(self) -> None:
        digest, left = hashlib.sha256(), int(self.headers.get("Content-Length", "0"))
        while left > 0:
            block = self.rfile.read(min(left, 1 << 16))
            digest.update(block)
            left -= len(block)
            self.server.received += len(block)
        self._say(digest.hexdigest())

    def _say(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for number in range(3):
            self.wfile.write(f"data: {number}\n\n".encode())
            self.wfile.flush()
            self.server.release.wait(10)
            self.server.release.clear()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def address_string(self) -> str:
        return "client"


class App(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, name: str, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        super().__init__(address, _App)
        self.name, self.received, self.broken = name, 0, 0
        self.entered, self.release = threading.Event(), threading.Event()

    @property
    def upstream(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that went away are part of these tests."""


class UnixApp(App):
    """The same over a Unix socket, in the control plane's place."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0


@contextlib.contextmanager
def running(app: App) -> Iterator[App]:
    thread = threading.Thread(target=app.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield app
    finally:
        app.release.set()
        app.shutdown()
        app.server_close()
        thread.join()


@contextlib.contextmanager
def control_plane(settings: Settings) -> Iterator[App]:
    settings.api_socket.unlink(missing_ok=True)
    app = UnixApp("portal", str(settings.api_socket))  # type: ignore[arg-type]  # the address of a Unix socket is a path
    with running(app):
        yield app


@pytest.fixture
def blue() -> Iterator[App]:
    with running(App("blue")) as app:
        yield app


@pytest.fixture
def green() -> Iterator[App]:
    with running(App("green")) as app:
        yield app
