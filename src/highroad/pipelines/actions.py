"""What starts, supersedes and ends pipeline runs. Called by the Git server, the API and the workflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from highroad.access.model import SYSTEM, Actor
from highroad.access.permissions import require
from highroad.db.engine import Transaction
from highroad.errors import Conflict, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog, Who
from highroad.events.model import Event
from highroad.kit.clock import now, rfc3339
from highroad.pipelines import store
from highroad.pipelines.model import PipelineRun, RunState
from highroad.projects import store as projects
from highroad.projects.hidden import mask_of_run
from highroad.projects.model import Service

WORKFLOW = "pipeline"
Start = Callable[[str, str], None]
"""Start the workflow of this name for this subject; idempotent, called after the commit that queued it."""


class NoSuchRun(NotFound):
    code = "no-such-run"


class RunHasEnded(Conflict):
    code = "run-has-ended"


@dataclass(frozen=True, slots=True)
class PushedCommit:
    """A branch head as pushed: `old` is None for a new branch."""

    branch: str
    old: str | None
    commit: str
    message: str
    author: str


def record_push(
    tx: Transaction, log: EventLog, who: Who, service: Service, pushed: PushedCommit, start: Start
) -> PipelineRun:
    """Remember the new head and queue its run, in one transaction."""
    store.record_head(tx, service.id, pushed.branch, pushed.commit)
    if pushed.old is None:
        log.append(tx, _event(events.BRANCH_CREATED, service, pushed.branch), who)
    log.append(tx, _event(events.CHANGE_MERGED, service, pushed.commit, branch=pushed.branch), who)
    return queue_run(tx, log, who, service, pushed, start)


def record_branch_deleted(tx: Transaction, log: EventLog, who: Who, service: Service, branch: str) -> None:
    store.record_head(tx, service.id, branch, None)
    log.append(tx, _event(events.BRANCH_DELETED, service, branch), who)


def queue_run(
    tx: Transaction, log: EventLog, who: Who, service: Service, pushed: PushedCommit, start: Start
) -> PipelineRun:
    run = store.add_run(
        tx,
        service.id,
        commit=pushed.commit,
        branch=pushed.branch,
        message=pushed.message,
        author=pushed.author,
        actor=who.name,
    )
    log.append(tx, run_event(events.PIPELINERUN_QUEUED, service, run), who)
    advance(tx, log, service, pushed.branch, start)
    found = store.run(tx, run.id)
    assert found is not None, "it was just queued"
    return found


def advance(tx: Transaction, log: EventLog, service: Service, branch: str, start: Start) -> None:
    """Let the newest queued run of the branch go, if none is at work; older queued ones are superseded.

    One at work that has no release yet is asked to stop: its result would be replaced at once.
    """
    queued = store.runs_in(tx, "queued", service.id, branch)
    if not queued:
        return
    newest = queued[-1]
    why = f"Superseded by run {newest.number} ({newest.commit[:7]})."
    for older in queued[:-1]:
        finish_run(tx, log, service, older, ("queued",), "superseded", why, "")
    running = store.runs_in(tx, "running", service.id, branch)
    for run in running:
        store.ask_to_stop(tx, run.id, "superseded", why)
    if not running and store.move_run(tx, newest.id, ["queued"], "running", started_at=rfc3339(now())):
        log.append(tx, run_event(events.PIPELINERUN_STARTED, service, newest), SYSTEM)
        tx.after_commit(lambda: start(WORKFLOW, newest.id))


def cancel_run(tx: Transaction, log: EventLog, actor: Actor, service: Service, run: PipelineRun, start: Start) -> None:
    """End a queued run now and a running one at the next moment it can; its deployments are cancelled on their own."""
    require(actor, "run:write", service.place)
    reason = f"Cancelled by {actor.name}."
    if run.state == "queued":
        finish_run(tx, log, service, run, ("queued",), "cancelled", reason, "")
        advance(tx, log, service, run.branch, start)
    elif not store.ask_to_stop(tx, run.id, "cancelled", reason):
        raise RunHasEnded(
            f"Run {run.number} has ended or has made its release; there is nothing to cancel.",
            next_step="To stop a deployment: highroad cancel DEPLOYMENT. To undo it: highroad rollback",
        )


def finish_run(
    tx: Transaction,
    log: EventLog,
    service: Service,
    run: PipelineRun,
    from_states: tuple[RunState, ...],
    state: RunState,
    reason: str,
    next_step: str,
) -> bool:
    """End the run; False when it had ended before."""
    if reason:
        mask = mask_of_run(tx, service, run.branch)
        reason, next_step = mask.text(reason), mask.text(next_step)
    values = {"reason": reason, "next_step": next_step, "finished_at": rfc3339(now())}
    if not store.move_run(tx, run.id, from_states, state, **values):
        return False
    if state != "succeeded":
        store.end_open_tasks(tx, run.id, "failed" if state == "failed" else "cancelled")
    outcome = {"succeeded": "success", "failed": "failure"}.get(state, "cancel")
    event = run_event(events.PIPELINERUN_FINISHED, service, run, outcome=outcome, errors=reason)
    log.append(tx, event, SYSTEM)
    return True


def give_up(tx: Transaction, log: EventLog, id: str, reason: str, start: Start) -> None:
    """End a run that its workflow cannot bring to an end, and let the next one go."""
    run = store.run(tx, id)
    service = projects.service_by_id(tx, run.service_id) if run else None
    if run is None or service is None:
        return
    if finish_run(tx, log, service, run, ("queued", "running"), "failed", reason, "highroad deploy"):
        advance(tx, log, service, run.branch, start)


def run_event(
    type: events.EventType, service: Service, run: PipelineRun, *, outcome: str | None = None, errors: str = ""
) -> Event:
    content: dict[str, object] = {"pipelineName": f"{service.project}/{service.name}", "uri": f"/runs/{run.id}"}
    if outcome is not None:
        content |= {"outcome": outcome, **({"errors": errors} if errors else {})}
    custom = {"number": run.number, "commit": run.commit, "branch": run.branch}
    return Event(type, run.id, content, project=service.project, service=service.name, chain=run.id, custom=custom)


def _event(type: events.EventType, service: Service, subject: str, **custom: str) -> Event:
    content = {"repository": {"id": service.id}}
    return Event(type, subject, content, project=service.project, service=service.name, custom=dict(custom))
