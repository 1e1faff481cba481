"""Who may do what, asked without doing it: can I, who can, and who could help somebody who may not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import select

from highroad.access import grants, store, teams
from highroad.access.model import SCOPES, Actor, Token, User
from highroad.access.permissions import NotAllowed, allowed, require, why
from highroad.access.places import ORGANIZATION, Place
from highroad.access.policy.actions import ACTIONS, VERBS
from highroad.access.policy.standing import Grant, Standing
from highroad.db.engine import Transaction
from highroad.errors import FieldError, Invalid, NotFound
from highroad.kit.clock import now

MOST_HELPERS = 5


class NoSuchAction(Invalid):
    code = "no-such-action"
    title = "There is no such action"


class NoSuchSubject(NotFound):
    code = "no-such-subject"


class NotThere(Invalid):
    code = "not-at-this-place"
    title = "This is not done at such a place"


@dataclass(frozen=True, slots=True)
class Answered:
    """`policy` are the ids of what decided, joined by commas; empty when nothing permits it."""

    allowed: bool
    action: str
    place: Place
    reason: str
    policy: str


@dataclass(frozen=True, slots=True)
class Able:
    """Somebody who may. `tokens` are the names of their tokens that can be used for it."""

    user: User
    reason: str
    policy: str
    tokens: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = field(default=())


def action_named(name: str, place: Place) -> str:
    """The action that somebody means by `deploy` or `deployment:write`. Raises `NoSuchAction` and `NotThere`."""
    action = VERBS.get(name, name)
    if action not in ACTIONS:
        raise NoSuchAction(
            f"There is no action {name[:40]!r}.",
            next_step=f"One of {', '.join(VERBS)}, or an action's own name such as deployment:write.",
            errors=[FieldError("/action", "is no action")],
        )
    if place.kind not in ACTIONS[action].places:
        wanted = {"organization": "nothing", "project": "PROJECT", "environment": "PROJECT/ENVIRONMENT"}
        where = " or ".join(wanted[each] for each in reversed(ACTIONS[action].places) if each in wanted)
        raise NotThere(
            f"{action} is not done in {'an' if place.kind[0] in 'aeiou' else 'a'} {place.kind}.",
            next_step=f"Name {where} as the place.",
            errors=[FieldError("/place", "is of another kind")],
        )
    return action


def can(actor: Actor, action: str, place: Place, **circumstances: object) -> Answered:
    """Whether `actor` may, with the token or session at hand. `action` is an action's own name."""
    yes, reason, policy = why(actor, action, place, **circumstances)
    return Answered(yes, action, place, reason, policy)


def account(tx: Transaction, actor: Actor, name: str, place: Place) -> Actor:
    """Another account, to ask about it: by email address or name. Whoever may see access there may ask, and everybody
    about themselves."""
    if name in (actor.name, actor.id):
        return actor
    require(actor, "access:read", _project(place))
    found = store.user_by_email(tx, name) or store.user_by_email(tx, name.lower())
    user = found[0] if found else store.user(tx, name)
    if user is None or not user.active:
        raise NoSuchSubject(f"There is no active account {name[:120]!r}.", next_step="highroad users list")
    return next(iter(actors_of(tx, [user], standings(tx)).values()))


def who_can(tx: Transaction, actor: Actor, action: str, place: Place) -> list[Able]:
    """Every active account that may, people first. Raises `NotAllowed` for whoever may not see access there."""
    require(actor, "access:read", _project(place))
    tokens: dict[str, list[Token]] = {}
    for token, owner in store.every_token(tx):
        if token.revoked_at is None and (token.expires_at is None or token.expires_at > now()):
            tokens.setdefault(owner.id, []).append(token)
    return [
        replace(each, tokens=tuple(token.name for token in tokens.get(each.user.id, []) if _has_scope(token, action)))
        for each in able(tx, action, place)
    ]


def able(tx: Transaction, action: str, place: Place) -> list[Able]:
    """Every active account that may do `action` at `place`, with all its scopes."""
    people = [user for kind in ("user", "service", "policy") for user in store.list_users(tx, kind) if user.active]
    found = []
    for user, who in zip(people, actors_of(tx, people, standings(tx)).values(), strict=True):
        yes, reason, policy = why(who, action, place)
        if yes:
            behind = who.standing.grants if who.standing else ()
            found.append(Able(user, reason, policy, grants=behind))
    return found


def able_people(tx: Transaction, action: str, place: Place) -> list[str]:
    """Some people who may do `action` at `place`: at most five, administrators last."""
    people = [each.user for each in able(tx, action, place) if each.user.kind == "user"]
    return [user.email for user in sorted(people, key=lambda user: (user.admin, user.email))[:MOST_HELPERS]]


def helpers(tx: Transaction, actor: Actor, place: Place) -> list[str]:
    """Whom to ask for access there: managers of the project, then administrators; at most five, and nobody for those
    who may not see the place."""
    project = _project(place)
    seen = allowed(actor, "user:read") and (not place.project or allowed(actor, "project:read", project))
    if not seen:
        return []
    if place.project is None:
        found = [user for user in store.list_users(tx) if user.active and user.admin]
    else:
        found = [each.user for each in able(tx, "access:write", project) if each.user.kind == "user"]
    others = sorted((user for user in found if user.id != actor.id), key=lambda user: (user.admin, user.email))
    return [user.email for user in others[:MOST_HELPERS]]


def explain(tx: Transaction, actor: Actor, error: NotAllowed, place: Place) -> None:
    """Say in `error` who could help, if the one who was refused may know."""
    if error.lacks_scope:
        return  # they may help themselves, with another token
    names = helpers(tx, actor, ORGANIZATION if error.forbidden else place)
    if names and error.forbidden:
        error.next_step = f"{error.next_step} Ask somebody who may change it: {', '.join(names)}."
    elif names:
        error.next_step = f"Ask somebody who can grant it: {', '.join(names)}."
    if names:
        error.extra["ask"] = names


def standings(tx: Transaction) -> Mapping[str, Standing]:
    """What every user and service account brings to decisions, by id: five queries for all of them."""
    policies = grants.policies_in_force(tx)
    named = {team.id: team for team in teams.list_teams(tx)}
    mine: dict[str, set[str]] = {}
    for row in tx.execute(select(teams.team_members.c.user_id, teams.team_members.c.team_id)):
        above: str | None = row.team_id
        reached = mine.setdefault(row.user_id, set())
        while above is not None and above not in reached:
            reached.add(above)
            above = named[above].parent
    held: dict[str, list[Grant]] = {}
    for grant in grants.list_grants(tx):
        if grant.expires_at is None or grant.expires_at > now():
            held.setdefault(grant.holder_id, []).append(grant)
    found = {}
    for user_id in {*mine, *(holder for holder in held if holder not in named)}:
        of = mine.get(user_id, set())
        own = [*held.get(user_id, ()), *(grant for team in of for grant in held.get(team, ()))]
        found[user_id] = Standing(policies, tuple(sorted(named[each].name for each in of)), tuple(own))
    return found


def actors_of(tx: Transaction, people: Iterable[User], known: Mapping[str, Standing]) -> dict[str, Actor]:
    """The accounts as they are with all that a sign-in of theirs can have."""
    policies = grants.policies_in_force(tx)
    found = {}
    for user in people:
        standing = known.get(user.id) or Standing(policies)
        if user.kind == "policy":
            token = next((each for each in store.list_tokens(tx, user.id) if each.policy and not each.revoked_at), None)
            text = token.policy if token is not None and token.policy is not None else ""
            standing = grants.standing_of_policy_token(tx, text, user.email)
        scopes = frozenset(SCOPES) - (frozenset() if user.admin else {"admin"})
        found[user.id] = Actor(user.id, user.email, user.kind, "api", user.role, scopes, standing=standing)
    return found


def _has_scope(token: Token, action: str) -> bool:
    return not ACTIONS[action].scope or ACTIONS[action].scope in token.scopes


def _project(place: Place) -> Place:
    return Place(place.project, place.project_name, place.team) if place.project else ORGANIZATION
