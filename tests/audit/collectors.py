"""Log collectors of this machine for tests: a webhook's receiver and syslog servers that keep what they were sent."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DEADLINE = 20.0


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """`answer` is called for each request and gives the status, with headers."""

    port: int = 0
    answer: Callable[[Request], tuple[int, dict[str, str]]] = lambda _request: (200, {})
    requests: list[Request] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    def wait_for(self, enough: Callable[[list[Request]], bool]) -> list[Request]:
        with self.changed:
            assert self.changed.wait_for(lambda: enough(self.requests), DEADLINE), f"{len(self.requests)} requests"
            return list(self.requests)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A webhook's receiver on a free port."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            status, headers = made.answer(request)
            with made.changed:
                made.requests.append(request)
                made.changed.notify_all()
            self.send_response(status)
            for name, value in {"content-length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Tests say themselves what is worth saying."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: object) -> None:
            """Whoever was sending may be killed: that is what a test is about."""

    server = Server(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(DEADLINE)


@dataclass(slots=True)
class Collector:
    """A syslog server: `received` are bytes by connection, or one datagram each."""

    port: int
    received: list[bytearray] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    connections: list[socket.socket] = field(default_factory=list)

    def wait_for(self, enough: Callable[[list[bytearray]], bool]) -> list[bytes]:
        with self.changed:
            assert self.changed.wait_for(lambda: enough(self.received), DEADLINE), self.received
            return [bytes(each) for each in self.received]

    def took(self, data: bytes, into: bytearray) -> None:
        with self.changed:
            into += data
            self.changed.notify_all()

    def hang_up(self) -> None:
        for each in self.connections:
            each.close()
        self.connections.clear()


@contextmanager
def udp_collector() -> Iterator[Collector]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.05)
        made = Collector(listening.getsockname()[1])
        stopping = threading.Event()

        def serve() -> None:
            while not stopping.is_set():
                try:
                    data = listening.recv(65_536)
                except TimeoutError:
                    continue
                with made.changed:
                    made.received.append(bytearray(data))
                    made.changed.notify_all()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            stopping.set()
            thread.join(DEADLINE)


@contextmanager
def tcp_collector(secure: ssl.SSLContext | None = None) -> Iterator[Collector]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        made = Collector(listening.getsockname()[1])
        stopping = threading.Event()
        threads: list[threading.Thread] = []

        def read(connection: socket.socket, into: bytearray) -> None:
            connection.settimeout(0.05)
            while not stopping.is_set():
                try:
                    data = connection.recv(65_536)
                except TimeoutError:
                    continue
                except OSError:  # hung up on our side
                    return
                if not data:
                    return
                made.took(data, into)

        def serve() -> None:
            while not stopping.is_set():
                try:
                    connection, _ = listening.accept()
                    if secure is not None:
                        connection.settimeout(DEADLINE)
                        connection = secure.wrap_socket(connection, server_side=True)
                except (TimeoutError, OSError):  # nobody yet, or somebody who does not trust us
                    continue
                into = bytearray()
                with made.changed:
                    made.received.append(into)
                made.connections.append(connection)
                threads.append(threading.Thread(target=read, args=(connection, into), daemon=True))
                threads[-1].start()

        accepting = threading.Thread(target=serve, daemon=True)
        accepting.start()
        try:
            yield made
        finally:
            stopping.set()
            for thread in (accepting, *threads):
                thread.join(DEADLINE)
            made.hang_up()
