"""A loopback server that answers as Vault's documentation of KV version 2 says, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(slots=True)
class Vault:
    """`entries` are versions by mount and path, oldest first; None is a deleted one. `tokens` are taken. `fails` are
    statuses to answer with first. `first_engine` answers as version 1 of the engine does."""

    address: str
    tokens: set[str] = field(default_factory=lambda: {"hvs.good"})
    role: tuple[str, str] = ("role-1", "secret-1")
    namespace: str = ""
    entries: dict[str, list[dict[str, Any] | None]] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)
    fails: list[int] = field(default_factory=list)
    first_engine: bool = False
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        self.asked.append(asked)
        if self.fails:
            return self.fails.pop(0), {"errors": ["1 error occurred"]}
        where = urlsplit(asked.path)
        if asked.headers.get("x-vault-namespace", "") != self.namespace:
            return 404, {"errors": []}
        if where.path == "/v1/auth/approle/login" and asked.method == "POST":
            if (asked.body.get("role_id"), asked.body.get("secret_id")) != self.role:
                return 400, {"errors": ["invalid role or secret ID"]}
            self.tokens.add("hvs.of-the-role")
            return 200, {"auth": {"client_token": "hvs.of-the-role", "lease_duration": 60, "renewable": True}}
        if asked.headers.get("x-vault-token") not in self.tokens or where.path in self.forbidden:
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        if asked.method != "GET":
            return 405, {"errors": ["unsupported operation"]}
        return self._entry(where.path, parse_qs(where.query))

    def _entry(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        versions = self.entries.get(path)
        number = int(query.get("version", ["0"])[0]) or len(versions or ())
        if not versions or number > len(versions):
            return 404, {"errors": []}
        data = versions[number - 1]
        if self.first_engine:
            return 200, {"data": data}
        deleted = "" if data is not None else "2026-11-01T00:00:00Z"
        metadata = {"version": number, "deletion_time": deleted, "destroyed": False}
        return (200 if data is not None else 404), {"data": {"data": data, "metadata": metadata}}


@pytest.fixture
def vault() -> Iterator[Vault]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = made.answer(Asked(self.command, self.path, headers, body))
            content = json.dumps(answer).encode()
            self.send_response(status)
            if status == 307:
                self.send_header("Location", f"{made.address}/v1/elsewhere")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _serve

        def log_message(self, format: str, *args: object) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Vault(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()
