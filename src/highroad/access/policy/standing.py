"""What somebody brings along to a decision: teams, grants, and the roles that follow from them at a place. Pure.

Built once per request from the database (`grants.standing_of`); decisions then need no query.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from highroad.access.places import Place
from highroad.access.policy.engine import Policies
from highroad.access.policy.roles import RANK

MODES = ("development", "staging", "production", "preview", "sandbox")


@dataclass(frozen=True, slots=True)
class Grant:
    """A role for a user or team: `project` None is every project, `mode` None every mode. `since` and `by` are for
    reviews; after `expires_at` it counts no more."""

    id: str
    holder: Literal["user", "team"]
    holder_id: str
    project: str | None
    mode: str | None
    role: str
    since: datetime
    by: str
    expires_at: datetime | None = None

    def covers(self, place: Place, mode: str) -> bool:
        return self.project in (None, place.project) and self.mode in (None, mode)


@dataclass(slots=True)
class Standing:
    """`teams` are names, those above too. `grants` are the live ones of the user and of these teams.

    A policy token has no roles: `policies` are then those made for it alone.
    """

    policies: Policies
    teams: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    _known: dict[Place, tuple[frozenset[str], frozenset[str]]] = field(default_factory=dict)

    def roles_at(self, place: Place) -> tuple[frozenset[str], frozenset[str]]:
        """The roles held at `place`, and those held in at least one mode of its project.

        Of the grants of one holder the most specific counts: one for this project over one for all, then one for this
        mode over one for all modes; so `none` for production takes back what a grant for every mode gives. What the
        user and the teams hold adds up: joining a team never takes anything away. A built-in role has the lesser ones.
        """
        place = Place(place.project, mode=place.mode) if place.mode else Place(place.project)
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = self._roles_at(place)
        return known

    def _roles_at(self, place: Place) -> tuple[frozenset[str], frozenset[str]]:
        if place.project is None:
            return frozenset(), frozenset()
        by_mode = [_held(self.grants, place, mode) for mode in MODES]
        somewhere = frozenset[str]().union(*by_mode)
        if place.mode is not None:
            return by_mode[MODES.index(place.mode)], somewhere
        return by_mode[0].intersection(*by_mode), somewhere


def effective(grants: Iterable[Grant], place: Place, mode: str) -> list[Grant]:
    """The grant of each holder that counts there: the most specific one."""
    best: dict[tuple[str, str], Grant] = {}
    for grant in grants:
        holder = (grant.holder, grant.holder_id)
        if grant.covers(place, mode) and (holder not in best or _specific(grant) > _specific(best[holder])):
            best[holder] = grant
    return list(best.values())


def _held(grants: Iterable[Grant], place: Place, mode: str) -> frozenset[str]:
    roles = {grant.role for grant in effective(grants, place, mode)}
    highest = max((RANK[role] for role in roles if role in RANK), default=0)
    return frozenset(roles | {name for name, rank in RANK.items() if rank <= highest}) - {"none"}


def _specific(grant: Grant) -> tuple[bool, bool]:
    return grant.project is not None, grant.mode is not None
