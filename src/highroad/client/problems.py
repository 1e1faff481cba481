"""What can go wrong between a client and an installation, in words for the person at the keyboard.

`ApiProblem` is what the installation answered (RFC 9457); the others are what the way to it did. Raised by `api` and
`stream`, rendered by the command line.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from highroad.errors import FieldError, HighroadError, Unavailable

Json = dict[str, Any]


class ApiProblem(HighroadError):
    """A problem document from the API. `answered` is its HTTP status, `document` the whole of it."""

    code = "api-problem"
    title = "Highroad refused the request"

    def __init__(self, answered: int, document: Mapping[str, Any]) -> None:
        errors = tuple(_field_errors(document.get("errors")))
        super().__init__(
            str(document.get("detail") or document.get("title") or f"HTTP status {answered}"),
            next_step=str(
                document.get("next_step") or "Run the command again; if it keeps failing, tell the operator."
            ),
            errors=errors,
        )
        self.answered = answered
        self.document: Json = {**document, "status": answered}
        self.problem_code = str(document.get("code") or "unknown")
        self.problem_title = str(document.get("title") or self.title)


class Unreachable(Unavailable):
    code = "unreachable"
    title = "Highroad cannot be reached"


class NothingAnswers(Unreachable):
    code = "nothing-answers"


class UnknownHost(Unreachable):
    code = "unknown-host"


class CertificateRefused(Unreachable):
    code = "certificate-refused"
    title = "The connection cannot be trusted"


class TookTooLong(Unreachable):
    code = "took-too-long"
    title = "Highroad did not answer in time"


class ConnectionLost(Unreachable):
    code = "connection-lost"
    title = "The connection to Highroad was lost"


class NotHighroad(Unreachable):
    code = "not-highroad"
    title = "Something else than Highroad answers there"


def from_answer(answered: int, content: bytes, *, url: str, location: str = "") -> HighroadError:
    """The error for an answer that is not a success: its problem document, or the best guess from its status."""
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if isinstance(document, dict) and ("code" in document or "title" in document):
        # The server writes for everybody; whoever asked it has an address for it already.
        next_step = str(document.get("next_step") or "").replace("highroad login URL", f"highroad login {url}")
        return ApiProblem(answered, {**document, "next_step": next_step} if next_step else document)
    if answered in (502, 503, 504):
        return Unreachable(
            f"The router at {url} answers, but the control plane behind it does not (HTTP {answered}).",
            next_step="It may be restarting: try again in a moment. If not: highroad status, then highroad up.",
        )
    if location:
        return NotHighroad(f"{url} sends us on to {location}.", next_step="Sign in with the address it names.")
    return NotHighroad(
        f"{url} answered HTTP {answered} without a problem document.",
        next_step="Check the address: highroad login URL.",
    )


def from_failure(error: Exception, *, url: str, seconds: float) -> Unreachable:
    """Translate a transport error, looking through its causes for what the operating system said."""
    causes = tuple(_causes(error))
    certificate = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if certificate is not None:
        reason = getattr(certificate, "verify_message", "") or certificate.reason or "TLS failed"
        return CertificateRefused(
            f"TLS with {url} failed: {reason}.",
            next_step="Check the address and the certificate; SSL_CERT_FILE names a private certificate authority.",
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return UnknownHost(f"The name in {url} is not known here.", next_step="Check the address and your network.")
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return NothingAnswers(
            f"Nothing answers at {url}: is Highroad up?", next_step="Start it with: highroad up (or check the address)."
        )
    if "Timeout" in type(error).__name__:
        return TookTooLong(f"{url} did not answer within {seconds:g} s.", next_step="Try again; then check its load.")
    return ConnectionLost(
        f"The connection to {url} broke: {error or type(error).__name__}.", next_step="Run the command again."
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _field_errors(value: object) -> Iterator[FieldError]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return
    for each in value:
        if isinstance(each, Mapping):
            yield FieldError(str(each.get("pointer", "")), str(each.get("detail", "")))
