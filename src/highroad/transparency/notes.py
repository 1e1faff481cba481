"""C2SP signed notes: a text, a blank line, and signatures that each name who signed. The keys are Ed25519.

Keys are written as golang.org/x/mod/sumdb/note does: `name+hash+base64(type, key)`, the secret one behind
`PRIVATE+KEY+`. Two types are known: 1 signs the text; 4 is a cosignature, which also signs the time at which it was
made (C2SP tlog-cosignature). The two are the same key: what they sign begins differently.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from highroad.errors import Invalid

ED25519, COSIGNATURE = 1, 4
_DASH = "\u2014 "


class BadNote(Invalid):
    code = "bad-signed-note"
    title = "This is no signed note"


class BadKey(Invalid):
    code = "bad-audit-key"
    title = "This is no key for the audit log"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: `hash` identifies the key, `signed` is the rest, which its type explains."""

    name: str
    hash: bytes
    signed: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """`text` ends with a line break."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        lines = (
            f"{_DASH}{each.name} {base64.b64encode(each.hash + each.signed).decode()}\n" for each in self.signatures
        )
        return f"{self.text}\n{''.join(lines)}"


def parse(text: str) -> Note:
    """Raises `BadNote`."""
    body, blank, tail = text.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise _bad("it does not end with signatures behind a blank line")
    if any(character < " " and character != "\n" for character in text):
        raise _bad("it has a control character")
    signatures = []
    for line in tail[:-1].split("\n"):
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except ValueError:
            raw = b""
        if not line.startswith(_DASH) or not is_name(name) or len(raw) < 5:
            raise _bad("one of its last lines is no signature")
        signatures.append(Signature(name, raw[:4], raw[4:]))
    return Note(f"{body}\n", tuple(signatures))


def is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What signatures of one log are checked with. `raw` are the 32 bytes of an Ed25519 key."""

    name: str
    raw: bytes

    def hash(self, kind: int = ED25519) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([kind]) + self.raw).digest()[:4]

    def text(self, kind: int = ED25519) -> str:
        """`name+hash+base64`, as other verifiers take it."""
        encoded = base64.b64encode(bytes([kind]) + self.raw).decode()
        return f"{self.name}+{self.hash(kind).hex()}+{encoded}"

    def __str__(self) -> str:
        return self.text()

    def signed(self, note: Note) -> bool:
        """Whether this key signed the note's text."""
        return any(
            self._holds(each.signed, note.text.encode()) for each in note.signatures if self._made(each, ED25519)
        )

    def signed_at(self, note: Note) -> int | None:
        """When this key cosigned the note, in Unix seconds; None if it did not."""
        for each in note.signatures:
            if self._made(each, COSIGNATURE) and len(each.signed) == 72:
                time = int.from_bytes(each.signed[:8], "big")
                if self._holds(each.signed[8:], _timed(time, note.text)):
                    return time
        return None

    def _made(self, signature: Signature, kind: int) -> bool:
        return signature.name == self.name and signature.hash == self.hash(kind)

    def _holds(self, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SecretKey:
    """`seed` are the 32 bytes that an Ed25519 key is made of."""

    name: str
    seed: bytes

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.name, self._key().public_key().public_bytes_raw())

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([ED25519]) + self.seed).decode()
        return f"PRIVATE+KEY+{self.name}+{self.public.hash().hex()}+{encoded}"

    def __repr__(self) -> str:
        return f"SecretKey({self.name!r})"

    def sign(self, text: str) -> Signature:
        return Signature(self.name, self.public.hash(), self._key().sign(text.encode()))

    def cosign(self, text: str, time: int) -> Signature:
        signed = time.to_bytes(8, "big") + self._key().sign(_timed(time, text))
        return Signature(self.name, self.public.hash(COSIGNATURE), signed)

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def _timed(time: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def new_key(name: str) -> SecretKey:
    return SecretKey(name, Ed25519PrivateKey.generate().private_bytes_raw())


def public_key(text: str) -> PublicKey:
    """From `name+hash+base64`. Raises `BadKey`."""
    name, kind, raw = _key_parts(text.strip())
    key = PublicKey(name, raw)
    if text.strip() != key.text(kind):
        raise _bad_key("its hash does not fit")
    return key


def secret_key(text: str) -> SecretKey:
    """From `PRIVATE+KEY+name+hash+base64`. Raises `BadKey`, whose words do not repeat the key."""
    text = text.strip()
    name, kind, seed = _key_parts(text.removeprefix("PRIVATE+KEY+"))
    key = SecretKey(name, seed)
    if kind != ED25519 or text != str(key):
        raise _bad_key("its hash does not fit")
    return key


def _key_parts(text: str) -> tuple[str, int, bytes]:
    parts = text.split("+", 2)
    try:
        raw = base64.b64decode(parts[2], validate=True) if len(parts) == 3 else b""
    except ValueError:
        raw = b""
    if len(raw) != 33 or raw[0] not in (ED25519, COSIGNATURE) or not is_name(parts[0]):
        raise _bad_key("it is not name+hash+key of an Ed25519 key")
    return parts[0], raw[0], raw[1:]


def _bad(why: str) -> BadNote:
    return BadNote(f"The note cannot be read: {why}.", next_step="Take the whole text, with its last line break.")


def _bad_key(why: str) -> BadKey:
    return BadKey(f"The key cannot be used: {why}.", next_step="Copy it again, whole: highroad audit key")
