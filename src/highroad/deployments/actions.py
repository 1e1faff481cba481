"""What people ask of deployments: deploy, roll back, scale, configure, restart, stop, start, cancel.

A request only queues; `advance` lets one deployment at a time work on a placement, and the workflow carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.db.engine import Transaction
from highroad.deployments import store
from highroad.deployments.model import KINDS, Deployment, DeploymentState, Kind
from highroad.deployments.plan import counts_with, wrong_counts
from highroad.errors import Conflict, FieldError, Invalid, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog, Who
from highroad.events.model import Event
from highroad.kit.clock import now, rfc3339
from highroad.kit.paging import PageRequest
from highroad.pipelines import store as pipelines
from highroad.pipelines.model import Release
from highroad.projects import store as projects
from highroad.projects.model import Environment, Service, resolve

WORKFLOW = "deployment"
Start = Callable[[str, str], None]

REPLACES_RELEASE: frozenset[Kind] = frozenset({"deploy", "rollback"})


class NothingDeployed(Conflict):
    code = "nothing-deployed"
    title = "Nothing was deployed here yet"


class NoEarlierRelease(Conflict):
    code = "no-earlier-release"
    title = "There is no release to go back to"


class NoSuchRelease(NotFound):
    code = "no-such-release"


class NoSuchDeployment(NotFound):
    code = "no-such-deployment"


class DeploymentHasEnded(Conflict):
    code = "deployment-has-ended"


class BadDeployment(Invalid):
    code = "bad-deployment"


def request(
    tx: Transaction,
    log: EventLog,
    who: Who,
    service: Service,
    environment: Environment,
    *,
    kind: Kind,
    release: Release | None,
    counts: Mapping[str, int],
    run_id: str | None,
    start: Start,
) -> Deployment:
    """Queue a deployment and let it go if nothing else works on this placement.

    A newer deploy or rollback supersedes queued older ones; everything else keeps its place in the queue.
    """
    if kind not in KINDS:
        raise BadDeployment(
            f"There is no kind of deployment {kind[:40]!r}.",
            next_step=f"One of {', '.join(KINDS)}.",
            errors=[FieldError("/kind", f"one of {', '.join(KINDS)}")],
        )
    placement = store.placement(tx, service.id, environment.id, lock=True)
    chosen, configuration = _decide(tx, service, environment, kind, release, placement.release_id)
    if kind in REPLACES_RELEASE:
        for older in store.deployments_in(tx, "queued", service.id, environment.id):
            if older.kind in REPLACES_RELEASE:
                finish(
                    tx, log, service, environment, older, ("queued",), "superseded", "A newer deployment was asked for."
                )
    deployment = store.add_deployment(
        tx,
        service_id=service.id,
        environment_id=environment.id,
        kind=kind,
        release_id=chosen,
        run_id=run_id,
        actor=who.name,
        origin=who.origin,
        configuration=configuration,
        counts=counts,
    )
    log.append(tx, deployment_event(events.DEPLOYMENT_QUEUED, service, environment, deployment), who)
    advance(tx, service.id, environment.id, start)
    found = store.deployment(tx, deployment.id)
    assert found is not None, "it was just queued"
    return found


def ask(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    service: Service,
    environment: Environment,
    *,
    kind: Kind,
    release: Release | None,
    counts: Mapping[str, int],
    start: Start,
) -> Deployment:
    """`request`, for a person or a token. Numbers of instances that cannot be had are refused before anything is
    queued: `BadDeployment`."""
    require(actor, "deployment:write")
    if kind == "scale":
        _require_counts(tx, service, environment, counts)
    return request(
        tx, log, actor, service, environment, kind=kind, release=release, counts=counts, run_id=None, start=start
    )


def _require_counts(tx: Transaction, service: Service, environment: Environment, asked: Mapping[str, int]) -> None:
    placement = store.placement(tx, service.id, environment.id)
    release = pipelines.release(tx, placement.release_id) if placement.release_id else None
    if release is None:
        return  # nothing runs, which is refused in words of its own
    counts = counts_with(placement.counts, asked, release.workload)
    problems = wrong_counts(release.workload, counts, asked=True)
    if problems:
        raise BadDeployment(
            problems[0].detail,
            next_step=problems[0].next_step,
            errors=[FieldError("/counts", problem.detail) for problem in problems],
        )


def _decide(
    tx: Transaction,
    service: Service,
    environment: Environment,
    kind: Kind,
    release: Release | None,
    current: str | None,
) -> tuple[str | None, dict[str, str]]:
    """The release and, for a rollback, the configuration it ran with; other kinds read both when their turn comes."""
    if kind == "rollback":
        target = (release or release_before(tx, service, environment, current)).id
        earlier = store.last_success(tx, service.id, environment.id, target)
        if earlier is None:
            raise NoEarlierRelease(
                "This release never ran here, so there is no configuration to go back to.",
                next_step="highroad releases, or deploy it: highroad deploy",
            )
        return target, earlier.configuration
    if kind == "deploy":
        if release is None:
            newest = pipelines.list_releases(tx, service.id, PageRequest(1)).items
            if not newest:
                raise NothingDeployed(f"{service.name} has no release yet.", next_step="git push highroad main")
            release = newest[0]
        return release.id, {}
    if current is None:
        raise NothingDeployed(
            f"{service.name} does not run in {environment.name} yet.", next_step="git push highroad main"
        )
    return None, {}


def release_before(tx: Transaction, service: Service, environment: Environment, current: str | None) -> Release:
    """The release that served here before `current`: where a rollback leads unless told otherwise."""
    for candidate in store.released_here(tx, service.id, environment.id, limit=100):
        found = pipelines.release(tx, candidate)
        if candidate != current and found is not None:
            return found
    raise NoEarlierRelease(
        f"{service.name} has run one release in {environment.name} so far.", next_step="highroad releases"
    )


def configuration_of(tx: Transaction, service: Service, environment: Environment) -> dict[str, str]:
    """The variables in force for a service in an environment, by name."""
    reaching = projects.variables_in_force(tx, service.project_id, environment.id, service.id)
    return {variable.name: variable.value for variable in resolve(reaching)}


def advance(tx: Transaction, service_id: str, environment_id: str, start: Start) -> None:
    """Give the turn to the oldest queued deployment of this placement, if nobody has it."""
    placement = store.placement(tx, service_id, environment_id)
    if placement.active_id is not None:
        return
    queued = store.deployments_in(tx, "queued", service_id, environment_id)
    if queued and store.take_turn(tx, placement.identity, queued[0].id):
        store.move_deployment(tx, queued[0].id, ["queued"], "running", started_at=rfc3339(now()))
        tx.after_commit(lambda: start(WORKFLOW, queued[0].id))


def finish(
    tx: Transaction,
    log: EventLog,
    service: Service,
    environment: Environment,
    deployment: Deployment,
    from_states: tuple[DeploymentState, ...],
    state: DeploymentState,
    reason: str,
    next_step: str = "",
) -> bool:
    """End the deployment and its turn; False when it had ended before."""
    values = {"reason": reason, "next_step": next_step, "finished_at": rfc3339(now()), "step": ""}
    if not store.move_deployment(tx, deployment.id, from_states, state, **values):
        return False
    store.end_turn(tx, deployment.id)
    event = deployment_event(events.DEPLOYMENT_FINISHED, service, environment, deployment, state=state, reason=reason)
    log.append(tx, event, _Who(deployment.actor, deployment.origin))
    return True


def give_up(tx: Transaction, log: EventLog, id: str, reason: str, start: Start) -> None:
    """End a deployment that its workflow cannot bring to an end, and let the next one go; what serves is not touched.
    What it started and never served is ended by the caretaker's sweep."""
    deployment = store.deployment(tx, id)
    service = projects.service_by_id(tx, deployment.service_id) if deployment else None
    environment = projects.environment_by_id(tx, deployment.environment_id) if deployment else None
    if deployment is None or service is None or environment is None:
        return
    if finish(tx, log, service, environment, deployment, ("queued", "running"), "failed", reason, "highroad deploy"):
        advance(tx, service.id, environment.id, start)


def cancel(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    service: Service,
    environment: Environment,
    deployment: Deployment,
) -> None:
    """End a queued deployment now; ask one at work to put things back, which it does until traffic has moved."""
    require(actor, "deployment:write")
    if deployment.state == "queued":
        finish(tx, log, service, environment, deployment, ("queued",), "cancelled", f"Cancelled by {actor.name}.")
    elif deployment.state == "running":
        store.update_deployment(tx, deployment.id, cancel=True, reason=f"Cancelled by {actor.name}.")
    else:
        raise DeploymentHasEnded(
            f"Deployment {deployment.number} has ended: {deployment.state}.",
            next_step="To undo it: highroad rollback",
        )


class _Who:
    """Whoever asked for the deployment, as later events name them."""

    def __init__(self, name: str, origin: str) -> None:
        self.name = name
        self.origin = origin


def deployment_event(
    type: events.EventType,
    service: Service,
    environment: Environment,
    deployment: Deployment,
    **custom: object,
) -> Event:
    return Event(
        type,
        deployment.id,
        {"kind": deployment.kind, "environment": {"id": environment.id}},
        project=service.project,
        service=service.name,
        environment=environment.name,
        chain=deployment.run_id or deployment.id,
        custom={"number": deployment.number, **custom},
    )
