"""Giving and taking roles: to a person, a team or a service account, in a project or in all, in a mode or in all.

Nobody gives more than they have: what a holder gains by a change, whoever makes it must hold there themselves. Nobody
widens their own grants, owners apart, and a right to grant that ends gives nothing that lasts longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from highroad.access import grants, store, teams
from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed, lasting, require
from highroad.access.places import ORGANIZATION, Place
from highroad.access.policy.actions import ACTIONS
from highroad.access.policy.engine import built_in
from highroad.access.policy.presets import PRESETS
from highroad.access.policy.roles import BUILT_IN, Role
from highroad.access.policy.standing import MODES, Grant, Standing, effective
from highroad.db.engine import Transaction
from highroad.errors import FieldError, Invalid, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event, EventType
from highroad.kit.clock import now, rfc3339

MOST_GRANTS = 2000
"""Of one project, and of all projects together: more than a page can show is a team that is missing."""
HolderKind = Literal["user", "team", "account"]


class NotYoursToGrant(NotAllowed):
    """The actor may change grants there, but not this one: somebody would gain what the actor does not hold."""

    code = "not-yours-to-grant"


class BadGrant(Invalid):
    code = "bad-grant"
    title = "The role cannot be granted"


class NoSuchGrant(NotFound):
    code = "no-such-grant"


class NoSuchHolder(NotFound):
    code = "no-such-holder"


class NoSuchPreset(NotFound):
    code = "no-such-preset"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a grant. `name` is an email address, the name of a team, or that of a service account."""

    kind: HolderKind
    id: str
    name: str

    @property
    def stored_kind(self) -> Literal["user", "team"]:
        return "team" if self.kind == "team" else "user"


def find_holder(tx: Transaction, kind: str, name: str) -> Holder:
    """An active user, a team or a service account as people name it."""
    if kind == "team":
        team = teams.find(tx, name)
        if team is not None:
            return Holder("team", team.id, team.name)
    elif kind in ("user", "account"):
        found = store.user_by_email(tx, name.strip().lower() if kind == "user" else name.strip())
        user = found[0] if found else None
        if user is not None and user.active and user.kind == {"user": "user", "account": "service"}[kind]:
            return Holder("user" if kind == "user" else "account", user.id, user.email)
    else:
        raise BadGrant(
            f"A {kind[:40]!r} cannot hold a role.",
            next_step="Name a user, a team or a service account.",
            errors=[FieldError("/holder", "user, team or account")],
        )
    what = {"user": "active user", "team": "team", "account": "active service account"}[kind]
    listing = {"user": "users", "team": "teams", "account": "service-accounts"}[kind]
    raise NoSuchHolder(f"There is no {what} {name[:120]!r}.", next_step=f"highroad {listing} list")


def holders(tx: Transaction, found: Iterable[Grant]) -> dict[str, Holder]:
    """By id, for showing grants. Who is deactivated is shown too."""
    by_id: dict[str, Holder] = {}
    for grant in found:
        if grant.holder_id in by_id:
            continue
        if grant.holder == "team":
            team = teams.team(tx, grant.holder_id)
            by_id[grant.holder_id] = Holder("team", grant.holder_id, team.name if team else grant.holder_id)
        else:
            user = store.user(tx, grant.holder_id)
            kind: HolderKind = "account" if user is not None and user.kind != "user" else "user"
            by_id[grant.holder_id] = Holder(kind, grant.holder_id, user.email if user else grant.holder_id)
    return by_id


def all_roles(tx: Transaction) -> dict[str, Role]:
    return {role.name: role for role in (*BUILT_IN, *grants.custom_roles(tx))}


def visible_grants(tx: Transaction, actor: Actor, place: Place) -> list[Grant]:
    """The grants that reach a project, those for all projects too; of the organization: all there are."""
    require(actor, "access:read", place)
    return grants.list_grants(tx, project=place.project)


def grant(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    *,
    holder: Holder,
    place: Place,
    mode: str | None,
    role: str,
    expires_at: datetime | None = None,
) -> Grant:
    """Give `role` in the project of `place`, or in all projects for the organization, in `mode` or in all modes. It
    takes the place of the role that the holder had in exactly this project and mode."""
    return grant_all(tx, log, actor, holder=holder, place=place, roles=[(mode, role)], expires_at=expires_at)[0]


def grant_preset(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    *,
    holder: Holder,
    place: Place,
    preset: str,
    expires_at: datetime | None = None,
) -> list[Grant]:
    """Give the roles of a preset, one for each mode."""
    found = next((each for each in PRESETS if each.name == preset), None)
    if found is None:
        names = ", ".join(each.name for each in PRESETS)
        raise NoSuchPreset(f"There is no preset {preset[:63]!r}.", next_step=f"One of {names}.")
    wanted = [(mode, found.roles.get(mode, "none")) for mode in MODES]
    return grant_all(tx, log, actor, holder=holder, place=place, roles=wanted, expires_at=expires_at)


def grant_all(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    *,
    holder: Holder,
    place: Place,
    roles: Sequence[tuple[str | None, str]],
    expires_at: datetime | None = None,
) -> list[Grant]:
    """As `grant`, for several modes at once: all or nothing."""
    require(actor, "access:write", place)
    known = all_roles(tx)
    for mode, role in roles:
        _check(known, mode, role, expires_at)
    before = grants.list_grants(tx, holder_id=holder.id)
    replaced = {(place.project, mode) for mode, _ in roles}
    kept = [each for each in before if (each.project, each.mode) not in replaced]
    if len(grants.list_grants(tx, project=place.project)) + len(roles) > MOST_GRANTS:
        raise BadGrant("There are too many grants here.", next_step="Grant roles to teams instead of people.")
    wanted = [
        Grant("", holder.stored_kind, holder.id, place.project, mode, role, now(), actor.name, expires_at)
        for mode, role in roles
    ]
    _refuse_gain(tx, actor, holder, place, before, [*kept, *wanted], expires_at)
    made = []
    for each in wanted:
        old = next((old for old in before if (old.project, old.mode) == (each.project, each.mode)), None)
        given = grants.set_grant(
            tx,
            holder_kind=each.holder,
            holder_id=each.holder_id,
            project=each.project,
            mode=each.mode,
            role=each.role,
            by=actor.name,
            expires_at=expires_at,
        )
        made.append(given)
        log.append(tx, _event(events.ACCESS_GRANTED, holder, place, given, old), actor)
    return made


def withdraw(tx: Transaction, log: EventLog, actor: Actor, id: str, place: Place) -> None:
    """Take a grant back. `place` is its project, or the organization for one for all projects: `project_of` says."""
    found = grants.grant_by_id(tx, id)
    if found is None or found.project != place.project:
        raise NoSuchGrant("There is no such grant.", next_step="highroad access list")
    require(actor, "access:write", place)
    holder = holders(tx, [found])[found.holder_id]
    before = grants.list_grants(tx, holder_id=holder.id)
    after = [each for each in before if each.id != id]
    _refuse_gain(tx, actor, holder, place, before, after)
    grants.remove_grant(tx, id)
    log.append(tx, _event(events.ACCESS_WITHDRAWN, holder, place, None, found), actor)


def _check(known: dict[str, Role], mode: str | None, role: str, expires_at: datetime | None) -> None:
    if role not in known:
        raise BadGrant(
            f"There is no role {role[:63]!r}.",
            next_step=f"One of {', '.join(known)}. Their meaning: highroad roles list",
            errors=[FieldError("/role", "is no role")],
        )
    if mode is not None and mode not in MODES:
        raise BadGrant(
            f"There is no mode {mode[:40]!r}.",
            next_step=f"One of {', '.join(MODES)}, or none for all of them.",
            errors=[FieldError("/mode", f"one of {', '.join(MODES)}")],
        )
    if expires_at is not None and expires_at <= now():
        raise BadGrant(
            "The grant would have ended already.",
            next_step="Choose an instant to come, or leave it out.",
            errors=[FieldError("/expires_at", "is in the past")],
        )


# Escalation


def _refuse_gain(
    tx: Transaction,
    actor: Actor,
    holder: Holder,
    place: Place,
    before: Sequence[Grant],
    after: Sequence[Grant],
    expires_at: datetime | None = None,
) -> None:
    """Raise `NotYoursToGrant` when the holder would gain what the actor does not hold, or not that long, or when the
    holder is the actor."""
    known = all_roles(tx)
    lasting_actor = _by_what_lasts(actor, expires_at)
    beyond: list[str] = []
    gains = False
    at = Place(place.project or "any", place.project_name, place.team)
    for mode in MODES:
        here = replace(at, environment=mode, mode=mode)
        gained = set[str]()
        for moment in _moments(after):
            had = (
                set[str]() if _lasts_longer(before, after, here) else _actions(_of_holder(before, here, moment), known)
            )
            gained |= _actions(_of_holder(after, here, moment), known) - had
        gains = gains or bool(gained)
        beyond += [f"{name} in {mode}" for name in sorted(gained) if not _holds(lasting_actor, name, place, here)]
    if gains and holder.id == actor.id and actor.role != "owner":
        raise _refused("Nobody widens their own access.", "Ask another manager of the project, or an owner.", place)
    if beyond:
        shown = ", ".join(beyond[:4]) + (" and more" if len(beyond) > 4 else "")
        why = f"You cannot give what you do not have yourself for as long: {shown}."
        raise _refused(why, "Ask somebody who has it, or let it expire with your own access: --until", place)


def _by_what_lasts(actor: Actor, until: datetime | None) -> Actor:
    """The actor with those grants alone that end no earlier; None is never."""
    standing = actor.standing
    if standing is None:
        return actor
    kept = [
        each for each in standing.grants if each.expires_at is None or (until is not None and each.expires_at >= until)
    ]
    return replace(actor, standing=Standing(standing.policies, standing.teams, tuple(kept)))


def _moments(found: Sequence[Grant]) -> list[datetime]:
    """Now, and when each grant has ended: a narrow one that ends uncovers a wider one."""
    return [now(), *(each.expires_at for each in found if each.expires_at is not None and each.expires_at > now())]


def _of_holder(found: Sequence[Grant], here: Place, at: datetime) -> set[str]:
    """The roles of one holder's grants in an environment, without those that have ended by then."""
    live = tuple(each for each in found if each.expires_at is None or each.expires_at > at)
    return set(Standing(built_in(), (), live).roles_at(here)[0])


def _actions(roles: Iterable[str], known: dict[str, Role]) -> set[str]:
    return {action for role in roles if role in known for action in known[role].actions}


def _lasts_longer(before: Sequence[Grant], after: Sequence[Grant], here: Place) -> bool:
    return _end(before, here) < _end(after, here)


def _end(found: Sequence[Grant], here: Place) -> float:
    """When what is held there ends, in seconds; infinite for what does not end, 0 for nothing."""
    ends = [each.expires_at for each in effective(found, here, here.mode or "")]
    return max((each.timestamp() if each else float("inf") for each in ends), default=0.0)


def _holds(actor: Actor, action: str, place: Place, here: Place) -> bool:
    """Whether the actor has `action` in an environment of this mode, or in the project when it is asked there only.
    What policies forbid under circumstances, such as on a day of the week, keeps nobody from granting."""
    if place.project is None:
        return lasting(actor, action, ORGANIZATION)
    if "environment" in ACTIONS[action].places:
        return lasting(actor, action, here)
    return lasting(actor, action, place)


def _refused(detail: str, next_step: str, place: Place) -> NotYoursToGrant:
    error = NotYoursToGrant(detail, next_step=next_step, extra={"action": "access:write"})
    error.place = place
    return error


def _event(type: EventType, holder: Holder, place: Place, new: Grant | None, old: Grant | None) -> Event:
    grant = new or old
    assert grant is not None, "one of them is what happened"
    content = {"holder": holder.name, "kind": holder.kind, "mode": grant.mode or "all", "role": grant.role}
    diff: dict[str, tuple[object, object]] = {"role": (old.role if old else None, new.role if new else None)}
    ends = [rfc3339(each.expires_at) if each and each.expires_at else None for each in (old, new)]
    if any(ends):
        diff["expires_at"] = (ends[0], ends[1])
    return Event(type, grant.id, content, project=place.project_name or None, diff=diff)
