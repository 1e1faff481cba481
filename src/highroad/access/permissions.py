"""The one place that decides who may do what. Verbs call `require` before they write, lists are filtered by the same.

A token's scopes come first, then Cedar: the roles that the actor holds at the place, and the company's own policies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from highroad.access.model import Actor, Decided
from highroad.access.places import ORGANIZATION, Place
from highroad.access.policy.actions import ACTIONS
from highroad.access.policy.engine import Asking, Decision, Policies, built_in
from highroad.access.policy.roles import BUILT_IN, RANK
from highroad.access.policy.schema import CIRCUMSTANCES
from highroad.access.policy.standing import Standing
from highroad.errors import Forbidden, Unauthenticated

Item = TypeVar("Item")

NEVER_TAKEN_FROM_OWNERS = frozenset({"policy:read", "policy:write", "user:read"})
"""By no policy: else a slip in one could lock everybody out, of mending it too."""
_PRINCIPAL = {"user": "User", "service": "ServiceAccount", "policy": "PolicyToken"}


class NotAllowed(Forbidden):
    """`place` and `action` are what was refused, if it was a decision; the edge adds who could grant it. `forbidden`:
    by a policy, so that no role would help; `lacks_scope`: for the token's scopes alone."""

    code = "not-allowed"
    action: str | None = None
    place: Place = ORGANIZATION
    forbidden: bool = False
    lacks_scope: bool = False


class NotSignedIn(Unauthenticated):
    code = "not-signed-in"


def allowed(actor: Actor, action: str, place: Place = ORGANIZATION, **circumstances: object) -> bool:
    """Whether `actor` may do `action` at `place`. `circumstances` are what is known of a deployment, by the names of
    `schema.CIRCUMSTANCES`; None stands for unknown."""
    return _lacks_scope(actor, action) is None and decision(actor, action, place, **circumstances).allowed


def why(actor: Actor, action: str, place: Place = ORGANIZATION, **circumstances: object) -> tuple[bool, str, str]:
    """As `allowed`, with the reason in words and the ids of the policies that decided, joined by commas."""
    lacking = _lacks_scope(actor, action)
    if lacking is not None:
        return False, f"{_capital(lacking[0])}.", ""
    found = decision(actor, action, place, **circumstances)
    ids = ",".join(_deciding(found.policies))
    if found.allowed:
        return True, f"Allowed by {_names(found.policies)}.", ids
    return False, f"{_capital(_why_not(actor, action, place, found)[0]).rstrip('.')}.", ids


def require(actor: Actor, action: str, place: Place = ORGANIZATION, **circumstances: object) -> None:
    """Return when `actor` may do `action` at `place`; raise `NotAllowed` saying what is missing or which policy
    forbids it. What allowed it stands in the events that follow."""
    lacking = _lacks_scope(actor, action)
    if lacking is not None:
        _note(actor, Decided(action, place, "", allowed=False))
        error = _not_allowed(action, place, lacking)
        error.lacks_scope = "--scope" in error.next_step
        raise error
    found = decision(actor, action, place, **circumstances)
    _note(actor, Decided(action, place, ",".join(_deciding(found.policies)), allowed=found.allowed))
    if not found.allowed:
        error = _not_allowed(action, place, _why_not(actor, action, place, found))
        error.forbidden = found.forbidden
        raise error


def _note(actor: Actor, decided: Decided) -> None:
    if actor.kind != "system":  # there is one for all threads, and what it does needs no leave
        actor.decisions.last = decided


def require_scope(actor: Actor, action: str) -> None:
    """Raise `NotAllowed` when the token's scopes already rule `action` out, wherever: for answers that would otherwise
    say that something does not exist."""
    lacking = _lacks_scope(actor, action)
    if lacking is not None:
        raise _not_allowed(action, ORGANIZATION, lacking)


def filter_allowed(actor: Actor, action: str, items: Iterable[Item], place_of: Callable[[Item], Place]) -> list[Item]:
    """Those of `items` on which `actor` may do `action`: no query, and as many decisions as the policies in force can
    tell apart."""
    if _lacks_scope(actor, action) is not None:
        return []
    sees = _policies_for(actor, action).about(action).sees.place
    known: dict[tuple[object, ...], bool] = {}
    found = []
    for item in items:
        place = place_of(item)
        key = (place.project, place.mode, place.kind, *[getattr(place, name) for name in sees])
        may = known.get(key)
        if may is None:
            may = known[key] = decision(actor, action, place).allowed
        if may:
            found.append(item)
    return found


def decision(actor: Actor, action: str, place: Place = ORGANIZATION, **circumstances: object) -> Decision:
    """What the policies say, whatever the token's scopes are."""
    known = {name: value for name, value in circumstances.items() if value is not None}
    unknown = known.keys() - CIRCUMSTANCES
    if action not in ACTIONS or place.kind not in ACTIONS[action].places or unknown:
        raise ValueError(f"{action} cannot be asked at a place of kind {place.kind} with {sorted(unknown)}")
    if actor.kind == "system":
        return Decision(True, ("system",))
    who = asking(actor, place)
    return _policies_for(actor, action).decide(who, action, place, {"origin": actor.origin, **known})


def asking(actor: Actor, place: Place) -> Asking:
    """The actor as the principal of a decision at `place`. Not for Highroad itself, upon which nobody decides."""
    standing = actor.standing
    here, somewhere = standing.roles_at(place) if standing else (frozenset[str](), frozenset[str]())
    if place.mode is not None:
        somewhere = frozenset()  # in an environment, only what is held in its own mode counts
    return Asking(
        _PRINCIPAL[actor.kind],
        actor.name,
        actor.name,
        actor.role if actor.kind != "policy" else "",
        standing.teams if standing else (),
        here,
        somewhere,
    )


def lasting(actor: Actor, action: str, place: Place = ORGANIZATION) -> bool:
    """Whether the actor holds `action` at `place` whatever the circumstances: scopes do not count, nor does what the
    company forbids under circumstances alone, such as on a day of the week."""
    standing = actor.standing
    if standing is None or actor.kind == "system":
        return decision(actor, action, place).allowed
    calm = Standing(standing.policies.lasting(), standing.teams, standing.grants)
    return decision(replace(actor, standing=calm), action, place).allowed


def _policies_for(actor: Actor, action: str) -> Policies:
    if action in NEVER_TAKEN_FROM_OWNERS and actor.role == "owner" and actor.kind == "user":
        return built_in()
    return actor.standing.policies if actor.standing else built_in()


def _lacks_scope(actor: Actor, action: str) -> tuple[str, str] | None:
    if action not in ACTIONS:
        raise ValueError(f"there is no action {action}")
    if actor.kind != "system":
        actor.decisions.asked.add(action)
    scope, meaning = ACTIONS[action].scope, ACTIONS[action].meaning
    if not scope or scope in actor.scopes or actor.kind == "system":
        return None
    if scope == "admin" and not actor.admin:
        # No token of theirs can have the scope, so asking for one would send them round in a circle.
        return f"Only owners and administrators may do this: {meaning}", "Ask one of them."
    return (
        f"This token does not have the scope {scope!r}, which {action} needs ({meaning})",
        f"Create a token with it: highroad tokens create --scope {scope}",
    )


def _why_not(actor: Actor, action: str, place: Place, found: Decision) -> tuple[str, str]:
    meaning = ACTIONS[action].meaning
    if found.forbidden:
        named = next((id for id in found.policies if id.startswith("company:")), "company:NAME@")
        see = f"See it: highroad policies show {named.removeprefix('company:').partition('@')[0]}."
        return f"{_names(found.policies)} forbids {action} in {place} ({meaning})", see
    if actor.kind == "policy":
        return f"The policy of this token does not allow {action} in {place} ({meaning})", "Attach one that does."
    if place.project is None:
        return f"Your role in the organization, {actor.role}, does not allow {action}: {meaning}", ""
    held = actor.standing.roles_at(place)[0] if actor.standing else frozenset[str]()
    have = f"You are {_highest(held)} there" if held else "You have no role there"
    if place.mode is None:
        have = f"You are {_highest(held)} in all its environments" if held else "You have no role in all environments"
    needed = [role.name for role in BUILT_IN if action in role.actions]
    return f"You may not do {action} in {place}: {meaning} {have}; it takes {' or '.join(needed)}.", ""


def _deciding(ids: Iterable[str]) -> list[str]:
    """`ids` without the roles that a greater one has: whoever is manager is deployer too, and that is not why."""
    ranks = {id: RANK.get(id.split(":")[1], 0) for id in ids if id.startswith("role:")}
    top = max(ranks.values(), default=0)
    return sorted(id for id in ids if ranks.get(id, 0) in (0, top))


def _names(ids: Iterable[str]) -> str:
    return " and ".join(sorted({policy_name(id) for id in _deciding(ids)}))


def _highest(held: frozenset[str]) -> str:
    ranked = [role.name for role in reversed(BUILT_IN) if role.name in held]
    own = sorted(held - {role.name for role in BUILT_IN})
    return ", ".join([*ranked[:1], *own])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def policy_name(id: str) -> str:
    """A policy id as people read it: `the policy no-fridays (version 3)`, `the role deployer`."""
    kind, _, rest = id.partition(":")
    if kind in ("company", "token"):
        name, _, version = rest.partition("@")
        return f"the policy {name} (version {version.partition('#')[0]})" if kind == "company" else "the token's policy"
    if kind == "role":
        return f"the role {rest.partition(':')[0]}"
    return f"being {rest} of the organization" if kind == "organization" else f"the rule {id}"


def _not_allowed(action: str, place: Place, why: tuple[str, str]) -> NotAllowed:
    detail, next_step = why
    error = NotAllowed(
        _capital(detail), next_step=next_step or "Ask somebody who can grant it.", extra={"action": action}
    )
    error.action, error.place = action, place
    return error
