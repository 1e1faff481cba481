"""What people ask of deployments: deploy, roll back, scale, configure, restart, stop, start, cancel.

A request only queues; `advance` lets one deployment at a time work on a placement, and the workflow carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

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
from highroad.gates import store as gates
from highroad.gates.model import Closed
from highroad.kit.clock import now, rfc3339
from highroad.kit.paging import PageRequest
from highroad.pipelines import store as pipelines
from highroad.pipelines.model import Release
from highroad.projects import store as projects
from highroad.projects import variable_store
from highroad.projects.hidden import mask_at
from highroad.projects.model import Environment, Service, resolve
from highroad.projects.references import Delivered, delivered

WORKFLOW = "deployment"
Start = Callable[[str, str], None]

REPLACES_RELEASE: frozenset[Kind] = frozenset({"deploy", "rollback"})


class Gatekeeping(Protocol):
    """What keeps deployments waiting; `keeper.Keeper` implements it."""

    def closed_for(self, tx: Transaction, environment: Environment, kind: str) -> tuple[Closed, ...]: ...
    def hold(self, tx: Transaction, deployment_id: str, who: Who) -> None: ...


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
    keeper: Gatekeeping,
) -> Deployment:
    """Queue a deployment and let it go if nothing else works on this placement. Where a gate is closed it waits.

    A newer deploy or rollback supersedes older ones that are queued or wait; everything else keeps its place.
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
        for older in store.deployments_in(tx, ("waiting", "queued"), service.id, environment.id):
            if older.kind in REPLACES_RELEASE:
                why = "A newer deployment was asked for."
                finish(tx, log, service, environment, older, ("waiting", "queued"), "superseded", why)
    closed = keeper.closed_for(tx, environment, kind)
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
        state="waiting" if closed else "queued",
    )
    log.append(tx, deployment_event(events.DEPLOYMENT_QUEUED, service, environment, deployment), who)
    if closed:
        keeper.hold(tx, deployment.id, who)
    else:
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
    keeper: Gatekeeping,
) -> Deployment:
    """`request`, for a person or a token. Numbers of instances that cannot be had are refused before anything is
    queued: `BadDeployment`."""
    place = environment.place.of_service(service.name)
    require(actor, "deployment:write", place, kind=kind, **_known_of(tx, service, environment, kind, release))
    if kind == "scale":
        _require_counts(tx, service, environment, counts)
    return request(
        tx,
        log,
        actor,
        service,
        environment,
        kind=kind,
        release=release,
        counts=counts,
        run_id=None,
        start=start,
        keeper=keeper,
    )


def _known_of(
    tx: Transaction, service: Service, environment: Environment, kind: Kind, release: Release | None
) -> dict[str, object]:
    """What policies are told of the release that this is about, also when it was not named: nobody gets around a policy
    on branches or tests by leaving the release out."""
    placement = store.find_placement(tx, service.id, environment.id)
    current = placement.release_id if placement else None
    try:
        chosen, _ = _decide(tx, service, environment, kind, release, current)
    except (NothingDeployed, NoEarlierRelease):
        return {}
    found = pipelines.release(tx, chosen or current or "")
    return {"branch": found.branch, "tests_passed": pipelines.tests_passed(tx, found.run_id)} if found else {}


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
) -> tuple[str | None, Delivered]:
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
        return release.id, Delivered()
    if current is None:
        raise NothingDeployed(
            f"{service.name} does not run in {environment.name} yet.", next_step="git push highroad main"
        )
    return None, Delivered()


def release_before(tx: Transaction, service: Service, environment: Environment, current: str | None) -> Release:
    """The release that served here before `current`: where a rollback leads unless told otherwise."""
    for candidate in store.released_here(tx, service.id, environment.id, limit=100):
        found = pipelines.release(tx, candidate)
        if candidate != current and found is not None:
            return found
    raise NoEarlierRelease(
        f"{service.name} has run one release in {environment.name} so far.", next_step="highroad releases"
    )


def configuration_of(
    tx: Transaction, service: Service, environment: Environment, external: Mapping[str, str] | None = None
) -> Delivered:
    """What a service gets in an environment now. `external` are values of external secrets by the id of their variable
    (see `external`); what depends on others is left out and named in `unknown`. Raises `BadReference`."""
    reaching = variable_store.variables_in_force(tx, service.project_id, environment.id, service.id)
    return delivered(resolve(reaching), external)


def advance(tx: Transaction, service_id: str, environment_id: str, start: Start) -> None:
    """Give the turn to the oldest queued deployment of this placement, if nobody has it."""
    placement = store.placement(tx, service_id, environment_id)
    if placement.active_id is not None:
        return
    queued = store.deployments_in(tx, "queued", service_id, environment_id)
    if queued and store.take_turn(tx, placement.identity, queued[0].id):
        store.move_deployment(tx, queued[0].id, ["queued"], "running", started_at=rfc3339(now()))
        tx.after_commit(lambda: start(WORKFLOW, queued[0].work))


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
    if reason:
        mask = mask_at(tx, service, environment, also=deployment.configuration.secret_values)
        reason, next_step = mask.text(reason), mask.text(next_step)
    values = {"reason": reason, "next_step": next_step, "finished_at": rfc3339(now()), "step": ""}
    if not store.move_deployment(tx, deployment.id, from_states, state, **values):
        return False
    store.end_turn(tx, deployment.id)
    if "waiting" in from_states:
        gates.end_wait(tx, deployment.id)
    event = deployment_event(events.DEPLOYMENT_FINISHED, service, environment, deployment, state=state, reason=reason)
    log.append(tx, event, _Who(deployment.actor, deployment.origin))
    return True


def give_up(tx: Transaction, log: EventLog, id: str, reason: str, start: Start) -> None:
    """End a deployment whose workflow (`Deployment.work`) cannot bring it to an end, and let the next one go; what
    serves is not touched. What it started and never served is ended by the caretaker's sweep."""
    deployment = store.deployment(tx, id.partition("+")[0])
    service = projects.service_by_id(tx, deployment.service_id) if deployment else None
    environment = projects.environment_by_id(tx, deployment.environment_id) if deployment else None
    if deployment is None or service is None or environment is None or deployment.work != id:
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
    """End a deployment that waits or is queued now; ask one at work to put things back, which it does until traffic has
    moved."""
    require(actor, "deployment:write", environment.place.of_service(service.name))
    if deployment.state in ("waiting", "queued"):
        why = f"Cancelled by {actor.name}."
        finish(tx, log, service, environment, deployment, ("waiting", "queued"), "cancelled", why)
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
