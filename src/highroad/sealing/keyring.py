"""Seals texts with data keys, which are themselves kept wrapped by a master key: envelope encryption.

A sealed text is `hs1.KEY.DATA`: the id of its data key, and base64url of 12 random bytes (the nonce) before AES-256-GCM
ciphertext and tag. `about` says what the text is ("secret:sec_1") and is authenticated with it: a sealed text that was
moved to another row does not open there. A key's id is a digest of the key, so that an unwrapped one proves itself.

`db.keys` stores the wrapped keys and hangs the keyring on the database: verbs use `tx.keyring`. Safe in threads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from highroad.sealing.errors import CannotOpen, Locked, WrongMasterKey
from highroad.sealing.master import MasterKey

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = "hs1"
FRESH_SECONDS = 60.0
"""How long a keyring seals on before it asks which key is the active one: others may have rotated it."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored. `master` is the id of the key that wrapped it; a `retired` one only opens."""

    id: str
    master: str
    wrapped: str
    retired: bool = False


def key_id(key: bytes) -> str:
    """16 hexadecimal digits that tell a key from others and tell nothing about it: it is 256 random bits."""
    return hashlib.sha256(b"highroad data key\0" + key).hexdigest()[:16]


def sealed_by(sealed: str) -> str | None:
    """The id of the key that a text is sealed with; None for a text that is not sealed."""
    parts = sealed.split(".", 2)
    return parts[1] if len(parts) == 3 and parts[0] == _FORMAT else None


def sealed_prefix(key: str) -> str:
    """How every text begins that is sealed with this key."""
    return f"{_FORMAT}.{key}."


class Keyring:
    """`source` gives the stored keys, newest first; it is asked at first use, when a key is unknown, and now and then.
    Unwrapping waits for first use, because it costs an import of 30 ms or a call of somebody's key service."""

    def __init__(self, master: MasterKey, source: Callable[[], Sequence[WrappedKey]]) -> None:
        self.master = master
        self._source = source
        self._lock = threading.Lock()
        self._ciphers: dict[str, Any] = {}
        self._active = ""
        self._asked = 0.0

    def seal(self, text: str, *, about: str) -> str:
        """Raises `Locked` when there is no key at all."""
        if not self._active or time.monotonic() - self._asked > FRESH_SECONDS:
            self.refresh()
        id = self._active
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[id].encrypt(nonce, text.encode("utf-8", "surrogatepass"), _bound(id, about))
        return f"{_FORMAT}.{id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, about: str) -> str:
        """The text. Raises `CannotOpen` when the sealed one was changed, moved, or its key is not there any more."""
        id, content = _parts(sealed, about)
        if id not in self._ciphers:
            self.refresh()
        cipher = self._ciphers.get(id)
        if cipher is None:
            raise CannotOpen(
                f"{about} is sealed with the key {id[:16]}, which is not in this database.",
                next_step="Restore the database from a backup that has both.",
            )
        try:
            text: bytes = cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], _bound(id, about))
        except _aead().InvalidTag as error:
            raise _damaged(about) from error
        return text.decode("utf-8", "surrogatepass")

    @property
    def active(self) -> str:
        """The id of the key that seals."""
        if not self._active:
            self.refresh()
        return self._active

    def refresh(self) -> None:
        """Read the stored keys anew: after a rotation. Raises `Locked`, `WrongMasterKey` and what the master raises."""
        with self._lock:
            stored = self._source()
            fresh = next((each.id for each in stored if not each.retired), "")
            if not fresh:
                raise Locked("There is no data key to seal with.", next_step="Start Highroad anew: highroad up")
            ciphers = dict(self._ciphers)
            for each in stored:
                if each.id not in ciphers:
                    ciphers[each.id] = _aead().AESGCM(unwrap(self.master, each))
            known = {each.id for each in stored}
            self._ciphers = {id: cipher for id, cipher in ciphers.items() if id in known}
            self._active, self._asked = fresh, time.monotonic()


def new_key(master: MasterKey) -> WrappedKey:
    """A new data key, to be stored."""
    key = os.urandom(KEY_BYTES)
    id = key_id(key)
    return WrappedKey(id, master.id, master.wrap(key, about=id))


def unwrap(master: MasterKey, stored: WrappedKey) -> bytes:
    """Raises `WrongMasterKey`, also when what was unwrapped is not the key it should be."""
    key = master.unwrap(stored.wrapped, about=stored.id)
    if len(key) != KEY_BYTES or key_id(key) != stored.id:
        raise WrongMasterKey(
            f"What {master} unwrapped is not the data key {stored.id}.",
            next_step="Give Highroad the master key that this installation was last started with. Nothing was changed.",
        )
    return key


def rewrap(stored: WrappedKey, before: MasterKey, after: MasterKey) -> WrappedKey:
    """The same key under another master key."""
    return replace(stored, master=after.id, wrapped=after.wrap(unwrap(before, stored), about=stored.id))


def _parts(sealed: str, about: str) -> tuple[str, bytes]:
    id = sealed_by(sealed)
    if id is None:
        raise _damaged(about)
    try:
        content = base64.b64decode(sealed.split(".", 2)[2].encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise _damaged(about) from error
    return id, content


def _damaged(about: str) -> CannotOpen:
    return CannotOpen(
        f"{about} does not open: it was changed in the database, or moved there from another row.",
        next_step="Set it anew, or restore the database from a backup.",
    )


def _bound(id: str, about: str) -> bytes:
    return f"{_FORMAT}.{id}.{about}".encode("utf-8", "surrogatepass")


class _Aead:
    """What is used of `cryptography`, imported late: it costs 30 ms, and most commands and a start need none of it."""

    def __init__(self) -> None:
        self.AESGCM: Any = importlib.import_module("cryptography.hazmat.primitives.ciphers.aead").AESGCM
        self.InvalidTag: Any = importlib.import_module("cryptography.exceptions").InvalidTag


_loaded: list[_Aead] = []


def _aead() -> _Aead:
    if not _loaded:
        _loaded.append(_Aead())
    return _loaded[0]
