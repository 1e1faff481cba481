"""Gates: what can keep a deployment waiting before it may change an environment. Pure values.

An approval rule waits for people, a freeze and a deployment window for the calendar, a lock for whoever set it. Each
stands at one environment, at the environments of one mode in a project, or at those in the whole organization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from highroad.gates.calendar import Calendar

GateKind = Literal["approvals", "freeze", "window", "lock"]
GATE_KINDS: tuple[str, ...] = get_args(GateKind)
OfKind = Literal["team", "organization", "role", "user"]
PASSABLE: tuple[str, ...] = ("deploy", "rollback", "restart", "scale", "stop", "start", "configure")
"""The kinds of deployment that a gate can let pass."""

MAX_AGE = timedelta(hours=24)
EXPIRES = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Where:
    """Where a gate stands. Ids are None for "all"; names are for people. An environment comes without a mode."""

    project_id: str | None = None
    project: str = ""
    environment_id: str | None = None
    environment: str = ""
    mode: str | None = None

    @property
    def key(self) -> str:
        """What the gate is found by: one of `keys_of` of every environment that it guards."""
        if self.environment_id is not None:
            return f"environment:{self.environment_id}"
        return f"{self.project_id or '*'}:{self.mode or '*'}"

    def __str__(self) -> str:
        if self.environment_id is not None:
            return f"{self.project}/{self.environment}"
        which = f"{self.mode} environments" if self.mode else "environments"
        return f"all {which} of {self.project}" if self.project_id else f"all {which}"


EVERYWHERE = Where()


def keys_of(environment_id: str, project_id: str, mode: str) -> tuple[str, ...]:
    """The places whose gates guard this environment."""
    return (f"environment:{environment_id}", f"{project_id}:{mode}", f"{project_id}:*", f"*:{mode}", "*:*")


@dataclass(frozen=True, slots=True)
class Of:
    """Whose approval counts: members of a team, people with a role in the organization or in the environment, or one
    user by email address."""

    kind: OfKind
    name: str

    def __str__(self) -> str:
        return {"team": f"team {self.name}", "role": f"role {self.name}"}.get(self.kind, self.name)


@dataclass(frozen=True, slots=True)
class Alternative:
    """So many different people of these."""

    count: int
    of: Of

    def __str__(self) -> str:
        return f"{self.count} of {self.of}"


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """One of the alternatives has to be met. `max_age` is how long an approval counts (None: as long as the deployment
    waits), `expires` how long a deployment waits for it. `void_on_change`: a changed plan has to be approved anew."""

    alternatives: tuple[Alternative, ...]
    not_author: bool = True
    max_age: timedelta | None = MAX_AGE
    void_on_change: bool = True
    expires: timedelta = EXPIRES

    def __str__(self) -> str:
        return " or ".join(str(each) for each in self.alternatives)


@dataclass(frozen=True, slots=True)
class Freeze:
    """Closed while the calendar has one of its times."""

    calendar: Calendar
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Open only while the calendar has one of its times; several at the same place add up."""

    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Lock:
    """Closed until somebody unlocks, at the latest `until`."""

    why: str
    until: datetime | None = None


Rule = ApprovalRule | Freeze | Window | Lock


@dataclass(frozen=True, slots=True)
class Gate:
    """`passes` are the kinds of deployment that it does not hold up."""

    id: str
    where: Where
    name: str
    rule: Rule
    passes: frozenset[str]
    created_at: datetime
    created_by: str

    @property
    def kind(self) -> GateKind:
        kinds: dict[type, GateKind] = {
            ApprovalRule: "approvals",
            Freeze: "freeze",
            Window: "window",
            Lock: "lock",
        }
        return kinds[type(self.rule)]


@dataclass(frozen=True, slots=True)
class Closed:
    """A gate that is closed, and why: "for 1 of 2 approvals of team payments", "locked by ada: migration". `until` is
    when it opens by itself, None when only people can open it. Empty words: another gate says it."""

    gate_id: str
    kind: GateKind
    words: str
    until: datetime | None = None


def in_words(closed: Sequence[Closed]) -> str:
    """`Waiting for 1 of 2 approvals of team payments; production is frozen until ...`: one line for people."""
    approvals = [each.words for each in closed if each.kind == "approvals"]
    others = [each.words for each in closed if each.kind != "approvals" and each.words]
    parts = [f"waiting {' and '.join(approvals)}"] if approvals else []
    text = "; ".join([*parts, *others])
    return text[:1].upper() + text[1:]
