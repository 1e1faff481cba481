"""Sends one event to a syslog collector: RFC 5424 messages over UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425).

Over TCP and TLS messages are framed by octet counting. Syslog has no answer: what the network took counts as delivered,
so a collector that must not miss anything is better reached by a webhook. Called by `delivery`.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from highroad import __version__
from highroad.audit.addresses import Address, resolve
from highroad.errors import Temporary
from highroad.web.words import short_type

TIMEOUT = 10.0
LOG_AUDIT = 13
INFORMATIONAL, WARNING = 6, 4
LARGEST_DATAGRAM = 60_000
"""Bytes of a UDP message; a datagram holds 65,507. A larger event is sent without its data."""
_LARGEST_SEQUENCE = 2_147_483_647


@dataclass(slots=True)
class SyslogSender:
    """A connection kept between events. `origin` is the host that stands in the messages: the installation's."""

    address: Address
    origin: str
    timeout: float = TIMEOUT
    _socket: socket.socket | None = field(default=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, event: Mapping[str, object], body: Mapping[str, object], *, refused: bool = False) -> None:
        """Deliver `body` as the message about the CloudEvent `event`. Raises `Temporary`, or `AddressRefused`."""
        datagram = self.address.transport == "udp"
        text = message(event, body, self.origin, refused=refused)
        if datagram and len(text) > LARGEST_DATAGRAM:
            slim = {name: value for name, value in event.items() if name != "data"}
            text = message(event, slim, self.origin, refused=refused)
        try:
            connection = self._connected()
            connection.sendall(text if datagram else b"%d %s" % (len(text), text))
        except OSError as error:
            self.close()
            raise Temporary(f"{self.address.host} cannot be reached: {error}") from error

    def _connected(self) -> socket.socket:
        if self._socket is not None and self.address.transport != "udp" and _ended(self._socket, self.timeout):
            self.close()
        if self._socket is None:
            self._socket = self._connect()
        return self._socket

    def _connect(self) -> socket.socket:
        ip, port = resolve(self.address.host, self.address.port), self.address.port
        if self.address.transport == "udp":
            family = socket.AF_INET6 if ":" in ip else socket.AF_INET
            connection = socket.socket(family, socket.SOCK_DGRAM)
            connection.settimeout(self.timeout)
            connection.connect((ip, port))
            return connection
        connection = socket.create_connection((ip, port), timeout=self.timeout)
        if self.address.transport == "tcp":
            return connection
        try:
            return ssl.create_default_context().wrap_socket(connection, server_hostname=self.address.host)
        except BaseException:
            connection.close()
            raise


def _ended(connection: socket.socket, timeout: float) -> bool:
    """Whether the collector closed its side; without this look the next message would be written into a connection
    that nobody reads. A TLS server sends tickets after the handshake: something to read is not yet the end."""
    connection.settimeout(0)
    try:
        return not connection.recv(4096)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(timeout)


def message(event: Mapping[str, object], body: Mapping[str, object], origin: str, *, refused: bool = False) -> bytes:
    """The RFC 5424 message: header, structured data registered with IANA, and the body as JSON in UTF-8."""
    priority = LOG_AUDIT * 8 + (WARNING if refused else INFORMATIONAL)
    sequence = int(str(event.get("cursor", 0))) % _LARGEST_SEQUENCE or 1
    header = " ".join(
        (
            f"<{priority}>1",
            str(event["time"]),
            _name(origin, 255),
            "highroad",
            "-",
            _name(short_type(str(event["type"])), 32),
        )
    )
    structured = f'[origin software="highroad" swVersion="{__version__}"][meta sequenceId="{sequence}"]'
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return f"{header} {structured} ".encode() + b"\xef\xbb\xbf" + text.encode()


def _name(text: str, longest: int) -> str:
    """Printable ASCII without spaces, as the header's fields are; `-` for nothing."""
    return re.sub(r"[^\x21-\x7e]", "", text)[:longest] or "-"
