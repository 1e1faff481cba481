"""One health check of one instance, in words for a developer. Called by `driver.check`; pure I/O, no state."""

from __future__ import annotations

import http.client
import socket
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from highroad.drivers.contract import Checked
from highroad.workload.model import Health

LOOPBACK = "127.0.0.1"
_LISTEN = "0A"  # include/net/tcp_states.h
_REACHED = {IPv4Address(LOOPBACK), IPv4Address(0), IPv6Address(0), IPv6Address(f"::ffff:{LOOPBACK}")}
_LONGEST_HEAD = 64 * 1024


def over_http(port: int, health: Health) -> Checked:
    """GET `path`; 200 to 399 is healthy, and redirects are not followed. One deadline holds for all of it, because an
    app that sends a byte now and then, or one interim answer after the other, would hold up its deployment for ever."""
    deadline = time.monotonic() + health.timeout
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=health.timeout)
    headers = {"Host": f"localhost:{port}", "User-Agent": "highroad-health", "Connection": "close", **health.headers}
    try:
        connection.connect()
        connection.sock.settimeout(_left(deadline))
        connection.request("GET", health.path, headers=headers)
        status = _status(_lines(connection.sock, deadline))
    except TimeoutError:
        return Checked(False, f"GET {health.path} was not answered within {health.timeout:g} s")
    except ConnectionRefusedError:
        return Checked(False, f"nothing listens on port {port} (the app must listen on $PORT)")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Checked(False, f"GET {health.path} failed: {type(error).__name__} {error}".rstrip())
    finally:
        connection.close()
    healthy = 200 <= status < 400
    return Checked(healthy, "" if healthy else f"GET {health.path} answered {status}")


def _left(deadline: float) -> float:
    """Seconds until then. Raises `TimeoutError` when there are none: a socket would take 0 for "do not wait"."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _lines(connection: socket.socket, deadline: float) -> Iterator[bytes]:
    """The lines of an answer's head as they come, without their ends; the last one may be cut by the end of it all."""
    rest, taken = b"", 0
    while taken < _LONGEST_HEAD:
        connection.settimeout(_left(deadline))
        piece = connection.recv(4096)
        if not piece:
            break
        taken += len(piece)
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in whole)
    if rest:
        yield rest


def _status(lines: Iterator[bytes]) -> int:
    """The status of the first answer that is no interim one (RFC 9110, section 15.2)."""
    for line in lines:
        version, _, rest = line.partition(b" ")
        code = rest[:3]
        if not version.startswith(b"HTTP/") or not code.isdigit() or len(code) < 3 or rest[3:4] not in (b"", b" "):
            raise http.client.BadStatusLine(line[:80].decode(errors="replace"))
        if not 100 <= int(code) < 200 or int(code) == http.client.SWITCHING_PROTOCOLS:
            return int(code)
        for header in lines:
            if not header:
                break
    raise http.client.RemoteDisconnected("it ended without an answer")


def over_tcp(port: int, health: Health) -> Checked:
    try:
        socket.create_connection((LOOPBACK, port), timeout=health.timeout).close()
    except TimeoutError:
        return Checked(False, f"port {port} did not take a connection within {health.timeout:g} s")
    except ConnectionRefusedError:
        return Checked(False, f"nothing listens on port {port} (the app must listen on $PORT)")
    except OSError as error:
        return Checked(False, f"port {port} cannot be reached: {error}")
    return Checked(True)


def listeners(port: int) -> set[int]:
    """The users whose sockets may get what is sent to a TCP port of the loopback address (proc(5): /proc/net/tcp).

    An IPv6 socket for any address is among them although it may have refused IPv4, which the table does not tell.
    """
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:  # a kernel without IPv6
            continue
        for columns in (row.split() for row in rows):
            address, _, number = columns[1].partition(":")
            if columns[3] == _LISTEN and int(number, 16) == port and _address(address) in _REACHED:
                found.add(int(columns[7]))
    return found


def _address(text: str) -> IPv4Address | IPv6Address:
    """An address as the kernel prints it: words of 32 bits in the machine's own byte order."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    return IPv4Address(words[0]) if len(words) == 1 else IPv6Address(b"".join(words))
