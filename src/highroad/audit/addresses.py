"""Where the audit log may be sent: which hosts a destination may name, asked again at every connection.

Which addresses are refused stands in `kit.addresses`. The address that was checked is the one connected to, so that a
name cannot point elsewhere between the two.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from highroad.errors import FieldError, Invalid, Permanent, Temporary
from highroad.kit.addresses import literal_refusal, refusal

Kind = Literal["webhook", "syslog"]
Transport = Literal["http", "https", "udp", "tcp", "tls"]
_TRANSPORTS: dict[str, tuple[Kind, Transport, int]] = {
    "https": ("webhook", "https", 443),
    "http": ("webhook", "http", 80),
    "syslog+udp": ("syslog", "udp", 514),
    "syslog+tcp": ("syslog", "tcp", 601),
    "syslog+tls": ("syslog", "tls", 6514),
}
LONGEST = 500


class BadDestination(Invalid):
    code = "bad-destination"
    title = "This cannot be a destination"


class AddressRefused(Permanent):
    """The name leads to an address that Highroad does not connect to."""


@dataclass(frozen=True, slots=True)
class Address:
    """`host` as written, `path` with its query; for syslog the path is empty."""

    kind: Kind
    transport: Transport
    host: str
    port: int
    path: str


def parse(url: str) -> Address:
    """The parts of a destination's URL. Raises `BadDestination`; credentials do not belong into it."""
    try:
        parts = urlsplit(url)
        found = _TRANSPORTS.get(parts.scheme)
        port = parts.port
    except ValueError as error:
        raise _bad("it is not a URL") from error
    if found is None:
        raise _bad("it begins with none of https://, http://, syslog+tls://, syslog+tcp://, syslog+udp://")
    if not parts.hostname or len(url) > LONGEST or not url.isprintable() or " " in url or not url.isascii():
        raise _bad(f"it names no host, or is not plain text of at most {LONGEST} characters")
    if parts.username is not None or parts.password is not None:
        raise _bad("a user or a password stands in it, where everybody who sees the URL would see them")
    kind, transport, usual = found
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if kind == "syslog" and (parts.path.strip("/") or parts.query):
        raise _bad("a syslog destination is a host and a port, without a path")
    address = Address(kind, transport, parts.hostname, port or usual, path if kind == "webhook" else "")
    _require_allowed_literal(address.host)
    return address


def resolve(host: str, port: int) -> str:
    """An address of `host` that may be connected to. Raises `Temporary` when the name is not known at the moment, and
    `AddressRefused` when every address of it, or any that is refused, is among them."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Temporary(f"The name {host} cannot be resolved: {error}") from error
    found = [str(each[4][0]) for each in answers]
    for each in found:
        reason = refusal(each)
        if reason:
            raise AddressRefused(f"{host} is {each}, {reason}.", next_step="Name a host that is a log collector.")
    return found[0]


def _require_allowed_literal(host: str) -> None:
    """A refused address that is written out is told at once; a name is resolved when it is connected to."""
    reason = literal_refusal(host)
    if reason:
        raise _bad(f"{host} is {reason}")


def _bad(why: str) -> BadDestination:
    return BadDestination(
        f"The URL cannot be used: {why}.",
        next_step="Use https://HOST/PATH, syslog+tls://HOST:PORT, syslog+tcp://HOST:PORT or syslog+udp://HOST:PORT.",
        errors=[FieldError("/url", why)],
    )
