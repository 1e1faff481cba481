"""What a form of the portal sent, read with limits, and proof that a page of ours sent it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request

from highroad.errors import HighroadError, Malformed, TooLarge
from highroad.web.auth import BadCsrf

LARGEST_FORM = 256 * 1024
MOST_FIELDS = 200
_ENCODING = "application/x-www-form-urlencoded"


class BadForm(Malformed):
    code = "bad-form"
    title = "The form cannot be read"


class FormTooLarge(TooLarge):
    code = "form-too-large"
    title = "The form is too large"


@dataclass(frozen=True, slots=True)
class Form:
    """Fields by name in the order sent. Line ends in values are `\\n`, whatever the browser made of them."""

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The field's value without surrounding space; empty when it was not sent."""
        return self.raw(name).strip()

    def raw(self, name: str) -> str:
        """The field's value as typed: for passwords and values of configuration."""
        return next(iter(self.fields.get(name, ())), "")

    def all(self, name: str) -> list[str]:
        return list(self.fields.get(name, ()))

    def number(self, name: str) -> int | None:
        """A whole number of at most nine digits, None when the field is empty. Raises `BadForm` for anything else."""
        text = self.text(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise BadForm(f"{name[:60]} must be a whole number.", next_step="Correct it and send the form again.")
        return int(text)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A form that was not taken: which one, why, and what had been typed. Passwords are never typed back."""

    form: str
    error: HighroadError
    typed: Form = field(default_factory=Form)


async def read_form(request: Request) -> Form:
    """The dependency of every POST. Raises `BadForm` or `FormTooLarge`."""
    if request.method != "POST":
        return Form()
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in ("", _ENCODING):
        raise BadForm(f"A form is sent as {_ENCODING}.", next_step="Use the form on the page.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise FormTooLarge(f"A form has at most {LARGEST_FORM // 1024} KiB.", next_step="Use the command line.")
    return parse_form(bytes(body))


def parse_form(body: bytes) -> Form:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:  # UnicodeDecodeError is one
        raise BadForm("It is not a form, or has too many fields.", next_step="Use the form on the page.") from error
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        fields[name] = (*fields.get(name, ()), value.replace("\r\n", "\n"))
    return Form(fields)


def require_csrf(form: Form, expected: str) -> None:
    """Raise `BadCsrf` unless the form carries the session's token in its field `csrf`."""
    if not hmac.compare_digest(form.raw("csrf").encode(), expected.encode()):
        raise BadCsrf(
            "The form did not carry this session's token: it is older than your sign-in, or another site sent it.",
            next_step="Go back, reload the page and send the form again.",
        )


def require_own_origin(request: Request) -> None:
    """For forms before there is a session: the browser must say that a page of this very host sent it.

    Apps are neighbours below the same domain, so SameSite cookies alone do not keep them from signing a visitor in as
    somebody else. Clients that are no browsers send neither header, and have no visitor to mislead.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    if foreign or site not in ("same-origin", "none"):
        raise BadCsrf("Another site sent this form.", next_step="Open the portal's own sign-in page and sign in there.")
