"""Caddy's admin endpoint over its Unix socket, in the few calls that `caddy` makes.

Speaks with the standard library: one short request per connection, because Caddy replaces the endpoint with each load.
"""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path

from highroad.errors import Permanent, Temporary
from highroad.routing.config import FINGERPRINT


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True, slots=True)
class Admin:
    """All verbs raise `Temporary` when Caddy does not answer within `seconds`."""

    socket: Path
    seconds: float = 30.0

    def fingerprint(self) -> str | None:
        """Of the configuration that is loaded; None for one that is not ours."""
        status, body = self._ask("GET", f"/id/{FINGERPRINT}")
        if status != http.HTTPStatus.OK:
            return None
        return str(json.loads(body)["handle"][0]["configuration"])

    def load(self, config: bytes) -> None:
        """Replace the configuration; returns when the new one runs. Raises `Permanent` when Caddy refuses it."""
        status, body = self._ask("POST", "/load", config)
        if status != http.HTTPStatus.OK:
            raise Permanent(
                f"Caddy refused the routes: {body.decode(errors='replace')[:2000]}",
                next_step="Report this with the text above; the routes before stay in force.",
            )

    def in_flight(self) -> dict[str, int]:
        """Requests now being answered by upstream address, slots and the portal's socket left out."""
        status, body = self._ask("GET", "/reverse_proxy/upstreams")
        if status != http.HTTPStatus.OK:
            raise Temporary(f"Caddy answered {status} when asked for its upstreams.")
        entries = json.loads(body) or []
        counts = {str(entry["address"]): int(entry["num_requests"]) for entry in entries}
        return {
            address: count
            for address, count in counts.items()
            if count > 0 and address[0] != "{" and "/" not in address
        }

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = _Connection(self.socket, self.seconds)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Temporary(f"The router's admin endpoint {self.socket} does not answer: {error!r}") from error
        finally:
            connection.close()
