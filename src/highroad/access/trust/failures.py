"""What can go wrong with trust rules and exchanges, as errors with what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from highroad.access.permissions import NotSignedIn
from highroad.errors import Conflict, Invalid, NotFound


class BadTrustRule(Invalid):
    code = "bad-trust-rule"
    title = "The trust rule cannot be written like this"


class NoSuchTrustRule(NotFound):
    code = "no-such-trust-rule"
    title = "There is no such trust rule"


class TrustRuleExists(Conflict):
    code = "trust-rule-exists"
    title = "There is a trust rule of this name"


class BadExchange(Invalid):
    code = "bad-exchange"
    title = "This cannot be exchanged for a token"


class ExchangeRefused(NotSignedIn):
    """`claims` are those of a token whose signature held, `unmet` what each rule missed: for the event alone, because
    a stranger's job must not learn what it would take."""

    code = "exchange-refused"
    title = "The job's identity token was not exchanged"

    def __init__(
        self,
        detail: str,
        *,
        next_step: str,
        claims: Mapping[str, Any] | None = None,
        unmet: Mapping[str, list[str]] | None = None,
    ) -> None:
        super().__init__(detail, next_step=next_step)
        self.claims = claims
        self.unmet = unmet or {}
