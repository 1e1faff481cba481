"""An identity provider of our own on the loopback: correct by default, and as hostile as a test wants it.

It serves discovery, keys, token endpoint and userinfo over real HTTP; `authorize` stands for the person in the browser.
Codes hold once, are bound to client, redirect address and PKCE challenge, as a good provider's are.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from highroad.access.federation.id_tokens import _registry

Key = RSAKey | ECKey | OKPKey
Answer = tuple[int, dict[str, str], bytes]
CLIENT_ID = "highroad"
CLIENT_SECRET = "a secret: with % and +"
DISCOVERY = "/.well-known/openid-configuration"


@cache
def rsa(name: str, bits: int = 2048) -> RSAKey:
    """A key of this name; the same one in all tests of a process, because making one takes time."""
    return RSAKey.generate_key(bits, parameters={"kid": name, "use": "sig"})


@cache
def ec(name: str) -> ECKey:
    return ECKey.generate_key("P-256", parameters={"kid": name})


@cache
def ed(name: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", parameters={"kid": name})


def signed(claims: dict[str, Any], key: Key | OctKey, algorithm: str = "RS256", **header: Any) -> str:
    """A token; `header` overrides what would stand there."""
    whole = {"alg": algorithm, "kid": key.kid, "typ": "JWT"} | header
    whole = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(whole, claims, key, registry=_registry, default_type=None)


def unsigned(claims: dict[str, Any], header: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@dataclass
class Provider:
    """`answers` replaces the answer of a path, `claims` those of the next identity tokens, `forge` makes the token."""

    keys: list[Key] = field(default_factory=lambda: [rsa("one")])
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=lambda: {"sub": "sub-ada"})
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    forge: Callable[[dict[str, Any]], str] | None = None
    url: str = ""
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    # The person in the browser

    def authorize(self, url: str, subject: str = "sub-ada", **claims: Any) -> dict[str, str]:
        """What the browser brings back when the person signs in here after having been sent to `url`."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.url}/authorize", url
        asked = dict(parse_qsl(parts.query, strict_parsing=True))
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert (asked["code_challenge_method"], "openid" in asked["scope"].split()) == ("S256", True)
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked | {"claims": json.dumps({"sub": subject, **claims})}
        answer = {"code": code, "state": asked["state"]}
        if self.metadata.get("authorization_response_iss_parameter_supported"):
            answer["iss"] = self.url
        return answer

    # What is served

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        } | self.metadata

    def answer(self, path: str, headers: dict[str, str], form: dict[str, str]) -> Answer:
        self.asked[path] += 1
        if path in self.answers:
            return self.answers[path]
        if path == DISCOVERY:
            return _json(self.document())
        if path == "/keys":
            return _json({"keys": [key.as_dict(private=False) for key in self.keys]})
        if path == "/token":
            return self._token(headers, form)
        if path == "/userinfo":
            return _json(self.userinfo)
        return 404, {}, b""

    def _token(self, headers: dict[str, str], form: dict[str, str]) -> Answer:
        kind, _, credentials = headers.get("authorization", "").partition(" ")
        given = base64.b64decode(credentials).decode() if kind == "Basic" else ""
        client, _, secret = given.partition(":")
        if (unquote_plus(client), unquote_plus(secret)) != (CLIENT_ID, CLIENT_SECRET):
            return _json({"error": "invalid_client"}, 401)
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or asked["redirect_uri"] != form.get("redirect_uri")
            or asked["code_challenge"] != challenge.rstrip(b"=").decode()
        ):
            return _json({"error": "invalid_grant"}, 400)
        access_token = secrets.token_urlsafe(16)
        claims = self.basic() | {"aud": CLIENT_ID, "nonce": asked["nonce"]} | json.loads(asked["claims"]) | self.claims
        token = self.forge(claims) if self.forge else self.sign(claims)
        return _json({"access_token": access_token, "token_type": "Bearer", "id_token": token, "expires_in": 300})

    def basic(self) -> dict[str, Any]:
        at = int(time.time())
        return {"iss": self.url, "iat": at, "exp": at + 300}

    def sign(self, claims: dict[str, Any]) -> str:
        key = self.keys[-1]
        return signed(claims, key, {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}[str(key.key_type)])


def _json(value: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


@contextmanager
def running(provider: Provider | None = None) -> Iterator[Provider]:
    served = provider or Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, form: dict[str, str]) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, given, body = served.answer(urlsplit(self.path).path, headers, form)
            self.send_response(status)
            for name, value in (given | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except ConnectionError:
                self.close_connection = True  # whoever asked has heard enough

        def log_message(self, format: str, *args: object) -> None:
            """Silent: pytest shows what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
