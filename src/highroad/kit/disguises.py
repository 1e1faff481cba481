"""The forms in which a secret value can show, and a mask over all of them. Pure.

`Mask` is what drivers, deployments and commands put over text before it leaves Highroad; `weakness` is what the one who
saves a secret is told. docs/concepts/masking.md says the same to people.

A value shows as it is, line by line when it has several; encoded for a URL, for JSON, for HTML, for a shell, as Python
prints it; in hexadecimal; and in base64 at each of the three places where it can begin within a group of three bytes,
without the characters at its edges, which also hold bits of what stands beside it. The password within a URL counts as
a secret of its own, because clients complain about it alone.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from highroad.errors import Permanent, Temporary
from highroad.kit.masking import MASK, SHORTEST, Forms, Masker, masked

_WRAPS = (76, 64)
"""Columns at which base64 is wrapped: by MIME and coreutils, by PEM and OpenSSL (RFC 2045 6.8, RFC 7468 2)."""
_SHORTEST_WRAPPED = 8
_WORDS = frozenset(
    re.findall(
        r"\S+",
        """true false null none nil undefined yes test demo dummy example sample default changeme enabled disabled auto
        main master info debug warn warning error admin administrator root user username guest password passwd secret
        token key postgres postgresql mysql redis sqlite mongodb localhost local development staging production preview
        sandbox http https utf-8""",
    )
)
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_PERCENT = re.compile(r"%[0-9A-F]{2}")
_SPECIAL = re.compile(r"([^\w@%+=:,./-])", re.ASCII)


class Mask:
    """What hides some secret values in text. Falsy when there is nothing to hide; cheap to make, and dear once when it
    is first used."""

    def __init__(self, values: Iterable[str]) -> None:
        self._values = frozenset(values)

    def __bool__(self) -> bool:
        return bool(self._values)

    def __repr__(self) -> str:
        return f"Mask({len(self._values)} values)"

    @cached_property
    def written(self) -> frozenset[bytes]:
        """All forms of all values, none with a line end in it."""
        return frozenset(form for value in self._values for form in disguises(value))

    @cached_property
    def forms(self) -> Forms:
        return Forms(self.written)

    def text(self, text: str) -> str:
        if not self:
            return text
        data = _bytes(text)
        hidden = masked(data, self.forms)
        return text if hidden is data else hidden.decode(errors="surrogatepass")

    def value(self, value: Any) -> Any:
        """JSON values with every text in them masked, also the names in objects."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value

    def shows(self, error: BaseException | None) -> bool:
        """Whether an error, or any that it came of, says something that is hidden."""
        while error is not None and self:
            said = [str(error), *map(str, error.args), *map(str, getattr(error, "__notes__", ()))]
            if any(self.text(each) != each for each in said):
                return True
            error = error.__cause__ or error.__context__
        return False

    def error(self, error: Temporary | Permanent) -> Temporary | Permanent:
        """A driver's error in the same words, masked, without those that it came of."""
        if isinstance(error, Permanent):
            return type(error)(self.text(error.detail), next_step=self.text(error.next_step))
        return type(error)(self.text(str(error)))

    def stream(self) -> Masker:
        return Masker(self.forms)

    def over(self, emit: Callable[[bytes], object]) -> Veiled:
        """`emit` as a sink that gets masked output, for a `with` block."""
        return Veiled(self.stream(), emit) if self else Veiled(None, emit)


class Veiled:
    """A sink of output that masks before it passes on. What is held back waits for more, or for the block's end."""

    def __init__(self, masker: Masker | None, emit: Callable[[bytes], object]) -> None:
        self._masker, self._emit = masker, emit

    def __call__(self, data: bytes) -> None:
        if self._masker is None:
            self._emit(data)
        elif hidden := self._masker.feed(data):
            self._emit(hidden)

    def __enter__(self) -> Veiled:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._masker is not None and (rest := self._masker.close()):
            self._emit(rest)


NOTHING = Mask(())


@lru_cache(maxsize=256)
def mask_of(values: tuple[str, ...]) -> Mask:
    """The mask over these values, kept for those who ask for the same again and again."""
    return Mask(values)


def weakness(value: str) -> str | None:
    """Why a value is not masked, as a warning for the one who saves it; None when it is. Raw length counts without
    spaces around it."""
    text = value.strip()
    if not text:
        return "It is empty."
    if "\n" in text:
        whole = all(_trivial(line.strip()) is not None for line in text.split("\n"))
        return "None of its lines is long enough to be hidden in logs." if whole else None
    why = _trivial(text)
    return f"It is not hidden in logs, because {why}." if why else None


def _trivial(text: str) -> str | None:
    """What is hidden must be rare in ordinary text, or logs become unreadable, and their holes tell what was hidden."""
    if len(text) < SHORTEST:
        return f"it has fewer than {SHORTEST} characters"
    if text.lower() in _WORDS or _ARMOUR.fullmatch(text):
        return "it is a word that ordinary output is full of"
    if len(set(text)) == 1:
        return "it is one character, repeated"
    if text.isdecimal() and len(text) < 6:
        return "it is a number of fewer than six digits"
    return None


def disguises(value: str) -> frozenset[bytes]:
    """All forms of one value, none with a line end in it; empty for a value that is not masked (`weakness`)."""
    forms: set[bytes] = set()
    for text in _parts(value):
        lines = [line.strip() for line in text.split("\n")] if "\n" in text else []
        if not lines and _trivial(text) is None:
            forms |= _encoded(text) | _plain(text)
        if any(_trivial(line) is None for line in lines):
            forms |= _encoded(text)
        for line in lines:
            if _trivial(line) is None:
                forms |= _plain(line)
    return frozenset(form for form in forms if len(form) >= SHORTEST and b"\n" not in form)


def _parts(value: str) -> Iterator[str]:
    """The value, and the password if it is a URL with one."""
    yield value.strip()
    if "://" not in value:
        return
    try:
        password = urlsplit(value.strip()).password
    except ValueError:  # not a URL after all
        return
    if password:
        yield password
        yield unquote(password)


def _plain(text: str) -> set[bytes]:
    """As it is, and as texts quote it."""
    quoted = [
        text,
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        repr(text)[1:-1],
        shlex.quote(text).strip("'"),
        text.replace("'", "'\\''"),
        _SPECIAL.sub(r"\\\1", text),
        html.escape(text),
        html.escape(text, quote=False),
        html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    ]
    quoted += [each.replace("/", "\\/") for each in quoted[1:3]]
    quoted += [json.dumps(each)[1:-1] for each in quoted[1:3]]  # JSON within JSON
    return {_bytes(each) for each in quoted}


def _encoded(text: str) -> set[bytes]:
    """As protocols carry it, line ends and all."""
    raw = _bytes(text)
    whole = [json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]]
    whole += [each.replace("\n", "\r\n") for each in whole]
    forms = {_bytes(each) for each in whole} | {raw.hex().encode(), raw.hex().upper().encode()}
    for safe in ("", "/", "!*'()", "!*'();,/?:@&=+$#", "*"):
        for encode in (quote, quote_plus):
            url = encode(raw, safe=safe)
            forms |= {url.encode(), _PERCENT.sub(lambda found: found[0].lower(), url).encode()}
            forms.add(url.replace("~", "%7E").encode())
    return forms | _base64(raw)


def _base64(raw: bytes) -> set[bytes]:
    """Base64 in the standard and the URL alphabet (RFC 4648 4 and 5), for each place in a group of three bytes."""
    forms: set[bytes] = set()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + raw)
        # Of the characters with six bits each: those that hold no bit of what stands before or behind.
        form = whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        forms |= {form, form.translate(_URL_ALPHABET)}
        for width in _WRAPS if before == 0 and len(form) > min(_WRAPS) else ():
            lines = [form[at : at + width] for at in range(0, len(form), width)]
            lines = [line for line in lines if len(line) >= _SHORTEST_WRAPPED]
            forms |= {*lines, *(line.translate(_URL_ALPHABET) for line in lines)}
    return forms


_URL_ALPHABET = bytes.maketrans(b"+/", b"-_")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


assert len(MASK) <= SHORTEST
