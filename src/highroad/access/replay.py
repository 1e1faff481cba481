"""What a policy would have changed, had it been in force: the decisions of the last days, made again.

Each recorded decision is asked twice, under the policies in force and under those with the candidate; where the answers
differ, the candidate is why. People are taken with the roles and teams that they have now, places as they are now. What
the log does not say of a deployment (tests, risk, approvals) is unknown in both; each finding names what the candidate
would have looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from highroad.access import grants, store
from highroad.access.model import Actor
from highroad.access.permissions import NEVER_TAKEN_FROM_OWNERS, asking, policy_name
from highroad.access.places import ORGANIZATION, Place
from highroad.access.policy.actions import ACTIONS
from highroad.access.policy.engine import Company, Policies, compile_policies
from highroad.access.policy.roles import BUILT_IN
from highroad.access.questions import actors_of, standings
from highroad.db.engine import Transaction
from highroad.events.model import Recorded
from highroad.events.store import decided_since
from highroad.kit.clock import now

DAYS = 30
MOST = 20_000
"""Events that are looked at, the newest ones."""
MOST_SHOWN = 200

Find = Callable[[Transaction, str, str | None, str | None], Place | None]
"""The place of a project, environment and service by name; None for what is there no more."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A decision that would have been another. `unknown` are circumstances that the deciding statement looks at and
    the log does not tell."""

    time: datetime
    actor: str
    action: str
    place: Place
    policy: str
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """`decisions` were made again; `left_out` could not be, because the account or the place is gone or the present
    grants decide otherwise than those of then. `cut`: there were more than are looked at."""

    since: datetime
    decisions: int
    left_out: int
    refused: tuple[Changed, ...]
    allowed: tuple[Changed, ...]
    cut: bool


def replay(tx: Transaction, candidate: Iterable[Company], find: Find, *, days: int = DAYS) -> Replayed:
    """What would have been with `candidate` as all of the company's policies."""
    since = now() - timedelta(days=days)
    recorded = decided_since(tx, since, limit=MOST)
    after = compile_policies([*BUILT_IN, *grants.custom_roles(tx)], candidate)
    question = _Question(grants.policies_in_force(tx), after)
    actors, places = _accounts(tx), _Places(tx, find)
    refused: list[Changed] = []
    permitted: list[Changed] = []
    decisions = left_out = 0
    for event in _once_each(recorded):
        actor, place = actors.get(event.actor_id or ""), places.of(event)
        if actor is None or place is None or event.action not in ACTIONS:
            left_out += 1
            continue
        before, then, changed = question.ask(actor, event, place)
        if before != (event.decision != "refused"):
            left_out += 1
            continue
        decisions += 1
        if before != then:
            (permitted if then else refused).append(changed)
    return Replayed(since, decisions, left_out, tuple(refused[::-1]), tuple(permitted[::-1]), len(recorded) == MOST)


@dataclass(frozen=True, slots=True)
class _Question:
    """The policies of now, and those that might be."""

    before: Policies
    after: Policies

    def ask(self, actor: Actor, event: Recorded, place: Place) -> tuple[bool, bool, Changed]:
        action = event.action or ""
        known = circumstances_of(event)
        protected = action in NEVER_TAKEN_FROM_OWNERS and actor.role == "owner" and actor.kind == "user"
        who = asking(actor, place)
        made = [each.decide(who, action, place, known, event.time) for each in (self.before, self.after)]
        deciding, by = (made[0], self.before) if made[1].allowed else (made[1], self.after)
        names = ", ".join(sorted({policy_name(id) for id in deciding.policies if id.startswith("company:")}))
        looked_at = by.circumstances_of(deciding.policies) if made[0].allowed != made[1].allowed else frozenset()
        unknown = tuple(sorted(looked_at - known.keys()))
        changed = Changed(event.time, event.actor, action, place, names, unknown)
        return made[0].allowed or protected, made[1].allowed or protected, changed


def circumstances_of(event: Recorded) -> dict[str, object]:
    """What the log tells of the circumstances of a decision, by the names that policies know."""
    content, custom = _part(event.data, "subject", "content"), _part(event.data, "customData")
    found: dict[str, object] = {"origin": event.origin}
    for name, value in (("kind", content.get("kind")), ("branch", custom.get("branch"))):
        if isinstance(value, str) and value:
            found[name] = value
    return found


def _part(data: Mapping[str, object], *path: str) -> Mapping[str, object]:
    here: object = data
    for name in path:
        here = here.get(name) if isinstance(here, dict) else None
    return here if isinstance(here, dict) else {}


def _once_each(recorded: Iterable[Recorded]) -> list[Recorded]:
    """One event for each thing that somebody did: a request that wrote several events was decided once."""
    seen: set[tuple[object, ...]] = set()
    kept = []
    for event in recorded:
        key = (event.request, event.action, event.actor_id, event.project, event.environment, event.service)
        if event.request and key in seen:
            continue
        seen.add(key)
        kept.append(event)
    return kept


@dataclass(slots=True)
class _Places:
    """Places of events, each looked up once."""

    tx: Transaction
    find: Find

    _known: dict[tuple[str, str | None, str | None], Place | None] = field(default_factory=dict)

    def of(self, event: Recorded) -> Place | None:
        kinds = ACTIONS[event.action].places if event.action in ACTIONS else ()
        environment = event.environment if "environment" in kinds else None
        service = event.service if environment or "service" in kinds else None
        if event.project is None or kinds == ("organization",):
            return ORGANIZATION if "organization" in kinds else None
        key = (event.project, environment, service)
        if key not in self._known:
            self._known[key] = self.find(self.tx, *key)
        found = self._known[key]
        return found if found is not None and found.kind in kinds else None


def _accounts(tx: Transaction) -> dict[str, Actor]:
    """Users and service accounts with what they hold now. Policy tokens are left out: their own policy decides."""
    people = [user for kind in ("user", "service") for user in store.list_users(tx, kind) if user.active]
    return actors_of(tx, people, standings(tx))
