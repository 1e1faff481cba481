"""All that is known of a person, put together for the API and the page: teams, roles, sessions, tokens, last seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from highroad.access import grants, service_accounts, store, teams
from highroad.access.model import Token, User
from highroad.access.service_accounts import ServiceAccount
from highroad.db.engine import Transaction
from highroad.kit.clock import now

ProjectNames = Callable[[Transaction], Mapping[str, str]]
"""Names of projects by their ids. Projects stand above this package, so the composition root hands them down."""


@dataclass(frozen=True, slots=True)
class Membership:
    """`sources` are empty for a team above one of theirs."""

    team: str
    title: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A role that somebody has. `through` is the team that it comes from, None for a grant of their own; `project` and
    `mode` None stand for all."""

    role: str
    project: str | None
    mode: str | None
    through: str | None
    by: str
    since: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Person:
    """`made` are accounts and tokens for programs that they made, which stay when they go."""

    user: User
    memberships: tuple[Membership, ...]
    roles: tuple[Held, ...]
    sessions: int
    tokens: tuple[Token, ...]
    last_seen_at: datetime | None
    made: tuple[ServiceAccount, ...]


def memberships_of(tx: Transaction, user_id: str) -> tuple[Membership, ...]:
    """The teams that somebody is in and those above them, by name."""
    direct = {team.id: team for team in teams.teams_of(tx, user_id)}
    sources = {id: next((each.sources for each in teams.members(tx, id) if each.user == user_id), ()) for id in direct}
    return tuple(Membership(team.name, team.title, sources[team.id]) for team in direct.values())


def roles_of(tx: Transaction, user_id: str, names: ProjectNames) -> tuple[Held, ...]:
    """Grants in force of an account and of its teams, those for all projects first."""
    mine = teams.teams_of(tx, user_id)
    through = {team.id: team.name for team in mine}
    projects = names(tx)
    found = [
        Held(
            each.role,
            projects.get(each.project, each.project) if each.project else None,
            each.mode,
            through.get(each.holder_id),
            each.by,
            each.since,
            each.expires_at,
        )
        for each in grants.live_grants(tx, user_id, list(through))
    ]
    return tuple(sorted(found, key=lambda each: (each.project or "", each.mode or "", each.through or "")))


def person(tx: Transaction, user: User, names: ProjectNames) -> Person:
    at = now()
    tokens = store.list_tokens(tx, user.id)
    sessions = [each for each in store.list_sessions(tx, user.id) if each.expires_at > at]
    seen = [each.last_used_at for each in tokens] + [each.last_seen_at for each in sessions]
    made = (
        *service_accounts.everyone(tx, "service"),
        *service_accounts.everyone(tx, "policy"),
    )
    return Person(
        user,
        memberships_of(tx, user.id),
        roles_of(tx, user.id, names),
        len(sessions),
        tuple(each for each in tokens if usable(each)),
        max((each for each in seen if each is not None), default=None),
        tuple(each for each in made if each.made_by == user.email),
    )


def usable(token: Token) -> bool:
    return token.revoked_at is None and (token.expires_at is None or token.expires_at > now())
