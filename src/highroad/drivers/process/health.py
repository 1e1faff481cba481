"""One health check of one instance, in words for a developer. Called by `driver.check`; pure I/O, no state."""

from __future__ import annotations

import http.client
import socket

from highroad.drivers.contract import Checked
from highroad.workload.model import Health

LOOPBACK = "127.0.0.1"


def over_http(port: int, health: Health) -> Checked:
    """GET `path`; 200 to 399 is healthy, and redirects are not followed."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=health.timeout)
    headers = {"Host": f"localhost:{port}", "User-Agent": "highroad-health", "Connection": "close", **health.headers}
    try:
        connection.request("GET", health.path, headers=headers)
        status = connection.getresponse().status
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
