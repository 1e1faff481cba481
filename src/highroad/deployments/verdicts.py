"""What people say to a deployment that waits: approve, refuse, or pass its gates in an emergency.

Each has two transactions, opened by `said`: the first looks at the deployment, so that a plan that has changed is seen
and kept as such; the second takes the word for the plan that its speaker has seen.
"""

from __future__ import annotations

from typing import Literal

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.db.engine import Transaction
from highroad.deployments.actions import DeploymentHasEnded, deployment_event, finish
from highroad.deployments.keeper import Keeper
from highroad.deployments.model import Deployment
from highroad.errors import Conflict, FieldError, Forbidden, Invalid
from highroad.events import model as events
from highroad.gates import store as gates
from highroad.gates.approvals import Vote, is_author, whom, why_not
from highroad.gates.model import ApprovalRule, in_words
from highroad.gates.people import people_now
from highroad.gates.store import Pass, Wait
from highroad.projects import store as projects
from highroad.projects.model import Environment, Service

LONGEST_COMMENT = 2000
Word = Literal["approve", "refuse", "pass"]


class NotWaiting(Conflict):
    code = "deployment-not-waiting"
    title = "The deployment does not wait"


class PlanChanged(Conflict):
    code = "plan-changed"
    title = "The plan has changed since you looked"


class NothingToApprove(Conflict):
    code = "nothing-to-approve"
    title = "No approval is asked for"


class SelfApproval(Forbidden):
    code = "self-approval"
    title = "Nobody approves their own deployment"


class NotAnApprover(Forbidden):
    code = "not-an-approver"
    title = "Your approval would not count"


class ReasonMissing(Invalid):
    code = "reason-missing"
    title = "It needs a reason"


def said(keeper: Keeper, actor: Actor, id: str, word: Word, *, text: str, seen: str = "") -> None:
    """`word` on the deployment `id`, which the caller has found for this actor. `text` is the comment or the reason,
    `seen` the `Wait.seen` of the plan that was looked at; only an approval needs it."""
    with keeper.context.db.begin() as tx:
        keeper.weigh(tx, id)
    with keeper.context.db.begin() as tx:
        deployment = keeper.locked(tx, id)
        service = projects.service_by_id(tx, deployment.service_id) if deployment else None
        environment = projects.environment_by_id(tx, deployment.environment_id) if deployment else None
        if deployment is None or service is None or environment is None:
            raise NotWaiting("It was deleted in the meantime.", next_step="highroad approvals")
        if word == "approve":
            approve(tx, keeper, actor, service, environment, deployment, comment=text, seen=seen)
        elif word == "refuse":
            refuse(tx, keeper, actor, service, environment, deployment, comment=text)
        else:
            pass_gates(tx, keeper, actor, service, environment, deployment, reason=text)


def approve(
    tx: Transaction,
    keeper: Keeper,
    actor: Actor,
    service: Service,
    environment: Environment,
    deployment: Deployment,
    *,
    comment: str,
    seen: str,
) -> None:
    """Saying it again changes nothing. Raises `PlanChanged`, `SelfApproval`, `NotAnApprover`, `NothingToApprove`,
    `NotWaiting`, `DeploymentHasEnded`."""
    require(actor, "deployment:approve", environment.place.of_service(service.name), kind=deployment.kind)
    wait = _waiting(tx, deployment)
    if keeper.clock() >= wait.expires_at:
        raise NotWaiting("It has waited too long and expires.", next_step="Ask for it again: highroad deploy")
    if seen != wait.seen:
        raise PlanChanged(
            f"What you looked at is not what would be done now{': ' + wait.voided if wait.voided else ''}.",
            next_step=f"Look at it again: highroad approvals show {deployment.id}",
        )
    vote = Vote(
        actor.id,
        actor.name,
        "approve",
        _text(comment),
        keeper.clock(),
        wait.round,
        wait.fingerprint,
    )
    _require_counting(tx, keeper, actor, service, environment, wait, vote)
    if not gates.add_vote(tx, wait, vote):
        return
    event = deployment_event(
        events.APPROVAL_GIVEN,
        service,
        environment,
        deployment,
        fingerprint=wait.fingerprint,
        round=wait.round,
        comment=vote.comment,
    )
    keeper.context.log.append(tx, event, actor)
    keeper.say(deployment.id, f"-----> Approved by {actor.name}{_quoted(vote.comment)}")
    keeper.weigh(tx, deployment.id)


def refuse(
    tx: Transaction,
    keeper: Keeper,
    actor: Actor,
    service: Service,
    environment: Environment,
    deployment: Deployment,
    *,
    comment: str,
) -> None:
    """Ends it for good. Whoever may approve here may refuse, also the plan's own author."""
    require(actor, "deployment:approve", environment.place.of_service(service.name), kind=deployment.kind)
    wait = _waiting(tx, deployment)
    text = _reason(comment, "/comment", "A refusal says why, for whoever asked for the deployment.")
    vote = Vote(actor.id, actor.name, "refuse", text, keeper.clock(), wait.round, wait.fingerprint)
    gates.add_vote(tx, wait, vote)
    event = deployment_event(events.APPROVAL_REFUSED, service, environment, deployment, comment=text, round=wait.round)
    keeper.context.log.append(tx, event, actor)
    reason = f"Refused by {actor.name}: {text}"
    finish(tx, keeper.context.log, service, environment, deployment, ("waiting",), "refused", reason)
    keeper.say(deployment.id, f" !     Deployment {deployment.number} refused by {actor.name}: {text}")


def pass_gates(
    tx: Transaction,
    keeper: Keeper,
    actor: Actor,
    service: Service,
    environment: Environment,
    deployment: Deployment,
    *,
    reason: str,
) -> None:
    """Break the glass: the gates that are closed now do not hold this deployment any longer. Others still do."""
    place = environment.place.of_service(service.name)
    require(actor, "gate:pass", place, kind=deployment.kind, break_glass=True)
    text = _reason(reason, "/reason", "Passing a gate needs a reason; everybody will read it.")
    wait = _waiting(tx, deployment)
    made = Pass(
        deployment.id,
        service.id,
        environment.id,
        actor.name,
        text,
        wait.closed,
        keeper.clock(),
    )
    gates.add_pass(tx, made)
    event = deployment_event(
        events.GATE_PASSED,
        service,
        environment,
        deployment,
        reason=text,
        passed=in_words(wait.closed),
        gates=[each.gate_id for each in wait.closed],
        fingerprint=wait.fingerprint,
    )
    keeper.context.log.append(tx, event, actor)
    keeper.say(deployment.id, f" !     {actor.name} broke the glass: {text}")
    keeper.weigh(tx, deployment.id)


def _waiting(tx: Transaction, deployment: Deployment) -> Wait:
    if deployment.ended:
        raise DeploymentHasEnded(
            f"Deployment {deployment.number} has ended: {deployment.state}. {deployment.reason}".rstrip(),
            next_step=f"highroad show {deployment.id}",
        )
    wait = gates.wait_of(tx, deployment.id)
    if deployment.state != "waiting" or wait is None:
        raise NotWaiting(
            f"Deployment {deployment.number} is {deployment.state}: it waits for nobody.",
            next_step=f"highroad show {deployment.id}",
        )
    return wait


def _require_counting(
    tx: Transaction,
    keeper: Keeper,
    actor: Actor,
    service: Service,
    environment: Environment,
    wait: Wait,
    vote: Vote,
) -> None:
    """An approval that no rule here would count is refused, with the reason, rather than silently kept."""
    guards = [each for each in gates.gates_of(tx, environment) if isinstance(each.rule, ApprovalRule)]
    rules = [each.rule for each in guards if isinstance(each.rule, ApprovalRule)]
    if not rules:
        raise NothingToApprove(
            f"{in_words(wait.closed)}.", next_step="It goes on by itself. In an emergency: highroad break-glass"
        )
    place = environment.place.of_service(service.name)
    now = keeper.situation(tx, place, guards, wait)
    me = people_now(tx, [actor.id], place)
    asked = type(now)(now.votes, {**now.people, **me}, now.authors, now.round, now.at)
    reasons = [why_not(rule, vote, asked) for rule in rules]
    if any(why is None for why in reasons):
        return
    person = me.get(actor.id)
    if person is not None and is_author(person, asked.authors) and all(rule.not_author for rule in rules):
        raise SelfApproval(
            "You asked for this deployment, or have commits in it.", next_step=f"Ask {whom(rules[0])} to approve."
        )
    if actor.kind != "user":
        raise NotAnApprover("Only people approve.", next_step="Approve it in the portal, or with a token of your own.")
    raise NotAnApprover(
        f"It waits for {' and '.join(str(rule) for rule in rules)}, and you are none of them.",
        next_step=f"Ask {whom(rules[0])} to approve.",
    )


def _reason(text: str, pointer: str, why: str) -> str:
    found = _text(text)
    if not found:
        raise ReasonMissing(why, next_step="Say it in a sentence: -m TEXT", errors=[FieldError(pointer, "is empty")])
    return found


def _text(text: str) -> str:
    cleaned = text.strip()
    if len(cleaned) > LONGEST_COMMENT:
        raise ReasonMissing(
            f"It is longer than {LONGEST_COMMENT} characters.",
            next_step="Say it in fewer words.",
            errors=[FieldError("/comment", "is too long")],
        )
    return cleaned


def _quoted(comment: str) -> str:
    return f": {comment.splitlines()[0][:200]}" if comment else ""
