"""Identity tokens (OpenID Connect Core 1.0, 2 and 3.1.3.7): read, and verified against one key. Pure, apart from time.

Called by `flow` for people and by `trust` for CI jobs. The algorithm is never the token's to choose: it must be among
those allowed, fit the kind of the key, and be the key's own where the key says so. Symmetric algorithms and `none` are
not in the list, so that nobody can sign with what everybody can read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.registry import HeaderRegistryDict

from highroad.access.federation.failures import BadIdToken

LEEWAY = 60
"""Seconds by which clocks may differ."""
LONGEST_TOKEN = 100_000
PublicKey = RSAKey | ECKey | OKPKey
Claims = dict[str, Any]

_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
_KINDS: dict[str, tuple[str, str]] = {
    **{f"{family}{size}": ("RSA", "") for family in ("RS", "PS") for size in ("256", "384", "512")},
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
ALGORITHMS = frozenset(_KINDS)
_TYPES = ("", "jwt")
"""Other types of tokens, such as access and logout tokens, are signed with the same keys and mean something else."""


class _Registry(JWSRegistry):
    max_header_length = 8 * 1024  # certificates in `x5c` are common, and ignored

    def get_alg(self, name: str) -> Any:
        # Without the warning about the name EdDSA (RFC 9864), which providers go on to use.
        return self.algorithms[name]


_registry = _Registry(header_registry=HeaderRegistryDict(), algorithms=ALGORITHMS, strict_check_header=False)


@dataclass(frozen=True, slots=True)
class Header:
    algorithm: str
    key_id: str | None


def header_of(token: str) -> Header:
    """What the token says of its own signature. Raises `BadIdToken` unless it is a signed token of an allowed kind."""
    header = _part(token, 0)
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise _refused(f"it is signed by {str(algorithm)[:20]!r}, which is not accepted")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _refused("it is another type of token")
    if key_id is not None and not isinstance(key_id, str):
        raise _refused("its key id is no text")
    return Header(algorithm, key_id)


def unverified(token: str) -> Claims:
    """What the token claims, believed by nobody yet: to find out whose keys to ask."""
    return _part(token, 1)


def audiences_of(claims: Claims) -> list[object]:
    named = claims.get("aud")
    return named if isinstance(named, list) else [named]


def fits(key: PublicKey, algorithm: str) -> bool:
    """Whether a key can have made a signature of this algorithm."""
    kind, curve = _KINDS[algorithm]
    own = key.get("alg")
    if key.key_type != kind or (own is not None and own != algorithm and {own, algorithm} != {"EdDSA", "Ed25519"}):
        return False
    return not curve or key.get("crv") == curve


def verify(
    token: str,
    key: PublicKey,
    *,
    issuer: str,
    audience: str,
    at: float,
    nonce: str | None = None,
    access_token: str | None = None,
    workload: bool = False,
) -> Claims:
    """The claims of a token that `key` signed for `audience`, checked at the Unix time `at`.

    That of a `workload` must be for nobody else, and who asked for it (`azp`) is its issuer's affair. With `nonce` and
    `access_token` these are compared as OpenID Connect demands. Raises `BadIdToken`, saying why.
    """
    header = header_of(token)
    if not fits(key, header.algorithm):
        raise _refused(f"its algorithm {header.algorithm} is not that of the key")
    try:
        claims = jwt.decode(token, key, registry=_registry).claims
    except (JoseError, ValueError, RecursionError) as error:
        raise _refused("its signature is wrong") from error
    if claims.get("iss") != issuer:
        raise _refused(f"it is from another issuer than {issuer}")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise _refused("it does not say about whom")
    _check_audience(claims, audience, workload=workload)
    _check_times(claims, at)
    if nonce is not None and not _same(claims.get("nonce"), nonce):
        raise _refused("it answers another sign-in (nonce)")
    if access_token is not None and "at_hash" in claims:
        expected = half_hash(access_token, header.algorithm)
        if not _same(claims["at_hash"], expected):
            raise _refused("it does not belong to the access token beside it (at_hash)")
    return claims


def half_hash(value: str, algorithm: str) -> str:
    """The left half of the digest of the algorithm, as base64url (OpenID Connect Core, 3.1.3.6)."""
    digest = _HASHES.get(algorithm[2:], hashlib.sha512)(value.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _check_audience(claims: Claims, audience: str, *, workload: bool) -> None:
    audiences = audiences_of(claims)
    if audience not in audiences or (workload and len(audiences) > 1):
        raise _refused("it is meant for somebody else (aud)")
    if workload:
        return
    party = claims.get("azp")
    if (party is None and len(audiences) > 1) or (party is not None and party != audience):
        raise _refused("it was given to somebody else (azp)")


def _check_times(claims: Claims, at: float) -> None:
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    begins = _time(claims, "nbf") if "nbf" in claims else issued
    if at >= expires + LEEWAY:
        raise _refused("it has expired")
    if max(issued, begins) > at + LEEWAY:
        raise _refused("it is from the future; compare the clocks of both machines")


def _time(claims: Claims, name: str) -> float:
    value = claims.get(name)
    # Comparisons with NaN are all false: such a token would never expire.
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12:
        return float(value)
    raise _refused(f"it does not say from when to when it holds ({name})")


def _same(given: object, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), expected.encode())


def _part(token: str, index: int) -> Claims:
    parts = token.split(".")
    if len(parts) != 3 or len(token) > LONGEST_TOKEN or not token.isascii():
        raise _refused("it is no signed token")
    try:
        text = parts[index]
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError) as error:
        raise _refused("it cannot be read") from error
    if not isinstance(found, dict):
        raise _refused("it cannot be read")
    return found


def fingerprint(token: str) -> str:
    """The same for every copy of a token, also one whose signature was written differently: for telling replays."""
    return hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()


def _refused(why: str) -> BadIdToken:
    return BadIdToken(
        f"The identity token was refused: {why}.",
        next_step="Start again; if it stays, an administrator compares issuer, client id and audience on both sides.",
    )
