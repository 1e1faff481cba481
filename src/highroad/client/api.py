"""One connection to one installation: requests, pages and streams of the API under `/api/v1`.

Called by every command of the command line. JSON objects go in and come out as dictionaries, exactly as the API
documents them; every failure is a `HighroadError` with what to do next. A POST carries an `Idempotency-Key`, so that
it can be sent again when its answer got lost, and the control plane may restart under a running command.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx2

import highroad
from highroad.client import address, stream
from highroad.client.problems import Json, NotHighroad, from_answer, from_failure

_RESTARTING = (502, 503, 504)
_DELAYS = (0.25, 0.5, 1.0, 2.0)  # a control plane restarts within 1.5 s


@dataclass(frozen=True, slots=True)
class Answer:
    """A body and its entity tag, empty when the server gave none."""

    body: Json
    etag: str


def path_of(*parts: str | int) -> str:
    """`/a/b/c` with every part percent-encoded, so that no name can reach another resource."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


class Client:
    """The API of the installation at `url`, as the holder of `token` (None: not signed in). Times are in seconds."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        attempts: int = len(_DELAYS) + 1,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = address.normal_url(url)
        self._timeout = timeout
        self._pause = pause
        self._delays = _DELAYS[: attempts - 1]
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        connect = _connect_host(host)
        headers = {"User-Agent": f"highroad/{highroad.__version__}", "Accept": "application/json"}
        base, self._extensions = self.url, dict[str, Any]()
        if connect != host:
            base = self.url.replace(host, connect, 1)
            headers["Host"] = parts.netloc
            self._extensions = {"sni_hostname": host}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        # A proxy of the company must never see what is meant for this machine.
        self._http = httpx2.Client(
            base_url=f"{base}/api/v1",
            headers=headers,
            timeout=timeout,
            verify=_trust(parts.scheme),
            trust_env=not address.is_loopback(host),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **params: object) -> Json:
        return self.fetch(path, **params).body

    def fetch(self, path: str, **params: object) -> Answer:
        """GET with the entity tag, for a later `if_match`."""
        response = self._send("GET", path, params=params, again=True)
        return Answer(self._json(response), response.headers.get("etag", ""))

    def post(self, path: str, body: Mapping[str, object] | None = None, **params: object) -> Json:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self._json(self._send("POST", path, params=params, body=body or {}, headers=headers, again=True))

    def put(self, path: str, body: Mapping[str, object], **params: object) -> Json:
        return self._json(self._send("PUT", path, params=params, body=body, again=True))

    def patch(self, path: str, body: Mapping[str, object], *, if_match: str = "", **params: str) -> Json:
        headers = {"If-Match": if_match} if if_match else {}
        return self._json(self._send("PATCH", path, params=params, body=body, headers=headers, again=False))

    def delete(self, path: str, *, if_match: str = "", **params: object) -> Json:
        """DELETE; gone already counts as done when an earlier attempt of ours may have done it."""
        headers = {"If-Match": if_match} if if_match else {}
        answer = self._send("DELETE", path, params=params, headers=headers, again=True)
        return self._json(answer) if answer.is_success else {}

    def download(self, path: str, write: Callable[[bytes], object], **params: object) -> None:
        """The body of a GET, written piece by piece as it comes, whatever its size. It is not asked for again when the
        connection breaks: raises `ConnectionLost`, and what was written is only a part."""
        query = _given(params)
        try:
            with self._http.stream("GET", path, params=query, extensions=self._extensions) as response:
                if not response.is_success:
                    response.read()
                    raise from_answer(response.status_code, response.content, url=self.url)
                for piece in response.iter_bytes():
                    write(piece)
        except httpx2.TransportError as error:
            raise from_failure(error, url=self.url, seconds=self._timeout) from error

    def items(self, path: str, *, limit: int | None = None, page_size: int = 100, **params: object) -> Iterator[Json]:
        """The items of a list, page after page, at most `limit`."""
        left, token = limit, None
        while left is None or left > 0:
            size = page_size if left is None else min(page_size, left)
            page = self.get(path, page_size=size, page_token=token, **params)
            found = page.get("items", [])
            yield from found if left is None else found[:left]
            left = None if left is None else left - len(found)
            token = page.get("next_page_token")
            if not token:
                return

    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        cursor: str = "",
        patience: float = 60.0,
        on_gap: Callable[[str], None] | None = None,
    ) -> Iterator[stream.Event]:
        """Server-sent events, resumed after `cursor` over dropped connections until `end`; see `stream.follow`."""
        source = stream.Source(
            http=self._http, url=self.url, path=path, params=_given(params or {}), extensions=self._extensions
        )
        return stream.follow(source, cursor=cursor, patience=patience, pause=self._pause, on_gap=on_gap)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool,
    ) -> httpx2.Response:
        """Send, and send again when `again` and the answer was lost or the control plane was away."""
        delays = self._delays if again else ()
        for attempt, delay in enumerate((*delays, None)):
            try:
                response = self._http.request(
                    method,
                    path,
                    params=_given(params or {}),
                    json=body,
                    headers=dict(headers or {}),
                    extensions=self._extensions,
                )
            except httpx2.TransportError as error:
                refused = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
                if refused or delay is None:
                    raise from_failure(error, url=self.url, seconds=self._timeout) from error
            else:
                gone = method == "DELETE" and attempt > 0 and response.status_code == 404
                if response.is_success or gone:
                    return response
                if response.status_code not in _RESTARTING or delay is None:
                    location = response.headers.get("location", "")
                    raise from_answer(response.status_code, response.content, url=self.url, location=location)
            self._pause(delay)
        raise AssertionError("the last attempt returns or raises")

    def _json(self, response: httpx2.Response) -> Json:
        if response.status_code == 204:
            return {}
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise NotHighroad(
                f"{self.url} answered with something that is not a JSON object.",
                next_step="Check the address: highroad login URL.",
            )
        return body


def _given(params: Mapping[str, object]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in params.items()
        if value is not None
    }


def _trust(scheme: str) -> ssl.SSLContext:
    """Whom to trust. Loading the authorities takes longer than a command, so plain HTTP gets a context without any:
    it would refuse every certificate."""
    return httpx2.create_ssl_context() if scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _connect_host(host: str) -> str:
    """The host to connect to: 127.0.0.1 for a `*.localhost` name that the resolver does not know, else the host."""
    if not host.endswith("localhost") or not address.is_loopback(host):
        return host
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return "127.0.0.1"
    return host
