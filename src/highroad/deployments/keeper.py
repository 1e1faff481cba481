"""Keeps the gates: whether a deployment may go, holds it while it may not, and lets it go when the gates have opened.

A deployment that waits is a row and no more: nothing runs for it, so it survives every restart. It is looked at when
somebody approves, when gates change, when one of them opens or closes by the calendar, each minute besides, and once
more at the moment its turn comes, in the transaction that decides its plan. Times are compared anew each time; what a
clock that jumps makes due too early or too late is looked at, and found open or closed as it then is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from highroad.access.actions import actor_named
from highroad.access.model import SYSTEM, Origin
from highroad.access.permissions import allowed
from highroad.access.places import Place
from highroad.db.engine import Transaction
from highroad.deployments import store
from highroad.deployments.actions import Start, advance, deployment_event, finish
from highroad.deployments.model import Deployment, Plan
from highroad.deployments.prospect import Prospect, prospect_of, what_changed
from highroad.deployments.subject import Subject, subject_of
from highroad.drivers.contract import Driver
from highroad.errors import HighroadError, Permanent, Temporary
from highroad.events import model as events
from highroad.events.log import Who
from highroad.gates import store as gates
from highroad.gates.approvals import Situation
from highroad.gates.decision import Asked, closed_gates, expires_after
from highroad.gates.model import EXPIRES, Closed, Gate, in_words
from highroad.gates.people import people_now
from highroad.gates.store import Wait
from highroad.kit.clock import now
from highroad.pipelines import store as pipelines
from highroad.pipelines.journal import Journal
from highroad.projects.model import Environment
from highroad.projects.references import Delivered
from highroad.sources.repository import Commit, Repository
from highroad.web.context import Context

LOOK = timedelta(seconds=60)
"""How often what waits is looked at, whatever happens: somebody may have lost the permission that made them count."""
MOST_COMMITS = 1000
_CO_AUTHOR = re.compile(r"^co-authored-by:.*<([^<>\s]+)>\s*$", re.IGNORECASE | re.MULTILINE)
_ADDRESS = re.compile(r"<([^<>\s]+)>\s*$")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Implements `actions.Gatekeeping`. `clock` says what time it is."""

    context: Context
    driver: Driver
    journal: Journal
    repository_of: Callable[[str], Repository]
    start: Start
    clock: Callable[[], datetime] = now

    # Asking

    def closed_for(self, tx: Transaction, environment: Environment, kind: str) -> tuple[Closed, ...]:
        """The gates that are closed for a new deployment of this kind. Without any gate: one indexed query."""
        guards = gates.gates_of(tx, environment)
        if not guards:
            return ()
        nothing_said = Situation((), {}, frozenset(), 1, self.clock())
        return closed_gates(guards, Asked(kind, environment.name, nothing_said))

    def hold(self, tx: Transaction, deployment_id: str, who: Who) -> None:
        """The deployment was written as waiting: find out what for. One that cannot be carried out waits for nobody:
        its turn comes, and says why."""
        subject = subject_of(tx, deployment_id)
        prospect = self._prospect(tx, subject)
        if prospect is None:
            self._release(tx, subject)
            return
        guards = gates.gates_of(tx, subject.environment)
        asker = {who.name, str(getattr(who, "id", "") or who.name)}
        self._wait(tx, subject, prospect, guards, None, authors=frozenset(asker), voided="")

    # Looking again

    def look(self, at: datetime) -> None:
        """Look at all that is due. Called every second by the caretaker."""
        with self.context.db.read() as tx:
            due = [wait.deployment_id for wait in gates.waits_due(tx, at)]
        for id in due:
            try:
                with self.context.db.begin() as tx:
                    self.weigh(tx, id)
            except (HighroadError, Temporary, Permanent) as error:
                logger.warning("gates of %s: %s; looked at again in a second", id, error)

    def weigh(self, tx: Transaction, id: str) -> Wait | None:
        """Look at one deployment: it goes, has expired, or waits on, perhaps for something else. What it waits for
        afterwards; None when it does not wait (any more)."""
        deployment = self.locked(tx, id)
        wait = gates.wait_of(tx, id)
        if deployment is None or wait is None or deployment.state != "waiting":
            gates.end_wait(tx, id)
            return None
        subject = subject_of(tx, id)
        if self.clock() >= wait.expires_at:
            self._expire(tx, subject, wait)
            return None
        prospect = self._prospect(tx, subject)
        if prospect is None:
            self._release(tx, subject)
            return None
        guards = gates.gates_of(tx, subject.environment)
        wait = self._renewed(tx, subject, prospect, wait)
        closed = self._closed(tx, subject, guards, wait)
        if not closed:
            gates.save_wait(tx, wait)
            if self._may_go(tx, subject, wait):
                self._release(tx, subject)
            return None
        return self._keep(tx, subject, wait, closed)

    def locked(self, tx: Transaction, id: str) -> Deployment | None:
        """The deployment as it is when nobody else changes its place: of two who decide at once, one waits here."""
        known = store.deployment(tx, id)
        if known is not None:
            store.placement(tx, known.service_id, known.environment_id, lock=True)
        return store.deployment(tx, id)

    # Its turn

    def sends_back(self, tx: Transaction, subject: Subject, prospect: Prospect) -> bool:
        """At its turn: whether a gate is closed after all, or the approved plan is another one by now. Then it waits
        again, and its turn is given to the next."""
        guards = gates.gates_of(tx, subject.environment)
        if not guards:
            return False
        wait = gates.wait_of(tx, subject.deployment.id)
        known = wait or Wait(
            subject.deployment.id,
            subject.service.id,
            subject.environment.id,
            1,
            prospect.fingerprint,
            store.plan_to_text(prospect.plan),
            frozenset(),
            (),
            "",
            self.clock(),
            self.clock() + EXPIRES,
            None,
            self.clock(),
        )
        voided = self._difference(subject, prospect, wait) if wait else ""
        rounds = replace(known, round=known.round + 1) if voided else known
        if voided:
            self._void_pass(tx, subject)
        if not self._closed(tx, subject, guards, rounds):
            return False
        deployment = subject.deployment
        if not store.move_deployment(
            tx, deployment.id, ["running"], "waiting", turn=deployment.turn + 1, started_at=None, step=""
        ):
            return True
        store.end_turn(tx, deployment.id)
        self._wait(tx, subject, prospect, guards, wait, authors=known.authors | {deployment.actor}, voided=voided)
        advance(tx, subject.service.id, subject.environment.id, self.start)
        return True

    # What they share

    def _prospect(self, tx: Transaction, subject: Subject) -> Prospect | None:
        """None when the deployment cannot be carried out, which its step `plan` says, after looking at the gates."""
        try:
            prospect = prospect_of(tx, subject, self.driver, self.context.settings)
        except HighroadError as error:
            logger.info("%s has no plan: %s", subject.deployment.id, error)
            return None
        return None if prospect.plan.problems else prospect

    def _wait(
        self,
        tx: Transaction,
        subject: Subject,
        prospect: Prospect,
        guards: Sequence[Gate],
        before: Wait | None,
        *,
        authors: frozenset[str],
        voided: str,
    ) -> None:
        """Write down what it waits for, anew."""
        deployment, at = subject.deployment, self.clock()
        found = Wait(
            deployment.id,
            subject.service.id,
            subject.environment.id,
            (before.round + (1 if voided else 0)) if before else 1,
            prospect.fingerprint,
            store.plan_to_text(prospect.plan),
            authors | self.authors_of(tx, subject),
            (),
            voided,
            before.since if before else at,
            at + expires_after(guards, EXPIRES),
            at,
            at,
        )
        if deployment.kind != "rollback":
            store.set_configuration(tx, deployment.id, prospect.known)
        gates.save_wait(tx, found)
        if voided:
            self._void(tx, subject, before or found, voided)
        closed = self._closed(tx, subject, guards, found)
        self._keep(tx, subject, found, closed)
        event = deployment_event(
            events.DEPLOYMENT_WAITING,
            subject.service,
            subject.environment,
            deployment,
            plan=prospect.plan.summary,
            waiting=in_words(closed),
        )
        self.context.log.append(tx, event, _Asker(deployment))
        if any(each.kind == "approvals" for each in closed):
            asked = deployment_event(
                events.APPROVAL_ASKED,
                subject.service,
                subject.environment,
                deployment,
                plan=prospect.plan.summary,
                fingerprint=prospect.fingerprint,
                round=found.round,
                waiting=in_words(closed),
                expires=found.expires_at.isoformat(),
            )
            self.context.log.append(tx, asked, _Asker(deployment))

    def _keep(self, tx: Transaction, subject: Subject, wait: Wait, closed: tuple[Closed, ...]) -> Wait:
        """It waits on; people are told when it is for something else than before."""
        at = self.clock()
        changes = [each.until for each in closed if each.until is not None and each.until > at]
        soonest = min([*changes, wait.expires_at, at + LOOK])
        kept = replace(wait, closed=closed, recheck_at=soonest, looked_at=at)
        gates.save_wait(tx, kept)
        words, id = in_words(closed), subject.deployment.id
        if words != subject.deployment.reason:
            next_step = _next_step(id, closed)
            store.update_deployment(tx, id, reason=words, next_step=next_step)
            self.say(id, f"-----> {words}")
            self.say(id, f"       {next_step}")
            tx.after_commit(self.context.bell.ring)
        return kept

    def _closed(self, tx: Transaction, subject: Subject, guards: Sequence[Gate], wait: Wait) -> tuple[Closed, ...]:
        deployment, environment = subject.deployment, subject.environment
        passed = gates.pass_of(tx, deployment.id)
        asked = Asked(
            deployment.kind,
            environment.name,
            self.situation(tx, subject.place, guards, wait),
            frozenset(each.gate_id for each in passed.closed) if passed else frozenset(),
        )
        return closed_gates(guards, asked)

    def situation(self, tx: Transaction, place: Place, guards: Sequence[Gate], wait: Wait) -> Situation:
        """What is known of the approvals of a deployment, with the people as they are now at its place."""
        wanted = any(each.kind == "approvals" for each in guards)
        votes = gates.votes_of(tx, wait.deployment_id) if wanted else []
        people = people_now(tx, [each.user_id for each in votes], place)
        authors = frozenset(each.lower() for each in wait.authors) | wait.authors
        return Situation(votes, people, authors, wait.round, self.clock())

    def _renewed(self, tx: Transaction, subject: Subject, prospect: Prospect, wait: Wait) -> Wait:
        """The wait with the plan as it is now; approvals of another one are void."""
        voided = self._difference(subject, prospect, wait)
        if not voided:
            return wait
        renewed = replace(
            wait,
            round=wait.round + 1,
            fingerprint=prospect.fingerprint,
            plan=store.plan_to_text(prospect.plan),
            authors=wait.authors | self.authors_of(tx, subject),
            voided=voided,
        )
        if subject.deployment.kind != "rollback":
            store.set_configuration(tx, subject.deployment.id, prospect.known)
        self._void_pass(tx, subject)
        self._void(tx, subject, wait, voided)
        return renewed

    def _difference(self, subject: Subject, prospect: Prospect, wait: Wait) -> str:
        """What has changed since the plan was written down; empty: nothing that matters."""
        before, after = subject.deployment.configuration, prospect.known
        same = subject.deployment.kind == "rollback" or (dict(before) == dict(after) and not before.differing(after))
        if same and wait.fingerprint == prospect.fingerprint:
            return ""
        if same:
            before = after = Delivered()
        return what_changed(store.plan_of_text(wait.plan), prospect.plan, before, after)

    def _void(self, tx: Transaction, subject: Subject, wait: Wait, why: str) -> None:
        id = subject.deployment.id
        given = [each.user for each in gates.votes_of(tx, id) if each.round == wait.round]
        self.say(id, f" !     The plan has changed: {why}.")
        if not given:
            return
        self.say(id, f" !     The approvals of {', '.join(given)} are void.")
        event = deployment_event(
            events.APPROVAL_VOIDED,
            subject.service,
            subject.environment,
            subject.deployment,
            why=why,
            approvals=given,
            round=wait.round,
        )
        self.context.log.append(tx, event, SYSTEM)

    def _void_pass(self, tx: Transaction, subject: Subject) -> None:
        """A broken glass was for the plan that its breaker has seen, and for no other."""
        passed = gates.pass_of(tx, subject.deployment.id)
        if passed is not None and passed.closed:
            gates.void_pass(tx, subject.deployment.id)
            self.say(
                subject.deployment.id, f" !     {passed.actor} broke the glass for another plan: it counts no more."
            )

    def _may_go(self, tx: Transaction, subject: Subject, wait: Wait) -> bool:
        """Whether whoever asked may deploy here still, days later perhaps; ends the deployment if not. Policies are
        told how many approved."""
        deployment, release = subject.deployment, subject.release
        asker = actor_named(tx, deployment.actor, origin=cast(Origin, deployment.origin))
        votes = [each for each in gates.votes_of(tx, deployment.id) if each.round == wait.round]
        if allowed(
            asker,
            "deployment:write",
            subject.place,
            kind=deployment.kind,
            branch=release.branch,
            tests_passed=pipelines.tests_passed(tx, release.run_id),
            approvals=len(votes),
        ):
            return True
        reason = f"{deployment.actor}, who asked for it, may not deploy here any more."
        step = "Somebody who may asks for it again: highroad deploy"
        service, environment = subject.service, subject.environment
        if finish(tx, self.context.log, service, environment, deployment, ("waiting",), "refused", reason, step):
            self.say(deployment.id, f" !     Deployment {deployment.number} is refused: {reason}")
        gates.end_wait(tx, deployment.id)
        return False

    def _release(self, tx: Transaction, subject: Subject) -> None:
        """All gates are open: it queues for its turn."""
        id = subject.deployment.id
        gates.end_wait(tx, id)
        if store.move_deployment(tx, id, ["waiting"], "queued", reason="", next_step=""):
            advance(tx, subject.service.id, subject.environment.id, self.start)
            tx.after_commit(self.context.bell.ring)

    def _expire(self, tx: Transaction, subject: Subject, wait: Wait) -> None:
        service, environment, deployment = subject.service, subject.environment, subject.deployment
        reason = f"It waited too long: {in_words(wait.closed)[:1].lower()}{in_words(wait.closed)[1:]}."
        step = "Ask for it again: highroad deploy"
        if finish(tx, self.context.log, service, environment, deployment, ("waiting",), "expired", reason, step):
            event = deployment_event(events.APPROVAL_EXPIRED, service, environment, deployment, reason=reason)
            self.context.log.append(tx, event, SYSTEM)
            self.say(deployment.id, f" !     Deployment {deployment.number} expired: {reason}")

    def say(self, id: str, text: str) -> None:
        self.journal.write(id, "deploy", text)

    # Who is in it

    def authors_of(self, tx: Transaction, subject: Subject) -> frozenset[str]:
        """Names and addresses of those who asked for the deployment, have commits in it, or pushed one of them."""
        release, deployment = subject.release, subject.deployment
        found = {deployment.actor, _address(release.author)}
        commits = self.commits_between(tx, subject)
        for commit in commits:
            found |= {commit.email, *_CO_AUTHOR.findall(commit.message)}
        found |= set(pipelines.pushers_of(tx, subject.service.id, [release.commit, *(each.sha for each in commits)]))
        return frozenset(each.strip().lower() for each in found if each.strip())

    def commits_between(self, tx: Transaction, subject: Subject) -> list[Commit]:
        """Those that the deployment adds to what runs now, newest first; none when nothing runs yet, or when the
        repository no longer has them."""
        running = subject.placement.release_id
        before = pipelines.release(tx, running) if running else None
        repository = self.repository_of(subject.service.id)
        if before is None or not repository.exists():
            return []
        try:
            return repository.log(subject.release.commit, limit=MOST_COMMITS, since=before.commit)
        except HighroadError as error:
            logger.info("commits of %s: %s", subject.deployment.id, error)
            return []


def plan_of(tx: Transaction, deployment: Deployment) -> Plan | None:
    """The deployment's plan; while it waits, the one that it would be carried out by."""
    if deployment.plan is not None:
        return deployment.plan
    wait = gates.wait_of(tx, deployment.id)
    return store.plan_of_text(wait.plan) if wait else None


@dataclass(frozen=True, slots=True)
class _Asker:
    """Whoever asked for the deployment, as its events name them."""

    deployment: Deployment

    @property
    def name(self) -> str:
        return self.deployment.actor

    @property
    def origin(self) -> str:
        return self.deployment.origin


def _next_step(id: str, closed: Sequence[Closed]) -> str:
    if any(each.kind == "approvals" for each in closed):
        return f"Approve: highroad approve {id}"
    return f"It goes on by itself. Withdraw it: highroad cancel {id}"


def _address(author: str) -> str:
    """`ann@example.com` of `Ann <ann@example.com>`."""
    match = _ADDRESS.search(author)
    return match[1] if match else author
