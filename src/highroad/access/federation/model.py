"""Sign-in providers and what they say about people: pure values, and the rules that read them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from highroad.kit.names import to_label

EmailTrust = Literal["verified", "always"]
EMAIL_TRUSTS: tuple[str, ...] = get_args(EmailTrust)
SAME_NAME = "*"
MOST_GROUPS = 2000
LONGEST_GROUP = 255
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")


@dataclass(frozen=True, slots=True)
class GroupRule:
    """Who is in a group that `group` matches (`*` and `?` as in file names) is in `team`; `*`: in the team that is
    called as the group is."""

    group: str
    team: str


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. `domains` are the email domains that it answers for; empty: any, and then no user who is there
    already is linked by email address. `email_trust` is whether the provider has to vouch for the address
    (`email_verified`), or an administrator does for the provider. Who is nobody's user yet becomes one with
    `creates_users`. `vouched`: an owner answers for where its word on addresses comes from. Whoever runs a provider can
    be everybody whom it answers for, so only such a one brings in people above members."""

    id: str
    name: str
    title: str
    issuer: str
    client_id: str
    has_secret: bool
    scopes: tuple[str, ...]
    group_claim: str
    groups: tuple[GroupRule, ...]
    creates_users: bool
    domains: tuple[str, ...]
    email_trust: EmailTrust
    vouched: bool
    active: bool
    created_at: datetime

    @property
    def source(self) -> str:
        """Where memberships of teams come from that this provider gives."""
        return f"oidc:{self.name}"

    def answers_for(self, email: str) -> bool:
        return not self.domains or email.rpartition("@")[2].lower() in self.domains


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in, as the provider says. `subject` alone identifies; an address may move to somebody else."""

    subject: str
    email: str | None
    email_verified: bool
    name: str
    groups: tuple[str, ...]
    id_token: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """A user's account with a provider. `email` is the address that the provider gave last."""

    provider: str
    subject: str
    user: str
    email: str | None
    created_at: datetime
    last_used_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in that was begun in one browser. The nonce and the PKCE verifier follow from `browser`, a secret that
    only that browser's cookie holds, so that nothing which is stored can finish a sign-in."""

    state: str
    browser: str
    next: str

    @property
    def nonce(self) -> str:
        return self._derived(b"nonce")

    @property
    def verifier(self) -> str:
        return self._derived(b"verifier")

    @property
    def challenge(self) -> str:
        """RFC 7636, 4.2, S256."""
        return _base64url(hashlib.sha256(self.verifier.encode()).digest())

    def _derived(self, purpose: bytes) -> str:
        return _base64url(hmac.digest(self.browser.encode(), purpose + b"\0" + self.state.encode(), "sha256"))


def person_of(claims: Mapping[str, Any], *, group_claim: str, id_token: str = "") -> Person:
    email = _printable(claims.get("email")).lower()
    name = _printable(claims.get("name")) or _printable(claims.get("preferred_username")) or email or claims["sub"]
    verified = claims.get("email_verified") in (True, "true")  # some providers write it as text
    believable = email if _EMAIL.fullmatch(email) else None
    return Person(claims["sub"], believable, verified, name[:120], groups_in(claims, group_claim), id_token)


def _printable(value: object) -> str:
    return "".join(each for each in value if each.isprintable()).strip() if isinstance(value, str) else ""


def groups_in(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """The groups under `claim`, which may be a path as in `realm_access.roles`. A claim that is not there: none."""
    if not claim:
        return ()
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for part in claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return tuple(each for each in listed[:MOST_GROUPS] if isinstance(each, str) and 0 < len(each) <= LONGEST_GROUP)


def teams_for(rules: Sequence[GroupRule], groups: Iterable[str]) -> set[str]:
    """Names of the teams that somebody in these groups belongs to; whether they exist is not known here."""
    found = {
        to_label(group) if rule.team == SAME_NAME else rule.team
        for group in groups
        for rule in rules
        if fnmatchcase(group, rule.group)
    }
    return found - {""}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
