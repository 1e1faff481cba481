"""Deployments that wait, as the API answers them and pages show them."""

from __future__ import annotations

from pydantic import Field

from highroad.access.model import Actor
from highroad.access.permissions import allowed
from highroad.db.engine import Transaction
from highroad.deployments import store
from highroad.deployments.answers import PlanAnswer, ReleaseSummary, plan_answer, release_summary
from highroad.deployments.evidence import Direction, Evidence, Said, may_approve, said_of
from highroad.deployments.keeper import Keeper
from highroad.deployments.subject import subject_of
from highroad.gates.model import Closed, in_words
from highroad.gates.store import Wait
from highroad.web.api import Answer, Instant

NO_SCANNERS = "No scanners are connected: nothing is known of vulnerabilities."


class ClosedAnswer(Answer):
    gate: str = Field(description="The id of the gate.")
    kind: str = Field(description="approvals, freeze, window or lock")
    words: str
    until: Instant | None = Field(description="When it opens by itself; null: when people open it.")


class SaidAnswer(Answer):
    user: str
    verdict: str = Field(description="approve or refuse")
    comment: str
    at: Instant
    counts: bool
    why_not: str


class WaitAnswer(Answer):
    deployment: str
    number: int
    project: str
    service: str
    environment: str
    mode: str
    kind: str
    release: ReleaseSummary
    actor: str
    waiting: str = Field(description="What it waits for, in words.")
    closed: list[ClosedAnswer]
    said: list[SaidAnswer]
    voided: str = Field(description="Why earlier approvals are void, when the plan has changed.")
    for_you: bool = Field(description="Whether your approval counts and is missing.")
    plan_version: str = Field(description="Goes back with an approval: it is for the plan as you saw it.")
    since: Instant
    expires_at: Instant


class CommitAnswer(Answer):
    sha: str
    subject: str
    author: str
    at: Instant


class FileAnswer(Answer):
    path: str
    added: int | None = Field(description="Lines; null for a binary or very large file.")
    removed: int | None


class RiskReason(Answer):
    points: int
    words: str


class RiskAnswer(Answer):
    score: int = Field(description="0 to 100: the sum of the reasons.")
    level: str = Field(description="low, medium or high")
    reasons: list[RiskReason]


class WaitDetail(WaitAnswer):
    plan: PlanAnswer
    running: ReleaseSummary | None = Field(description="What runs there now.")
    direction: str = Field(description="first, forward, back, same or unknown: where the commits lead from what runs.")
    commits: list[CommitAnswer] = Field(description="Newest first; when direction is back, those that are taken back.")
    more_commits: bool
    files: list[FileAnswer]
    patch: str = Field(description="In Git's form, bounded in size.")
    patch_left_out: int = Field(description="How many files the patch lacks, because they are binary or too large.")
    tests: str
    scans: str
    risk: RiskAnswer


def wait_answer(tx: Transaction, keeper: Keeper, actor: Actor, wait: Wait) -> WaitAnswer:
    subject = subject_of(tx, wait.deployment_id)
    deployment, environment = subject.deployment, subject.environment
    return WaitAnswer(
        deployment=deployment.id,
        number=deployment.number,
        project=subject.service.project,
        service=subject.service.name,
        environment=environment.name,
        mode=environment.mode,
        kind=deployment.kind,
        release=release_summary(subject.release),
        actor=deployment.actor,
        waiting=in_words(wait.closed),
        closed=[_closed(each) for each in wait.closed if each.words],
        said=[_said(each) for each in said_of(tx, keeper, subject, wait)],
        voided=wait.voided,
        for_you=deployment.state == "waiting" and may_approve(tx, keeper, actor.id, wait),
        plan_version=wait.seen,
        since=wait.since,
        expires_at=wait.expires_at,
    )


def wait_detail(tx: Transaction, keeper: Keeper, actor: Actor, evidence: Evidence) -> WaitDetail:
    facts = evidence.facts
    comparison = evidence.comparison
    return WaitDetail(
        **wait_answer(tx, keeper, actor, facts.wait).model_dump(mode="python"),
        plan=plan_answer(facts.plan),
        running=release_summary(facts.before) if facts.before else None,
        direction=evidence.direction,
        commits=[
            CommitAnswer(sha=each.sha, subject=each.subject, author=each.author, at=each.committed)
            for each in evidence.commits
        ],
        more_commits=evidence.more,
        files=[FileAnswer.model_validate(each) for each in comparison.files] if comparison else [],
        patch=comparison.patch if comparison else "",
        patch_left_out=comparison.left_out if comparison else 0,
        tests=_tests(evidence),
        scans=NO_SCANNERS,
        risk=RiskAnswer(
            score=evidence.risk.score,
            level=evidence.risk.level,
            reasons=[RiskReason.model_validate(each) for each in evidence.risk.reasons],
        ),
    )


def direction_in_words(direction: Direction | str) -> str:
    return {
        "first": "Nothing runs there yet; these are the newest commits of the release.",
        "forward": "Commits that this adds to what runs.",
        "back": "Commits that are taken back.",
        "same": "The commit that runs already: no code changes.",
    }.get(str(direction), "The commits between what runs and this release are not known.")


def _tests(evidence: Evidence) -> str:
    tests = evidence.facts.tests
    return tests.summary if tests is not None and tests.cases else "No tests were run."


def _closed(closed: Closed) -> ClosedAnswer:
    return ClosedAnswer(gate=closed.gate_id, kind=closed.kind, words=closed.words, until=closed.until)


def _said(said: Said) -> SaidAnswer:
    vote = said.vote
    return SaidAnswer(
        user=vote.user,
        verdict=vote.verdict,
        comment=vote.comment,
        at=vote.at,
        counts=not said.why_not,
        why_not=said.why_not,
    )


def waits_seen_by(tx: Transaction, actor: Actor, waits: list[Wait]) -> list[Wait]:
    """Those of environments that the actor may see, and that still wait."""
    found = []
    for wait in waits:
        deployment = store.deployment(tx, wait.deployment_id)
        if deployment is not None and deployment.state == "waiting":
            subject = subject_of(tx, wait.deployment_id)
            if allowed(actor, "project:read", subject.environment.place):
                found.append(wait)
    return found
