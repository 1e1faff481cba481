"""What an approver sees of a deployment that waits: commits, files and patch, tests, scans and risk; who said what.

Read in two parts: rows in one transaction, then git outside of it, because a comparison may take a moment.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from highroad.builds.junit import TestRun
from highroad.db.engine import Transaction
from highroad.deployments import store
from highroad.deployments.keeper import Keeper
from highroad.deployments.model import Plan
from highroad.deployments.subject import Subject, subject_of
from highroad.errors import HighroadError
from highroad.gates import store as gates
from highroad.gates.approvals import Vote, is_author, why_not
from highroad.gates.model import ApprovalRule
from highroad.gates.people import people_now
from highroad.gates.risk import Change, Risk, risk_of
from highroad.gates.store import Wait
from highroad.kit.paging import PageRequest
from highroad.pipelines import store as pipelines
from highroad.pipelines.model import Release
from highroad.sources.comparison import Comparison, compare
from highroad.sources.repository import Commit

MOST_COMMITS = 100
RECENT = 20
Direction = Literal["first", "forward", "back", "same", "unknown"]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Said:
    """A vote, and why it does not count: empty when it does, or when no rule asks for approvals."""

    vote: Vote
    why_not: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database knows. `before` is the release that runs now."""

    subject: Subject
    before: Release | None
    wait: Wait
    plan: Plan
    tests: TestRun | None
    said: tuple[Said, ...]
    since_last: timedelta | None
    failures: int
    recent: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """`commits` are newest first, `more` says that there are others; `direction` is where they lead from what runs."""

    facts: Facts
    direction: Direction
    commits: tuple[Commit, ...]
    more: bool
    comparison: Comparison | None
    risk: Risk


def facts_of(tx: Transaction, keeper: Keeper, wait: Wait) -> Facts:
    subject = subject_of(tx, wait.deployment_id)
    running = subject.placement.release_id
    since, failures, recent = _history(tx, subject, keeper.clock())
    return Facts(
        subject,
        pipelines.release(tx, running) if running else None,
        wait,
        store.plan_of_text(wait.plan),
        pipelines.tests_of(tx, subject.release.run_id),
        said_of(tx, keeper, subject, wait),
        since,
        failures,
        recent,
    )


def said_of(tx: Transaction, keeper: Keeper, subject: Subject, wait: Wait) -> tuple[Said, ...]:
    guards = gates.gates_of(tx, subject.environment)
    rules = [each.rule for each in guards if isinstance(each.rule, ApprovalRule)]
    now = keeper.situation(tx, subject.place, guards, wait)
    found = []
    for vote in gates.votes_of(tx, wait.deployment_id):
        reasons = [why_not(rule, vote, now) for rule in rules]
        counts = not rules or vote.verdict == "refuse" or any(why is None for why in reasons)
        found.append(Said(vote, "" if counts else str(reasons[0])))
    return tuple(found)


def may_approve(tx: Transaction, keeper: Keeper, user_id: str, wait: Wait) -> bool:
    """Whether this person's approval would count and is missing: the deployment waits for them."""
    if not any(each.kind == "approvals" for each in wait.closed):
        return False
    subject = subject_of(tx, wait.deployment_id)
    guards = gates.gates_of(tx, subject.environment)
    now = keeper.situation(tx, subject.place, guards, wait)
    if any(vote.user_id == user_id and vote.round == wait.round for vote in now.votes):
        return False
    person = people_now(tx, [user_id], subject.place).get(user_id)
    if person is None or not person.active or not person.may_approve:
        return False
    closed = {each.gate_id for each in wait.closed}
    rules = [each.rule for each in guards if each.id in closed and isinstance(each.rule, ApprovalRule)]
    return any(
        not (rule.not_author and is_author(person, now.authors))
        and any(person.is_of(each.of) for each in rule.alternatives)
        for rule in rules
    )


def evidence_of(keeper: Keeper, facts: Facts) -> Evidence:
    """With the commits and the patch, as far as the repository has them."""
    direction, commits, comparison = _changes(keeper, facts)
    return Evidence(
        facts,
        direction,
        tuple(commits[:MOST_COMMITS]),
        len(commits) > MOST_COMMITS,
        comparison,
        risk_of(_change(facts, direction, commits, comparison)),
    )


def _changes(keeper: Keeper, facts: Facts) -> tuple[Direction, list[Commit], Comparison | None]:
    before, release = facts.before, facts.subject.release
    if before is not None and before.commit == release.commit:
        return "same", [], Comparison((), "", 0)
    repository = keeper.repository_of(facts.subject.service.id)
    if not repository.exists():
        return "unknown", [], None
    try:
        if before is None:
            return "first", repository.log(release.commit, limit=MOST_COMMITS + 1), None
        comparison = compare(repository, before.commit, release.commit)
        back = repository.is_ancestor(release.commit, before.commit)
        old, new = (release.commit, before.commit) if back else (before.commit, release.commit)
        commits = repository.log(new, limit=MOST_COMMITS + 1, since=old)
        return ("back" if back else "forward"), commits, comparison
    except HighroadError as error:
        logger.info("changes of %s: %s", facts.subject.deployment.id, error)
        return "unknown", [], None


def _change(facts: Facts, direction: Direction, commits: Sequence[Commit], comparison: Comparison | None) -> Change:
    tests = facts.tests
    bad = tests.count("failed") + tests.count("error") if tests else 0
    return Change(
        files=[each.path for each in comparison.files] if comparison else None,
        lines=comparison.lines if comparison else None,
        commits=len(commits) if direction in ("forward", "back") else None,
        configuration=sum(1 for each in facts.plan.changes if each.kind == "configure"),
        since_last=facts.since_last,
        failures=facts.failures,
        recent=facts.recent,
        tests="none" if tests is None or not tests.cases else "failed" if bad else "passed",
        backward=direction == "back" or facts.subject.deployment.kind == "rollback",
    )


def _history(tx: Transaction, subject: Subject, at: datetime) -> tuple[timedelta | None, int, int]:
    """How long ago the last success here is, and failures among the recent deployments that ended."""
    rows = store.list_deployments(tx, subject.service.id, subject.environment.id, PageRequest(RECENT + 1)).items
    ended = [
        each for each in rows if each.state in ("succeeded", "failed") and at - each.created_at < timedelta(days=30)
    ]
    last = next((each.finished_at for each in rows if each.state == "succeeded" and each.finished_at), None)
    failures = sum(1 for each in ended if each.state == "failed")
    return (max(timedelta(), at - last) if last else None), failures, len(ended)
