"""Codes of authenticator apps and recovery codes: made and compared. Pure: the time is given.

TOTP as RFC 6238 with what every app takes: SHA-1, six digits, steps of 30 seconds, a seed of 160 bits. A code of the
step before or behind counts, too, for clocks that differ; one of a step that was used before does not (5.2).
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime

import pyotp

STEP_SECONDS = 30
DRIFT = 1
"""Steps that the clocks of the app and of Highroad may be apart."""
RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike
_GROUPS, _GROUP = 3, 5


def new_seed() -> str:
    """160 random bits in base32, as apps take them."""
    return pyotp.random_base32()


def address(seed: str, *, account: str, installation: str) -> str:
    """The `otpauth://` address that a QR code shows to the app."""
    return pyotp.TOTP(seed).provisioning_uri(name=account, issuer_name=installation)


def code_at(seed: str, instant: datetime) -> str:
    return pyotp.TOTP(seed).at(instant)


def used_step(seed: str, code: str, *, instant: datetime, after: int) -> int | None:
    """The step that `code` is of, if it counts at `instant` and is later than the step `after`. Every step is compared
    in full, whichever is right."""
    present = int(instant.timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(seed)
    found = None
    for step in range(present - DRIFT, present + DRIFT + 1):
        same = hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())
        if same and step > after:
            found = step
    return found


def new_recovery_codes() -> list[str]:
    """Ten codes of 74 random bits each: `h7k2m-pq9xw-c4t8z`."""
    return [
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
        for _ in range(RECOVERY_CODES)
    ]


def plain(code: str) -> str:
    """As it is compared: without the spaces and dashes that people type, in small letters."""
    return "".join(character for character in code.lower() if character.isalnum())[:40]
