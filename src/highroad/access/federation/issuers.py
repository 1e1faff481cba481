"""What issuers publish about themselves, kept a while: addresses (OpenID Connect Discovery 1.0) and keys (RFC 7517).

One `Issuers` lives as long as the process; `flow`, `trust` and the test of a provider ask it. An issuer that does not
answer is left alone for some seconds, and a key that is not known makes it ask again at most once a minute: strangers,
who can make us look, cannot make us hammer it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from highroad.access.federation.failures import BadIdToken, ProviderMisbehaves, ProviderUnreachable
from highroad.access.federation.id_tokens import ALGORITHMS, Header, PublicKey, fits
from highroad.access.federation.outside import LONGEST_ADDRESS, Json, Outside
from highroad.errors import HighroadError

FRESH = 3600.0
"""Seconds for which addresses and keys are taken as they were."""
REST = 60.0
"""Seconds between two looks for a key that is not known."""
PENALTY = 10.0
"""Seconds for which an issuer that failed is not asked again."""
MOST_KEYS = 100
SMALLEST_RSA = 2048
DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Metadata:
    """`issuer_in_answer`: the provider names itself in the authorization response (RFC 9207)."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    algorithms: tuple[str, ...] = ()
    auth_methods: tuple[str, ...] = ("client_secret_basic",)
    pkce_methods: tuple[str, ...] | None = None
    issuer_in_answer: bool = False


@dataclass(slots=True)
class _Known:
    """`lock` makes those who ask at the same time wait for one answer."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    metadata: Metadata | None = None
    metadata_at: float = 0.0
    keys: tuple[PublicKey, ...] = ()
    keys_at: float | None = None
    looked_again_at: float | None = None
    failure: HighroadError | None = None
    failed_at: float = 0.0


class Issuers:
    """`clock` counts seconds; `outside` makes the requests for an issuer."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, outside: Callable[[str], Outside] = Outside
    ) -> None:
        self._clock = clock
        self.outside = outside
        self._known: dict[str, _Known] = {}

    async def metadata(self, issuer: str) -> Metadata:
        """Raises `ProviderUnreachable` or `ProviderMisbehaves`."""
        known = self._known.setdefault(issuer, _Known())
        async with known.lock:
            return await self._metadata(issuer, known)

    async def key(self, issuer: str, header: Header) -> PublicKey:
        """The issuer's key that the header names. Raises as `metadata` does, and `BadIdToken` when there is none."""
        known = self._known.setdefault(issuer, _Known())
        async with known.lock:
            metadata = await self._metadata(issuer, known)
            if known.keys_at is None or self._clock() - known.keys_at > FRESH:
                await self._fetch_keys(issuer, known, metadata)
            found = _choose(known.keys, header)
            if found is None and self._may_look_again(known):
                known.looked_again_at = self._clock()
                await self._fetch_keys(issuer, known, metadata)
                found = _choose(known.keys, header)
        if found is None:
            raise BadIdToken(
                f"The identity token is signed with a key that {issuer} does not publish.",
                next_step="Start again. If the provider changed its keys just now, wait a minute.",
            )
        return found

    def _may_look_again(self, known: _Known) -> bool:
        return known.looked_again_at is None or self._clock() - known.looked_again_at > REST

    async def _metadata(self, issuer: str, known: _Known) -> Metadata:
        if known.metadata is not None and self._clock() - known.metadata_at <= FRESH:
            return known.metadata
        found = await self._guarded(known, self.outside(issuer), f"{issuer.rstrip('/')}{DISCOVERY}")
        known.metadata, known.metadata_at = read_metadata(issuer, found), self._clock()
        return known.metadata

    async def _fetch_keys(self, issuer: str, known: _Known, metadata: Metadata) -> None:
        document = await self._guarded(known, self.outside(issuer), metadata.jwks_uri)
        known.keys, known.keys_at = read_keys(document), self._clock()

    async def _guarded(self, known: _Known, outside: Outside, url: str) -> Json:
        if known.failure is not None and self._clock() - known.failed_at < PENALTY:
            raise type(known.failure)(known.failure.detail, next_step=known.failure.next_step)
        try:
            found = await outside.get(url)
        except (ProviderUnreachable, ProviderMisbehaves) as error:
            known.failure, known.failed_at = error, self._clock()
            raise
        known.failure = None
        return found


def read_metadata(issuer: str, document: Json) -> Metadata:
    """Raises `ProviderMisbehaves` unless the document is this very issuer's and complete."""
    if document.get("issuer") != issuer:
        raise ProviderMisbehaves(
            f"{issuer} says that its issuer is {str(document.get('issuer'))[:200]!r}.",
            next_step="Set the issuer to exactly what the provider says, with or without the last slash.",
        )
    keys = _text(document, "jwks_uri")
    if keys is None:
        raise ProviderMisbehaves(f"{issuer} names no jwks_uri.", next_step="Is this the issuer's address?")
    stated = _texts(document, "id_token_signing_alg_values_supported")
    algorithms = tuple(each for each in stated or sorted(ALGORITHMS) if each in ALGORITHMS)
    if not algorithms:
        raise ProviderMisbehaves(
            f"{issuer} signs with {', '.join(stated or ())[:100]} alone, which Highroad does not accept.",
            next_step=f"Let it sign with one of {', '.join(sorted(ALGORITHMS))}.",
        )
    return Metadata(
        issuer,
        keys,
        _text(document, "authorization_endpoint"),
        _text(document, "token_endpoint"),
        _text(document, "userinfo_endpoint"),
        _text(document, "end_session_endpoint"),
        algorithms,
        _texts(document, "token_endpoint_auth_methods_supported") or ("client_secret_basic",),
        _texts(document, "code_challenge_methods_supported"),
        document.get("authorization_response_iss_parameter_supported") is True,
    )


def read_keys(document: Json) -> tuple[PublicKey, ...]:
    """The public keys that sign, of a key set; what we cannot use in it is left out (RFC 7517, 5)."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ProviderMisbehaves("The provider's key set has no keys.", next_step="Ask whoever runs the provider.")
    return tuple(key for each in listed[:MOST_KEYS] if (key := _key(each)) is not None)


def _key(data: Any) -> PublicKey | None:
    if not isinstance(data, dict) or data.get("use", "sig") != "sig" or data.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    public = {name: value for name, value in data.items() if name in ("kty", "kid", "alg", "n", "e", "crv", "x", "y")}
    if data["kty"] == "RSA" and len(str(public.get("n"))) * 6 < SMALLEST_RSA:  # base64url: six bits each
        return None
    try:
        key = import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None  # one key that nobody understands does not spoil the others
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None


def _choose(keys: tuple[PublicKey, ...], header: Header) -> PublicKey | None:
    """Without a key id only where a single key can be meant."""
    if header.key_id is not None:
        return next((key for key in keys if key.kid == header.key_id), None)
    fitting = [key for key in keys if fits(key, header.algorithm)]
    return fitting[0] if len(fitting) == 1 else None


def _text(document: Json, name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_ADDRESS else None


def _texts(document: Json, name: str) -> tuple[str, ...] | None:
    value = document.get(name)
    return tuple(str(each)[:40] for each in value[:100]) if isinstance(value, list) else None
