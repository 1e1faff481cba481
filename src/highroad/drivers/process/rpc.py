"""XML-RPC to supervisord over its Unix socket. Used by `supervisor.py` alone."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from pathlib import Path
from typing import Any

from highroad.errors import Permanent, Temporary

_SECONDS = 15.0
_SHUTTING_DOWN = 6  # supervisor.xmlrpc.Faults.SHUTDOWN_STATE, without importing supervisor here


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _Connection(self._path)
        self._connection = host, connection  # where the base class looks when it closes
        return connection


def call(path: Path, method: str, *arguments: object) -> Any:
    """One call on a connection of its own, so that threads need no lock. Raises `Temporary` or `Permanent`."""
    transport = _Transport(path)
    try:
        with xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=transport) as server:
            return getattr(server, method)(*arguments)
    except xmlrpc.client.Fault as error:
        if error.faultCode == _SHUTTING_DOWN:
            raise Temporary("The process supervisor is shutting down.") from error
        raise Permanent(f"The process supervisor refused {method}: {error.faultString}") from error
    except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
        raise Temporary(f"The process supervisor does not answer: {error}") from error
