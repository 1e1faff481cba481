"""Passwords and tokens: made, hashed, recognised. Nothing here is ever logged or stored in the clear.

Passwords: argon2id, the library's defaults (RFC 9106, low-memory profile). Tokens carry 190 random bits, so a plain
SHA-256 keeps them. They start with `hr_` and end with a checksum, so that scanners recognise a leaked one, and a
mistyped one is told apart from a revoked one without asking the database.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_hasher = PasswordHasher()
# As much work to compare with as a real one, and nobody's: a digest of zeros. Making one here costs a start 100 ms.
_COST = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
_DUMMY = f"$argon2id$v=19${_COST}${'A' * 22}${'A' * 43}"


def hash_password(password: str) -> str:
    """About 30 to 170 ms and 64 MiB: call it in a worker thread."""
    return _hasher.hash(password)


def password_matches(stored: str | None, password: str) -> bool:
    """Compare in constant work: an unknown user (`stored` None) costs as much as a wrong password."""
    try:
        matches = _hasher.verify(stored or _DUMMY, password)
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored is not None


def new_token() -> str:
    body = "".join(secrets.choice(_BASE62) for _ in range(32))
    return f"hr_{body}{_checksum(body)}"


def looks_like_token(text: str) -> bool:
    body, checksum = text[3:-6], text[-6:]
    return text.startswith("hr_") and len(text) == 41 and _checksum(body) == checksum


def new_secret() -> str:
    """For sign-in links, sessions and CSRF: 256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def new_user_code() -> str:
    """Eight letters without vowels and look-alikes, as RFC 8628 (6.1) suggests: `WDJB-MJHT`."""
    letters = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        value, rest = divmod(value, 62)
        digits = _BASE62[rest] + digits
    return digits
