"""Who somebody is at this moment, for counting approvals: teams, roles and permission in an environment."""

from __future__ import annotations

from collections.abc import Iterable

from highroad.access import grants, store
from highroad.access.model import SCOPES, Actor, User
from highroad.access.permissions import allowed
from highroad.access.places import Place
from highroad.db.engine import Transaction
from highroad.gates.approvals import Person
from highroad.projects.model import Environment


def people_now(tx: Transaction, user_ids: Iterable[str], place: Place) -> dict[str, Person]:
    """By id, with what they may do at the place of a service in an environment; who is gone is left out."""
    found = {id: store.user(tx, id) for id in dict.fromkeys(user_ids)}
    return {id: _person(tx, user, place) for id, user in found.items() if user is not None}


def may(tx: Transaction, user: User, action: str, environment: Environment) -> bool:
    """Whether this account, whatever token it comes with, may do `action` in the environment now."""
    return user.active and allowed(actor_of(tx, user), action, environment.place)


def actor_of(tx: Transaction, user: User) -> Actor:
    """The account with all its scopes, as a portal session has them."""
    return Actor(
        user.id,
        user.email,
        user.kind,
        "system",
        user.role,
        frozenset(SCOPES),
        standing=grants.standing_of(tx, user.id),
    )


def _person(tx: Transaction, user: User, place: Place) -> Person:
    actor = actor_of(tx, user)
    standing = actor.standing
    assert standing is not None, "actor_of gave it"
    return Person(
        user.id,
        user.email,
        user.active,
        user.kind == "user" and allowed(actor, "deployment:approve", place),
        frozenset(standing.teams),
        user.role,
        standing.roles_at(place)[0],
    )
