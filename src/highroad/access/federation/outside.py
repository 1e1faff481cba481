"""Requests to an issuer's own servers, which may be slow, hostile, or pointed at our network.

Called by `issuers` and `flow`, with no transaction open. Every request has a deadline for all of it, a largest answer,
and an address that was looked at before it is connected to: redirects are never followed, and only an issuer that is
itself in the company's network may name servers there (what `kit.addresses` refuses, such as where clouds keep their
credentials, nobody may). Through a proxy of the environment (`HTTPS_PROXY`) the proxy looks the name up, so that no
address is pinned there.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from highroad.access.federation.failures import BadProvider, ProviderMisbehaves, ProviderUnreachable
from highroad.errors import FieldError
from highroad.kit.addresses import literal_refusal, refusal

SECONDS = 10.0
LARGEST = 512 * 1024
LONGEST_ADDRESS = 500
Json = dict[str, Any]


def require_issuer(url: str) -> str:
    """`url` if it can be an issuer: https, or http on this machine. Raises `BadProvider`."""
    fault = fault_of(url, plain=is_loopback_url(url))
    if fault is None and ("?" in url or len(url) > LONGEST_ADDRESS):
        fault = "has a query or is too long"
    if fault is None:
        return url
    raise BadProvider(
        f"The issuer {url[:200]!r} {fault}.",
        next_step="Copy it from the provider, letter by letter, e.g. https://login.example.com/realms/company",
        errors=[FieldError("/issuer", fault)],
    )


def is_loopback_url(url: str) -> bool:
    with contextlib.suppress(ValueError):
        host = urlsplit(url).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        return ipaddress.ip_address(host).is_loopback
    return False


def fault_of(url: str, *, plain: bool) -> str | None:
    """What is wrong with the address, in words that follow it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no address"
    if parts.scheme != "https" and not (plain and parts.scheme == "http"):
        return "is not an https address"
    if not host or parts.username is not None or parts.fragment or not url.isprintable() or " " in url:
        return "is no plain address of a server"
    reason = literal_refusal(host)
    return f"is {reason}" if reason else None


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


async def resolve(host: str, port: int) -> list[Address]:
    """Addresses of a host. An IPv4 address that is written as IPv6 is given as what it is."""
    if host.endswith(".localhost"):
        host = "localhost"  # RFC 6761, 6.3, which not every resolver knows
    rows = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found = [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows]
    return sorted((getattr(each, "ipv4_mapped", None) or each for each in found), key=lambda each: each.version)


class Outside:
    """Requests for one issuer. `seconds` bounds each of them, names looked up by `resolve` included."""

    def __init__(
        self,
        issuer: str,
        *,
        seconds: float = SECONDS,
        resolve: Callable[[str, int], Awaitable[list[Address]]] = resolve,
    ) -> None:
        self.issuer = issuer
        self._seconds = seconds
        self._resolve = resolve
        self._host = urlsplit(issuer).hostname or ""

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Json:
        """The JSON object at `url`. Raises `ProviderUnreachable` or `ProviderMisbehaves`, as all below does."""
        status, answer = await self._bounded("GET", url, headers=dict(headers or {}))
        if status != 200:
            raise self.misbehaves(f"{_shown(url)} answers {status}.")
        return answer

    async def post(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> tuple[int, Json]:
        """The status and the JSON object that a form is answered with."""
        return await self._bounded("POST", url, headers=dict(headers or {}), data=dict(form))

    def misbehaves(self, detail: str) -> ProviderMisbehaves:
        return ProviderMisbehaves(
            detail, next_step="Nothing was changed. An administrator can look closer: highroad providers test"
        )

    async def _bounded(self, method: str, url: str, **sent: Any) -> tuple[int, Json]:
        fault = fault_of(url, plain=is_loopback_url(self.issuer))
        if fault is not None:
            raise self.misbehaves(f"The address {_shown(url)} that {self.issuer} names {fault}.")
        try:
            async with asyncio.timeout(self._seconds):
                return await self._request(method, url, **sent)
        except TimeoutError as error:
            raise self._unreachable(url, f"did not answer within {self._seconds:g} seconds") from error
        except (httpx2.HTTPError, OSError) as error:
            raise self._unreachable(url, str(error).splitlines()[0][:200] if str(error) else "broke off") from error

    def _unreachable(self, url: str, why: str) -> ProviderUnreachable:
        return ProviderUnreachable(
            f"{_shown(url)}: {why}",
            next_step="Nothing was changed. Try again in a minute; other ways to sign in still work.",
        )

    async def _request(self, method: str, url: str, *, headers: dict[str, str], **sent: Any) -> tuple[int, Json]:
        target, extensions, proxied = await self._target(url, headers)
        headers |= {"Accept": "application/json", "User-Agent": "highroad", "Accept-Encoding": "identity"}
        context = _trust() if urlsplit(url).scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        async with (
            httpx2.AsyncClient(
                verify=context, trust_env=proxied, follow_redirects=False, timeout=self._seconds
            ) as client,
            client.stream(method, target, headers=headers, extensions=extensions, **sent) as response,
        ):
            if response.is_redirect:
                raise self.misbehaves(f"{_shown(url)} answers with a redirect, which Highroad does not follow.")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > LARGEST:
                    raise self.misbehaves(f"{_shown(url)} answers more than {LARGEST // 1024} KiB.")
        return response.status_code, self._object(url, response.status_code, bytes(body))

    def _object(self, url: str, status: int, body: bytes) -> Json:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            if status >= 500:
                raise self._unreachable(url, f"answers {status}") from error
            raise self.misbehaves(f"{_shown(url)} answers {status} and no JSON.") from error
        if not isinstance(found, dict):
            raise self.misbehaves(f"{_shown(url)} answers JSON that is no object.")
        return found

    async def _target(self, url: str, headers: dict[str, str]) -> tuple[str, dict[str, Any], bool]:
        """The address to connect to, pinned to one that was looked at; and whether a proxy does that for us."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme in getproxies() and not is_loopback_url(url) and not proxy_bypass(host):
            return url, {}, True
        address = await self._address(host, parts.port or (443 if parts.scheme == "https" else 80))
        headers["Host"] = parts.netloc
        shown = f"[{address}]" if ":" in address else address
        port = f":{parts.port}" if parts.port else ""
        return parts._replace(netloc=f"{shown}{port}").geturl(), {"sni_hostname": host}, False

    async def _address(self, host: str, port: int) -> str:
        found = await self._resolve(host, port)
        if not found:
            raise OSError(f"{host} has no address")
        own = found if host == self._host else await self._resolve(self._host, port)
        internal_issuer = host == self._host or not all(each.is_global for each in own)
        for each in found:
            reason = refusal(str(each))
            if reason:
                raise self.misbehaves(f"{host} is at {each}, {reason}: no identity provider is there.")
            if not each.is_global and not internal_issuer:
                raise self.misbehaves(f"{self.issuer} names {host}, which is in the internal network ({each}).")
        return str(found[0])


@cache
def _trust() -> ssl.SSLContext:
    """The authorities of the machine, or of `SSL_CERT_FILE`; reading them takes 30 ms."""
    return httpx2.create_ssl_context()


def _shown(url: str) -> str:
    """Without a query, which may hold a secret."""
    return url.partition("?")[0][:200]
