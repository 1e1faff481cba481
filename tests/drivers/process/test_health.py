"""Health checks against real listeners, and their words."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from highroad.drivers.process import health
from highroad.workload.model import Health
from tests.drivers.conftest import free_port


@contextmanager
def answering(reply: bytes | None) -> Iterator[int]:
    """A server that gives every connection `reply`, or nothing at all."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            if reply is None:
                done.wait(10)
            else:
                connection.sendall(reply)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        done.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (302, True), (399, True), (404, False), (500, False)])
def test_statuses_from_200_to_399_are_healthy(status: int, healthy: bool) -> None:
    with answering(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()) as port:
        checked = health.over_http(port, Health("http", path="/healthz"))
    assert checked.healthy == healthy
    assert checked.why == ("" if healthy else f"GET /healthz answered {status}")


def test_silence_is_told_with_the_time() -> None:
    with answering(None) as port:
        checked = health.over_http(port, Health("http", timeout=0.2))
    assert checked.why == "GET / was not answered within 0.2 s"


def test_what_is_not_http_is_told() -> None:
    with answering(b"SSH-2.0-x\r\n") as port:
        assert "failed: BadStatusLine" in health.over_http(port, Health("http")).why


@pytest.mark.parametrize("check", [health.over_http, health.over_tcp])
def test_nobody_listening_is_told_with_what_to_do(check: object) -> None:
    assert callable(check)
    port = free_port()
    assert check(port, Health()).why == f"nothing listens on port {port} (the app must listen on $PORT)"
