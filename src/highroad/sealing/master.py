"""The master key, which wraps the data keys: from a file, from the environment, or behind a command.

    file         DATA/master.key: 32 random bytes, mode 0600, made at the first start
    environment  HIGHROAD_MASTER_KEY: 32 bytes in base64
    command      HIGHROAD_MASTER_KEY_COMMAND: words, split as a shell does but run without one; `wrap` or `unwrap` is
                 added. It reads one line of base64 (wrap) or what it once printed (unwrap) from stdin, and prints one
                 line: what it likes of at most 8 KiB (wrap), or the base64 of then (unwrap). Exit code 0, within 10 s.

A key is recognised by its id, a digest of it: a wrong one is refused before anything is tried with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib
import os
import shlex
import subprocess
from collections.abc import Sequence
from typing import Protocol

from highroad.sealing.errors import BadMasterKey, MasterKeyCommandFailed, WrongMasterKey

KEY_BYTES = 32
COMMAND_SECONDS = 10.0
LONGEST_WRAPPED = 8192
_NONCE_BYTES = 12


class MasterKey(Protocol):
    """`id` tells it from others; `str()` of it says for people where it comes from."""

    @property
    def id(self) -> str: ...

    def wrap(self, key: bytes, *, about: str) -> str: ...

    def unwrap(self, wrapped: str, *, about: str) -> bytes:
        """Raises `WrongMasterKey`, or `MasterKeyCommandFailed`."""


class LocalKey:
    """32 bytes that this process holds. `origin` is where it was found, for people."""

    def __init__(self, key: bytes, origin: str) -> None:
        if len(key) != KEY_BYTES:
            raise BadMasterKey(
                f"{origin} holds {len(key)} bytes; a master key has {KEY_BYTES}.",
                next_step="Put back the key that was there; a new one: openssl rand -base64 32",
            )
        self._key = key
        self._origin = origin

    @property
    def id(self) -> str:
        return hashlib.sha256(b"highroad master key\0" + self._key).hexdigest()[:16]

    def __str__(self) -> str:
        return self._origin

    def __repr__(self) -> str:
        return f"LocalKey({self._origin!r})"

    def wrap(self, key: bytes, *, about: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = _aesgcm(self._key).encrypt(nonce, key, about.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def unwrap(self, wrapped: str, *, about: str) -> bytes:
        invalid = importlib.import_module("cryptography.exceptions").InvalidTag
        try:
            content = base64.urlsafe_b64decode(wrapped.encode("ascii"))
            return bytes(_aesgcm(self._key).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], about.encode()))
        except (invalid, binascii.Error, ValueError) as error:
            raise WrongMasterKey(
                f"{self} does not open the data key {about}.",
                next_step="Give Highroad the master key that it was last started with. Nothing was changed.",
            ) from error


def _aesgcm(key: bytes):  # type: ignore[no-untyped-def]  # imported late: see `keyring`
    return importlib.import_module("cryptography.hazmat.primitives.ciphers.aead").AESGCM(key)


class CommandKey:
    """A key that never leaves whatever the command asks."""

    def __init__(self, words: Sequence[str], *, seconds: float = COMMAND_SECONDS) -> None:
        self._words = tuple(words)
        self._seconds = seconds

    @property
    def id(self) -> str:
        return "command"

    def __str__(self) -> str:
        return f"the command {self._words[0]}"

    def wrap(self, key: bytes, *, about: str) -> str:  # noqa: ARG002  # the command is told of no more than the key
        wrapped = self._call("wrap", base64.b64encode(key).decode())
        if not wrapped or len(wrapped) > LONGEST_WRAPPED or not wrapped.isprintable():
            raise BadMasterKey(
                f"{self} printed no wrapped key: it takes one printable line of at most {LONGEST_WRAPPED} bytes.",
                next_step="See docs/how-to/keep-secrets.md for what the command has to do.",
            )
        return wrapped

    def unwrap(self, wrapped: str, *, about: str) -> bytes:  # noqa: ARG002
        try:
            return base64.b64decode(self._call("unwrap", wrapped), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadMasterKey(
                f"{self} printed no base64 when it was asked to unwrap.",
                next_step="See docs/how-to/keep-secrets.md for what the command has to do.",
            ) from error

    def _call(self, verb: str, line: str) -> str:
        try:
            done = subprocess.run(
                [*self._words, verb],
                input=f"{line}\n",
                capture_output=True,
                text=True,
                timeout=self._seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
            why = (
                f"took longer than {self._seconds:g} s"
                if isinstance(error, subprocess.TimeoutExpired)
                else "cannot run"
            )
            raise self._failed(verb, why) from None  # the exception of a time-out holds what was written to it
        if done.returncode != 0:
            said = " ".join(done.stderr.replace(line, "***").split())[-200:]
            raise self._failed(verb, f"ended with exit code {done.returncode}{': ' if said else ''}{said}")
        return done.stdout.strip()

    def _failed(self, verb: str, why: str) -> MasterKeyCommandFailed:
        return MasterKeyCommandFailed(
            f"`{' '.join((self._words[0], verb))}` {why}.",
            next_step="Mend it (HIGHROAD_MASTER_KEY_COMMAND), then: highroad up. Nothing was changed.",
        )


def from_base64(text: str, origin: str) -> LocalKey:
    """The key of an environment variable. Raises `BadMasterKey`, never quoting it."""
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadMasterKey(
            f"{origin} is not base64.", next_step=f"A new key: {origin}=$(openssl rand -base64 32)"
        ) from error
    return LocalKey(key, origin)


def from_words(text: str) -> CommandKey:
    """The key behind a command line."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadMasterKey(
            f"HIGHROAD_MASTER_KEY_COMMAND cannot be split into words: {error}.", next_step="Close its quotation marks."
        ) from error
    if not words:
        raise BadMasterKey("HIGHROAD_MASTER_KEY_COMMAND is empty.", next_step="Unset it, or name a program.")
    return CommandKey(words)
