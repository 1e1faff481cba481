"""Whether approvals suffice: whose counts, how many are missing, and why one does not count. Pure.

People are looked up anew each time, so that who was deactivated, left the team or lost the permission since counts no
more. Nobody counts twice, and with "not the author" neither who asked for the deployment nor whose commits are in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from highroad.access.policy.roles import ORGANIZATION_ROLES
from highroad.errors import FieldError, Invalid
from highroad.gates.model import Alternative, ApprovalRule, Of, OfKind

MOST_ALTERNATIVES = 10
MOST_PEOPLE = 20
Verdict = Literal["approve", "refuse"]


class BadRule(Invalid):
    code = "bad-approval-rule"
    title = "The approval rule cannot be read"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as of now: `teams` and `roles` (in the environment in question) by name, those above and below included.
    `may_approve`: has the permission there. Who is no person, such as a service account, does not have it."""

    id: str
    email: str
    active: bool
    may_approve: bool
    teams: frozenset[str] = frozenset()
    organization_role: str = "member"
    roles: frozenset[str] = frozenset()

    def is_of(self, of: Of) -> bool:
        if of.kind == "team":
            return of.name in self.teams
        if of.kind == "organization":
            return of.name == self.organization_role
        if of.kind == "role":
            return of.name in self.roles
        return of.name.lower() == self.email.lower()


@dataclass(frozen=True, slots=True)
class Vote:
    """Who said what, when, and about which `round` of the plan."""

    user_id: str
    user: str
    verdict: Verdict
    comment: str
    at: datetime
    round: int
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What approvals are counted by. `people` by id; `authors` are ids and email addresses of those who asked for the
    deployment or have commits in it. `round` counts how often the plan has changed."""

    votes: Sequence[Vote]
    people: Mapping[str, Person]
    authors: frozenset[str]
    round: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """How one alternative stands: `by` are those whose approvals count."""

    alternative: Alternative
    by: tuple[str, ...]

    @property
    def missing(self) -> int:
        return max(0, self.alternative.count - len(self.by))


def tally(rule: ApprovalRule, now: Situation) -> tuple[Tally, ...]:
    """Each alternative of the rule with the people who count for it."""
    counting = {
        vote.user_id: now.people[vote.user_id]
        for vote in now.votes
        if vote.verdict == "approve" and why_not(rule, vote, now) is None
    }
    return tuple(
        Tally(each, tuple(sorted(person.email for person in counting.values() if person.is_of(each.of))))
        for each in rule.alternatives
    )


def satisfied(tallies: Sequence[Tally]) -> bool:
    return any(each.missing == 0 for each in tallies)


def why_not(rule: ApprovalRule, vote: Vote, now: Situation) -> str | None:
    """Why this approval does not count, in words; None when it does."""
    person = now.people.get(vote.user_id)
    if rule.void_on_change and vote.round != now.round:
        return "the plan has changed since"
    if person is None or not person.active:
        return "they are no longer active"
    if not person.may_approve:
        return "they may no longer approve here"
    if rule.not_author and is_author(person, now.authors):
        return "they asked for it or have commits in it"
    if rule.max_age is not None and now.at - vote.at > rule.max_age:
        return f"it is older than {in_hours(rule.max_age)}"
    if not any(person.is_of(each.of) for each in rule.alternatives):
        return f"they are not among {whom(rule)}"
    return None


def is_author(person: Person, authors: frozenset[str]) -> bool:
    return person.id in authors or person.email.lower() in authors


def words(tallies: Sequence[Tally]) -> str:
    """What is still missing: `for 1 of 2 approvals of team payments or 1 approval of owner`."""
    return "for " + " or ".join(_wanted(each) for each in tallies)


def _wanted(tally: Tally) -> str:
    count, of = tally.alternative.count, tally.alternative.of
    if count == 1:
        return f"1 approval of {of}"
    return f"{tally.missing} of {count} approvals of {of}"


def whom(rule: ApprovalRule) -> str:
    return " or ".join(str(each.of) for each in rule.alternatives)


def in_hours(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 and hours % 24 == 0 else f"{hours:g} h"


# Reading

_ALTERNATIVE = re.compile(r"(?:(?P<count>\d{1,3}) )?(?:approvals? )?(?:of )?(?:an? |the )?(?P<of>.+)", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_EMAIL = re.compile(r"[^\s@]{1,100}@[^\s@]{1,150}")


def alternatives(text: str) -> tuple[Alternative, ...]:
    """Reads `2 of team payments or 1 of owner`; also `role manager` (in the environment) and `ada@example.com`. Raises
    `BadRule`."""
    parts = [part for part in re.split(r"\s+or\s+", " ".join(text.split()), flags=re.IGNORECASE) if part]
    if not 1 <= len(parts) <= MOST_ALTERNATIVES:
        raise _bad(f"It takes 1 to {MOST_ALTERNATIVES} alternatives.")
    found = tuple(_alternative(part) for part in parts)
    return tuple(dict.fromkeys(found))


def _alternative(text: str) -> Alternative:
    match = _ALTERNATIVE.fullmatch(text[:400])
    if match is None:
        raise _bad(f"{text[:60]!r} does not say of whom.")
    of = _of(match["of"].strip())
    count = int(match["count"] or 1)
    most = 1 if of.kind == "user" else MOST_PEOPLE
    if not 1 <= count <= most:
        raise _bad(f"{count} approvals of {of} cannot be had; 1 to {most} can.")
    return Alternative(count, of)


def _of(text: str) -> Of:
    kind, _, name = text.partition(" ")
    kind, name = kind.lower(), name.strip()
    if not name and _EMAIL.fullmatch(text):
        return Of("user", text.lower())
    if kind in ("team", "role", "user") and name:
        checked = _EMAIL.fullmatch(name) if kind == "user" else _NAME.fullmatch(name.lower())
        if checked is None:
            raise _bad(f"{name[:60]!r} is no name of a {kind}.")
        named: dict[str, OfKind] = {"team": "team", "role": "role", "user": "user"}
        return Of(named[kind], name.lower())
    role = kind.removesuffix("s")
    if not name and role in ORGANIZATION_ROLES:
        return Of("organization", role)
    raise _bad(f"{text[:60]!r} is neither a team, a role, an email address nor a role in the organization.")


def _bad(detail: str) -> BadRule:
    step = "Write it like: 2 of team payments or 1 of owner (also: role manager, ada@example.com)"
    return BadRule(detail, next_step=step, errors=[FieldError("/rule", detail)])
