"""Addresses of installations: how a person may type them, in what form they are stored.

Called by `api` before it connects and by the credentials store, which keys by the normal form. Light: the Git
credential helper imports it on the way of every push.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from highroad.errors import Invalid

_DEFAULT_PORTS = {"http": 80, "https": 443}


class BadUrl(Invalid):
    code = "bad-url"
    title = "This is not the address of an installation"


def normal_url(text: str) -> str:
    """`scheme://host[:port]` in lower case without a path; a missing scheme is http on this machine, else https.

    Raises `BadUrl`.
    """
    given = text.strip()
    if "://" not in given:
        given = f"//{given}"
    try:
        parts = urlsplit(given)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise _bad(text) from error
    scheme = parts.scheme.lower() or ("http" if is_loopback(host) else "https")
    if scheme not in _DEFAULT_PORTS or not host or any(character.isspace() for character in host):
        raise _bad(text)
    if parts.username or parts.password:
        raise BadUrl("The address contains a user name or password.", next_step="Give the address alone.")
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" + ("" if port in (None, _DEFAULT_PORTS[scheme]) else f":{port}")


def is_loopback(host: str) -> bool:
    """Whether the name means this machine whatever a resolver says (RFC 6761, 6.3; RFC 1122; RFC 4291)."""
    return host in ("localhost", "::1") or host.endswith(".localhost") or _is_127(host)


def is_plain_and_remote(url: str) -> bool:
    """Whether a token sent there travels readable over a network."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def _is_127(host: str) -> bool:
    parts = host.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdigit() for part in parts)


def _bad(text: str) -> BadUrl:
    return BadUrl(f"{text[:200]!r} is not an address.", next_step="Use one such as http://localhost:8080.")
