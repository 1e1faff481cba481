"""Who acts: users, tokens, sessions, and the `Actor` that every verb takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Scope = Literal["read", "write", "git", "admin"]
Origin = Literal["portal", "cli", "api", "git", "system"]

SCOPES: dict[str, str] = {
    "read": "See everything the user may see.",
    "write": "Change projects, deploy, configure, run commands.",
    "git": "Fetch from and push to repositories.",
    "admin": "Manage users; only for administrators.",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """The person, token or part of Highroad that does something. `name` stands in events (a user's email address).

    `scopes` bound what this sign-in may do of what the user may do; a portal session has all of them.
    """

    id: str
    name: str
    kind: Literal["user", "system"]
    origin: Origin
    admin: bool = False
    scopes: frozenset[str] = field(default_factory=frozenset)
    token: str | None = None
    session: str | None = None
    address: str = ""


SYSTEM = Actor(id="system", name="highroad", kind="system", origin="system", admin=True, scopes=frozenset(SCOPES))
"""Highroad itself: timers, recovery, pipelines that act on a recorded change."""


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str
    name: str
    admin: bool
    active: bool
    has_password: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it can be shown: never the secret, which is hashed at rest."""

    id: str
    user: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    user: str
    csrf: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Login:
    """A device that asks to be signed in; a person approves it in the portal by comparing `user_code`."""

    id: str
    user_code: str
    device: str
    expires_at: datetime
    user: str | None
    refused: bool
