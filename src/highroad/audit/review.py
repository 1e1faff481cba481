"""The access review: who may do an action where, why, since when, and whether they ever did. Auditors ask for it.

Every account is asked of the very function that decides requests (`permissions.decision`), so the report cannot differ
from what holds; the reason is read out of the grants behind it. Policies are asked as of now, without a deployment at
hand: one that looks at circumstances may decide otherwise in a real case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import get_args

from sqlalchemy import func, or_, select

from highroad.access import actions as access
from highroad.access import grants, store, teams
from highroad.access.model import AccountKind, Actor, Token, User
from highroad.access.permissions import decision, policy_name
from highroad.access.places import ORGANIZATION, Place
from highroad.access.policy.actions import ACTIONS
from highroad.access.policy.roles import BUILT_IN
from highroad.access.policy.standing import MODES, Grant, effective
from highroad.db.engine import Transaction
from highroad.errors import FieldError, Invalid
from highroad.events.model import DEPLOYMENT_QUEUED
from highroad.events.store import events
from highroad.kit.clock import now, parse_rfc3339
from highroad.kit.paging import PageRequest
from highroad.projects import store as projects

UNUSED = timedelta(days=90)
_ALL = PageRequest(1_000_000)
_ALSO_USES: Mapping[str, tuple[str, ...]] = {"deployment:write": (DEPLOYMENT_QUEUED.name,)}
"""Events that are a use of an action although they followed from another one: a push that deployed."""


class BadReview(Invalid):
    code = "bad-access-review"
    title = "This review cannot be made"


@dataclass(frozen=True, slots=True)
class Asked:
    """`mode` and `project` narrow the places, None is all of them; only for actions that have a place."""

    action: str = "deployment:write"
    mode: str | None = "production"
    project: str | None = None
    environment: str | None = None

    def given(self) -> dict[str, str]:
        found = {"action": self.action, "mode": self.mode, "project": self.project, "environment": self.environment}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Row:
    """One account, or one token of it, at one place. `since`, `by` and `expires_at` are those of the grant or the
    token; None where no grant stands behind it. `hint` says why to look closer, empty for nothing."""

    who: str
    id: str
    kind: str
    place: str
    mode: str
    reason: str
    since: datetime | None
    by: str
    expires_at: datetime | None
    last_used: datetime | None
    hint: str


@dataclass(frozen=True, slots=True)
class Review:
    """`log_since` is the time of the oldest event: what was used before cannot be seen."""

    asked: Asked
    made_at: datetime
    log_since: datetime | None
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class _Reason:
    text: str
    grant: Grant | None = None


def make_review(tx: Transaction, asked: Asked) -> Review:
    """Raises `BadReview` for an action or a mode that there is not."""
    _check(asked)
    at = now()
    places = _places(tx, asked)
    used = _Used.read(tx, asked.action)
    names = {team.id: team.title or team.name for team in teams.list_teams(tx)}
    roles = {role.name: role.actions for role in (*BUILT_IN, *grants.custom_roles(tx))}
    scope = ACTIONS[asked.action].scope
    tokens: dict[str, list[Token]] = {}
    for token, owner in store.every_token(tx):
        live = token.revoked_at is None and (token.expires_at is None or token.expires_at > at)
        if live and (not scope or scope in token.scopes):
            tokens.setdefault(owner.id, []).append(token)
    rows: list[Row] = []
    for user in _accounts(tx):
        actor = access.actor_named(tx, user.email, origin="api")
        for place in places:
            found = decision(actor, asked.action, place)
            if found.allowed:
                reason = _reason(actor, asked.action, place, found.policies, names, roles)
                rows += _rows(user, tokens.get(user.id, []), place, reason, used, at)
    first = tx.execute(select(events.c.time).order_by(events.c.seq).limit(1)).scalar()
    return Review(asked, at, parse_rfc3339(first) if first else None, tuple(rows))


def _check(asked: Asked) -> None:
    if asked.action not in ACTIONS:
        raise _bad("action", f"there is no action {asked.action[:60]!r}", "See the permissions in the reference.")
    if asked.mode is not None and asked.mode not in MODES:
        raise _bad("mode", f"there is no mode {asked.mode[:60]!r}", f"One of {', '.join(MODES)}.")


def _places(tx: Transaction, asked: Asked) -> list[Place]:
    kinds = ACTIONS[asked.action].places
    if "project" not in kinds and "environment" not in kinds:
        return [ORGANIZATION]
    wanted = [each for each in projects.list_projects(tx, _ALL).items if asked.project in (None, each.name)]
    if asked.project is not None and not wanted:
        raise _bad("project", f"there is no project {asked.project[:60]!r}", "highroad projects")
    if "environment" not in kinds:
        return [each.place for each in wanted]
    return [
        environment.place
        for project in wanted
        for environment in projects.list_environments(tx, project.id)
        if asked.mode in (None, environment.mode) and asked.environment in (None, environment.name)
    ]


def _accounts(tx: Transaction) -> Iterator[User]:
    """Everybody who can act at all: people, service accounts and policy tokens that are active."""
    kinds: tuple[AccountKind, ...] = get_args(AccountKind)
    for kind in kinds:
        yield from (each for each in store.list_users(tx, kind) if each.active)


def _rows(user: User, tokens: list[Token], place: Place, reason: _Reason, used: _Used, at: datetime) -> Iterator[Row]:
    grant = reason.grant
    since = grant.since if grant else user.created_at
    last = used.by_account(user.email, place)
    row = Row(
        who=user.email,
        id=user.id,
        kind=user.kind,
        place=str(place),
        mode=place.mode or "",
        reason=reason.text,
        since=since,
        by=grant.by if grant else "",
        expires_at=grant.expires_at if grant else None,
        last_used=last,
        hint=_hint(last, since, at),
    )
    if user.kind == "policy":  # the account is its token
        yield replace(row, expires_at=next((token.expires_at for token in tokens), None))
        return
    yield row
    for token in tokens:
        last = used.by_token(token.id, place)
        yield replace(
            row,
            id=token.id,
            kind="token",
            reason=f"token {token.name!r} of {user.email}: {reason.text}",
            since=token.created_at,
            by=user.email,
            expires_at=token.expires_at,
            last_used=last,
            hint=_hint(last, token.created_at, at),
        )


def _hint(last: datetime | None, since: datetime, at: datetime) -> str:
    if last is not None:
        return f"not used for {(at - last).days} days" if at - last >= UNUSED else ""
    if at - since < UNUSED:
        return ""
    return f"never used in {(at - since).days} days"


# Why


def _reason(
    actor: Actor,
    action: str,
    place: Place,
    policies: tuple[str, ...],
    names: Mapping[str, str],
    roles: Mapping[str, frozenset[str]],
) -> _Reason:
    """Of several reasons the one that a person would have to take away first: the widest."""
    own = [id for id in policies if not id.startswith("role:")]
    if own:
        return _Reason(" and ".join(sorted({policy_name(id) for id in own})))
    standing = actor.standing
    modes = (place.mode,) if place.mode else MODES
    counting = [
        grant
        for mode in modes
        for grant in effective(standing.grants if standing else (), place, mode)
        if action in roles.get(grant.role, frozenset())
    ]
    if not counting:
        return _Reason(" and ".join(sorted({policy_name(id) for id in policies})))
    grant = min(counting, key=lambda each: (each.holder != "team", each.since))
    through = f"the team {names.get(grant.holder_id, grant.holder_id)}" if grant.holder == "team" else "a grant"
    where = "every project" if grant.project is None else "this project"
    what = "every mode" if grant.mode is None else grant.mode
    more = f", and {len({each.id for each in counting}) - 1} more" if len({each.id for each in counting}) > 1 else ""
    return _Reason(f"role {grant.role} by {through} for {what} in {where}{more}", grant)


# When


@dataclass(frozen=True, slots=True)
class _Used:
    """Last uses of one action by (actor or token, project, environment)."""

    accounts: Mapping[tuple[str, str | None, str | None], datetime]
    tokens: Mapping[tuple[str, str | None, str | None], datetime]

    @classmethod
    def read(cls, tx: Transaction, action: str) -> _Used:
        using = events.c.action == action
        if action in _ALSO_USES:
            using = or_(using, events.c.type.in_(_ALSO_USES[action]))
        columns = (events.c.actor, events.c.token, events.c.project, events.c.environment)
        statement = select(*columns, func.max(events.c.time)).where(using).group_by(*columns)
        accounts: dict[tuple[str, str | None, str | None], datetime] = {}
        tokens: dict[tuple[str, str | None, str | None], datetime] = {}
        for actor, token, project, environment, time in map(tuple, tx.execute(statement)):
            at = parse_rfc3339(time)
            key = (actor, project, environment)
            accounts[key] = max(at, accounts.get(key, at))
            if token:
                tokens[token, project, environment] = max(at, tokens.get((token, project, environment), at))
        return cls(accounts, tokens)

    def by_account(self, name: str, place: Place) -> datetime | None:
        return self.accounts.get((name, place.project_name or None, place.environment))

    def by_token(self, id: str, place: Place) -> datetime | None:
        return self.tokens.get((id, place.project_name or None, place.environment))


def _bad(field: str, why: str, next_step: str) -> BadReview:
    return BadReview(f"{why[:1].upper()}{why[1:]}.", next_step=next_step, errors=[FieldError(f"/{field}", why)])
