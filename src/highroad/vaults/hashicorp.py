"""HashiCorp Vault and OpenBao: the key-value engine, version 2, over its HTTP API, with a token or an AppRole.

    GET  /v1/MOUNT/data/PATH?version=N     X-Vault-Token, X-Vault-Namespace
    POST /v1/auth/APPROLE-MOUNT/login      role_id, secret_id -> client_token

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 and .../auth/approle. Redirects are not followed: they
would carry the token elsewhere. The address that was looked at is the one connected to (`kit.addresses`).
"""

from __future__ import annotations

import importlib
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from highroad.errors import FieldError, Invalid
from highroad.kit.addresses import literal_refusal, refusal
from highroad.vaults.contract import LARGEST_ANSWER, SECONDS, VaultRefused, VaultUnavailable, check_path

_AGAIN = frozenset({408, 412, 429, 472, 473, 500, 502, 503, 504})
"""412: a replica is behind; 472, 473: a standby node; 503: sealed, or down for maintenance."""


class BadVaultAddress(Invalid):
    code = "bad-vault-address"
    title = "This is no address of a store"


@dataclass(frozen=True, slots=True)
class TokenSignIn:
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AppRoleSignIn:
    role_id: str
    secret_id: str = field(repr=False)
    mount: str = "approle"


def check_address(address: str) -> str:
    """`http(s)://host[:port]`, without a slash at its end."""
    parts = urlsplit(address.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise BadVaultAddress(
            f"{address[:100]!r} is no address of a store.",
            next_step="Write it like https://vault.example.com:8200",
            errors=[FieldError("/address", "takes http(s)://host:port")],
        )
    reason = literal_refusal(parts.hostname)
    if reason:
        raise BadVaultAddress(
            f"{parts.hostname} is {reason}: no store is there.",
            next_step="Write the address of the store, like https://vault.example.com:8200",
            errors=[FieldError("/address", f"is {reason}")],
        )
    return address.strip().rstrip("/")


class HashiCorpVault:
    """One engine of one server. Signs in anew when its token is not taken any more."""

    def __init__(
        self,
        address: str,
        sign_in: TokenSignIn | AppRoleSignIn,
        *,
        mount: str = "secret",
        namespace: str = "",
        seconds: float = SECONDS,
    ) -> None:
        self._address = check_address(address)
        self._sign_in = sign_in
        self._mount = check_path(mount)
        self._namespace = namespace
        self._seconds = seconds

    def read(self, path: str, version: int | None) -> Mapping[str, str]:
        check_path(path)
        where = f"/v1/{quote(self._mount)}/data/{quote(path)}"
        with self._client() as client:
            status, body = self._ask(client, "GET", where, self._token(client), {"version": version} if version else {})
        if status == 200:
            return _values(body, path)
        raise self._refused(status, body, path, version)

    def _token(self, client: Any) -> str:
        if isinstance(self._sign_in, TokenSignIn):
            return self._sign_in.token
        role = self._sign_in
        credentials = {"role_id": role.role_id, "secret_id": role.secret_id}
        status, body = self._ask(client, "POST", f"/v1/auth/{quote(role.mount)}/login", "", {}, credentials)
        token = (body.get("auth") or {}).get("client_token") if status == 200 else None
        if not isinstance(token, str):
            raise VaultRefused(
                f"{self._address} did not take the AppRole ({status}).",
                next_step="Give the store a new secret id: highroad vaults set NAME --role-id ID",
            )
        return token

    def _ask(
        self,
        client: Any,
        method: str,
        path: str,
        token: str,
        params: Mapping[str, object],
        content: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        headers = {"X-Vault-Request": "true"}
        if token:
            headers["X-Vault-Token"] = token
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        http = importlib.import_module("httpx2")
        try:
            extensions = {"sni_hostname": urlsplit(self._address).hostname}  # the certificate is the name's
            with client.stream(
                method, path, headers=headers, params=params, json=content, extensions=extensions
            ) as answer:
                body = b""
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > LARGEST_ANSWER:
                        raise VaultRefused(
                            f"{self._address} answered with more than 1 MiB.", next_step="Use a smaller entry."
                        )
                status = int(answer.status_code)
        except http.HTTPError as error:
            raise VaultUnavailable(
                f"{self._address} does not answer: {type(error).__name__}.",
                next_step="See whether it runs, then try again.",
            ) from None  # the exception holds the request, and that the token
        if status in _AGAIN:
            raise VaultUnavailable(
                f"{self._address} answered {status}: {_why(status)}.", next_step="Try again when it is there for all."
            )
        try:
            found = json.loads(body) if body else {}
        except ValueError:
            found = {}
        return status, found if isinstance(found, dict) else {}

    def _refused(self, status: int, body: Mapping[str, Any], path: str, version: int | None) -> VaultRefused:
        entry = f"{self._mount}/{path}" + (f", version {version}," if version else "")
        if status == 403:
            return VaultRefused(
                f"{self._address} does not let Highroad read {entry} (403).",
                next_step=f"Let its policy allow read on {self._mount}/data/{path}, or renew the credentials: "
                "highroad vaults set",
            )
        if status == 404:
            deleted = isinstance(body.get("data"), dict)
            return VaultRefused(
                f"{self._address} has no {entry} {'any more: it was deleted' if deleted else ''} (404).".replace(
                    "  ", " "
                ),
                next_step="Correct the path, without mount and `data/`, or write the entry there.",
            )
        return VaultRefused(
            f"{self._address} answered {status} to the question for {entry}.",
            next_step="See whether its address and mount are right: highroad vaults list",
        )

    def _client(self) -> Any:
        http = importlib.import_module("httpx2")
        parts = urlsplit(self._address)
        host = parts.hostname or ""
        address = self._resolve(host, parts.port or (443 if parts.scheme == "https" else 80))
        shown = (f"[{address}]" if ":" in address else address) + (f":{parts.port}" if parts.port else "")
        return http.Client(
            base_url=parts._replace(netloc=shown).geturl(),
            headers={"Host": parts.netloc},
            timeout=self._seconds,
            follow_redirects=False,
            trust_env=False,
        )

    def _resolve(self, host: str, port: int) -> str:
        """An address of the host, one of IPv4 if there is any; none of them may be refused."""
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise VaultUnavailable(
                f"The name {host} cannot be resolved.", next_step="See whether it is right: highroad vaults list"
            ) from None
        found = [str(each[4][0]) for each in sorted(answers, key=lambda each: each[0] != socket.AF_INET)]
        for each in found:
            reason = refusal(each)
            if reason:
                raise VaultRefused(
                    f"{host} is {each}, {reason}: no store is there.",
                    next_step="Correct the address: highroad vaults list",
                )
        return found[0]


def _why(status: int) -> str:
    known = {429: "too many requests", 503: "it is sealed or under maintenance", 472: "a standby", 473: "a standby"}
    return known.get(status, "an error of its own")


def _values(body: Mapping[str, Any], path: str) -> dict[str, str]:
    """Values that are no text come as JSON."""
    data = body.get("data")
    found = data.get("data") if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise VaultRefused(
            f"The answer for {path} is not of the key-value engine, version 2.",
            next_step="Name the mount of such an engine: highroad vaults set NAME --mount MOUNT",
        )
    return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
