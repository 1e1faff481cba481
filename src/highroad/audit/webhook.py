"""Sends one event to a webhook: CloudEvents 1.0.2 over HTTP, signed as Standard Webhooks 1.0.0 say.

Structured mode sends the whole CloudEvent as the body, binary mode its data, with the attributes as `ce-` headers.
Called by `delivery`, which decides when to try again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

import httpx2

from highroad import __version__
from highroad.audit.addresses import Address, resolve
from highroad.errors import Permanent, Temporary

Mode = Literal["structured", "binary"]
SECRET_PREFIX = "whsec_"  # noqa: S105 - the beginning of every such secret, by the standard
TIMEOUT = 20.0
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


class Gone(Permanent):
    """The receiver answered 410: it wants no more."""


class RetryLater(Temporary):
    """The receiver said when it wants to be asked again, in `seconds`."""

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail)
        self.seconds = seconds


@dataclass(slots=True)
class WebhookSender:
    """A connection kept between events. `secrets` are one, or two while one replaces the other; `authorization` is the
    value of the header of that name, empty for none."""

    address: Address
    mode: Mode
    secrets: tuple[str, ...] = field(repr=False)
    authorization: str = field(default="", repr=False)
    timeout: float = TIMEOUT
    _clients: dict[str, httpx2.Client] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def send(self, event: Mapping[str, object], at: datetime) -> None:
        """Deliver it, or raise `Temporary` (try again), `RetryLater` or `Permanent`."""
        body, headers = encode(event, self.mode)
        stamp = int(at.timestamp())
        identity = str(event["id"])
        headers |= {
            "webhook-id": identity,
            "webhook-timestamp": str(stamp),
            "webhook-signature": " ".join(sign(secret, identity, stamp, body) for secret in self.secrets),
            "user-agent": f"highroad/{__version__}",
        }
        if self.authorization:
            headers["authorization"] = self.authorization
        self._post(body, headers)

    def _post(self, body: bytes, headers: dict[str, str]) -> None:
        host = self.address.host
        ip = resolve(host, self.address.port)
        literal = f"[{ip}]" if ":" in ip else ip
        shown = f"[{host}]" if ":" in host else host
        usual = {"http": 80, "https": 443}[self.address.transport]
        headers["host"] = shown if self.address.port == usual else f"{shown}:{self.address.port}"
        client = self._clients.setdefault(ip, self._client())
        try:
            answer = client.post(
                f"{self.address.transport}://{literal}:{self.address.port}{self.address.path}",
                content=body,
                headers=headers,
                extensions={"sni_hostname": host},
            )
        except httpx2.TimeoutException as error:
            raise Temporary(f"{host} did not answer within {self.timeout:g} seconds.") from error
        except httpx2.HTTPError as error:
            raise Temporary(f"{host} cannot be reached: {error or type(error).__name__}") from error
        _judge(host, answer.status_code, answer.headers.get("retry-after", ""))

    def _client(self) -> httpx2.Client:
        secure = self.address.transport == "https"
        # Redirects would lead past the check of the address, and a proxy of the environment past the pinned one.
        return httpx2.Client(
            timeout=self.timeout,
            follow_redirects=False,
            trust_env=False,
            verify=ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )


def _judge(host: str, status: int, retry_after: str) -> None:
    if 200 <= status < 300:
        return
    if status == 410:
        raise Gone(f"{host} answered 410: it takes no more events.", next_step="Resume it when it takes events again.")
    if 300 <= status < 400:
        raise Temporary(f"{host} answered {status}, a redirect, which is not followed.")
    if retry_after.isascii() and retry_after.isdigit() and status in (429, 503):
        raise RetryLater(f"{host} answered {status} and wants to wait {retry_after[:6]} seconds.", int(retry_after[:6]))
    raise Temporary(f"{host} answered {status}.")


def encode(event: Mapping[str, object], mode: Mode) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the CloudEvents HTTP binding."""
    if mode == "structured":
        return _json(event), {"content-type": "application/cloudevents+json; charset=utf-8"}
    # Percent-encoded as the binding says in 3.1.3.2: space, double quote, percent, and all that is not printable ASCII.
    attributes = {
        f"ce-{name}": quote(str(value), safe=_SAFE)
        for name, value in event.items()
        if name not in ("data", "datacontenttype")
    }
    return _json(event["data"]), {"content-type": str(event["datacontenttype"]), **attributes}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def new_secret(random: bytes) -> str:
    """The text of a signing secret of 24 to 64 random bytes."""
    return SECRET_PREFIX + base64.b64encode(random).decode()


def sign(secret: str, identity: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the HMAC-SHA256 of `id.timestamp.body` under the secret's bytes (Standard Webhooks 1.0.0)."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{identity}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
