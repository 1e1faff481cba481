"""Health checks against real listeners, and their words."""

from __future__ import annotations

import os
import socket
import threading
import time
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


@contextmanager
def dripping(first: bytes, again: bytes) -> Iterator[int]:
    """A server that never comes to an end of its answer."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            try:
                connection.sendall(first)
                while not done.wait(0.02):
                    connection.sendall(again)
            except OSError:
                return  # the check went away, as it should

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        done.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"HTTP/1.1 200", b"K"),
        (b"HTTP/1.1 100 Continue\r\n", b"x: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_an_answer_without_end_is_given_up_in_time(first: bytes, again: bytes) -> None:
    begun = time.monotonic()
    with dripping(first, again) as port:
        checked = health.over_http(port, Health("http", timeout=0.3))
    assert checked.why == "GET / was not answered within 0.3 s"
    assert time.monotonic() - begun < 5


def test_the_answer_after_an_interim_one_counts() -> None:
    with answering(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n") as port:
        assert health.over_http(port, Health("http")).healthy


def test_an_end_without_an_answer_is_told() -> None:
    with answering(b"") as port:
        assert "ended without an answer" in health.over_http(port, Health("http")).why


@pytest.mark.parametrize(
    ("host", "family", "reached"),
    [
        ("127.0.0.1", socket.AF_INET, True),
        ("0.0.0.0", socket.AF_INET, True),
        ("127.0.0.2", socket.AF_INET, False),
        ("::", socket.AF_INET6, True),
        ("::1", socket.AF_INET6, False),
    ],
)
def test_only_who_can_be_reached_at_a_port_counts_as_listener(host: str, family: int, reached: bool) -> None:
    try:
        listener = socket.create_server((host, 0), family=socket.AddressFamily(family))
    except OSError:
        pytest.skip("this machine has no such address")
    with listener:
        assert health.listeners(listener.getsockname()[1]) == ({os.geteuid()} if reached else set())


def test_what_is_not_http_is_told() -> None:
    with answering(b"SSH-2.0-x\r\n") as port:
        assert "failed: BadStatusLine" in health.over_http(port, Health("http")).why


@pytest.mark.parametrize("check", [health.over_http, health.over_tcp])
def test_nobody_listening_is_told_with_what_to_do(check: object) -> None:
    assert callable(check)
    port = free_port()
    assert check(port, Health()).why == f"nothing listens on port {port} (the app must listen on $PORT)"
