"""A loopback HTTP server with canned answers, for tests of the client and of the command line.

`answer(method, path, ...)` queues an answer; the last one of a route is repeated. Every request is kept in `requests`.
A stream is a list of connections, each a list of raw texts, after which the connection is closed.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Reply:
    """`drop` closes the connection without an answer; `stream` is written as it is, then the connection is closed or,
    with `hold`, kept open until the server stops."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Sequence[str] | None = None
    drop: bool = False
    hold: bool = False


class Canned:
    """The answers and the requests of one server at `url`."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self.url = ""
        self._replies: dict[tuple[str, str], list[Reply]] = defaultdict(list)
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, body: object = None, status: int = 200, **more: Any) -> None:
        self._replies[method, path].append(Reply(status=status, body=body, **more))

    def problem(self, method: str, path: str, status: int, code: str = "some-code", **more: Any) -> None:
        document = {"type": f"urn:{code}", "title": "A title", "status": status, "code": code, "detail": "A detail."}
        headers = {"Content-Type": "application/problem+json"}
        self.answer(method, path, {**document, "next_step": "Do this.", **more}, status, headers=headers)

    def stream(self, path: str, *events: str, hold: bool = False) -> None:
        self.answer("GET", path, stream=events, hold=hold)

    def asked(self, method: str, path: str) -> list[Request]:
        return [each for each in self.requests if (each.method, each.path) == (method, path)]

    def reply_to(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            replies = self._replies.get((request.method, request.path), [])
            if not replies:
                document = {
                    "code": "not-found",
                    "title": "Not found",
                    "detail": f"{request.path}?",
                    "next_step": "Look.",
                }
                return Reply(status=404, body=document)
            return replies.pop(0) if len(replies) > 1 else replies[0]


def event(kind: str, data: object, identity: str = "") -> str:
    """One server-sent event as text."""
    head = f"id: {identity}\n" if identity else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data)}\n\n"


@contextmanager
def serving() -> Iterator[Canned]:
    canned = Canned()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            path = parts.path.removeprefix("/api/v1")
            body = json.loads(raw) if raw else None
            reply = canned.reply_to(Request(self.command, path, query, dict(self.headers), body))
            self._write(reply)

        def _write(self, reply: Reply) -> None:
            if reply.drop:
                self.close_connection = True
                return
            self.send_response(reply.status)
            content = b"" if reply.body is None else json.dumps(reply.body).encode()
            headers = {"Content-Type": "application/json", **reply.headers}
            if reply.stream is not None:
                headers |= {"Content-Type": "text/event-stream", "Connection": "close"}
            elif reply.status != 204:
                headers["Content-Length"] = str(len(content))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if reply.stream is None:
                self.wfile.write(content)
                return
            for text in reply.stream:
                self.wfile.write(text.encode())
                self.wfile.flush()
            if reply.hold:
                canned.stopping.wait()
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    canned.url = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield canned
    finally:
        canned.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
