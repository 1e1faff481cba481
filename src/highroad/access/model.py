"""Who acts: users, tokens, sessions, and the `Actor` that every verb takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from highroad.access.places import Place
from highroad.access.policy.roles import OrganizationRole
from highroad.access.policy.standing import Standing

Scope = Literal["read", "write", "git", "admin"]
Origin = Literal["portal", "cli", "api", "git", "system"]
AccountKind = Literal["user", "service", "policy"]
ACCOUNT_KINDS: tuple[str, ...] = get_args(AccountKind)

SCOPES: dict[str, str] = {
    "read": "See everything the user may see.",
    "write": "Change projects, deploy, configure, run commands.",
    "git": "Fetch from and push to repositories.",
    "admin": "Manage people, access, policies and the installation; only for owners and administrators.",
}


@dataclass(frozen=True, slots=True)
class Decided:
    """An action that was allowed or refused, and the ids of the policies that did so: none when nothing permits it."""

    action: str
    place: Place
    policy: str
    allowed: bool = True


@dataclass(slots=True)
class Decisions:
    """What was decided for an actor during one request. The last one that was required stands in the events that
    follow from it; `asked` are all actions that were decided upon, whatever came of it."""

    last: Decided | None = None
    asked: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Actor:
    """The person, account, token or part of Highroad that does something. `name` stands in events: a user's email
    address, a service account's or policy token's name.

    `scopes` bound what this sign-in may do of what the account may do; a portal session has all of them. Without a
    `standing` only the organization's role counts. `request` is the id of the request that this actor makes.
    """

    id: str
    name: str
    kind: Literal["user", "service", "policy", "system"]
    origin: Origin
    role: OrganizationRole = "member"
    scopes: frozenset[str] = field(default_factory=frozenset)
    token: str | None = None
    session: str | None = None
    address: str = ""
    request: str = ""
    standing: Standing | None = field(default=None, compare=False, repr=False)
    decisions: Decisions = field(default_factory=Decisions, compare=False, repr=False)

    @property
    def admin(self) -> bool:
        return self.role in ("owner", "admin")


SYSTEM = Actor("system", "highroad", "system", "system", "owner", frozenset(SCOPES))
"""Highroad itself: timers, recovery, pipelines that act on a recorded change."""


@dataclass(frozen=True, slots=True)
class User:
    """An account. A service account and a policy token are accounts without an email address: `email` is their name."""

    id: str
    email: str
    name: str
    role: OrganizationRole
    active: bool
    has_password: bool
    created_at: datetime
    kind: AccountKind = "user"

    @property
    def admin(self) -> bool:
        return self.role in ("owner", "admin")

    @property
    def scopes(self) -> frozenset[str]:
        """All that a sign-in of this account can be allowed; a policy token is bound by its policy alone."""
        return frozenset(SCOPES) - (frozenset() if self.admin or self.kind == "policy" else {"admin"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it can be shown: never the secret, which is hashed at rest. `policy` is the Cedar text of a policy
    token: all that it may do. `origin` and `made_by` say how and by whom it came to be, where that is known;
    `last_address` and `last_origin` belong to `last_used_at`."""

    id: str
    user: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    policy: str | None = None
    origin: str | None = None
    made_by: str | None = None
    last_address: str | None = None
    last_origin: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    user: str
    csrf: str
    expires_at: datetime
    created_at: datetime | None = None
    last_seen_at: datetime | None = None
    address: str = ""
    agent: str = ""

    @property
    def name(self) -> str:
        """What people and the API call it: nothing that it could be used with."""
        return f"ses_{self.id[:24]}"


@dataclass(frozen=True, slots=True)
class Login:
    """A device that asks to be signed in; a person approves it in the portal by comparing `user_code`."""

    id: str
    user_code: str
    device: str
    expires_at: datetime
    user: str | None
    refused: bool
