"""Runs, releases, deployments and placements as the API answers them, and how they are made of what is stored."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from highroad.access.model import Actor
from highroad.access.permissions import allowed
from highroad.db.engine import Transaction
from highroad.deployments import command_store, store
from highroad.deployments.actions import configuration_of
from highroad.deployments.keeper import plan_of
from highroad.deployments.model import Deployment, Instance, Placement, Plan
from highroad.deployments.routes import hosts_of
from highroad.drivers.contract import Abilities, Observed
from highroad.gates import store as gates
from highroad.kit.paging import PageRequest
from highroad.pipelines import store as pipelines
from highroad.pipelines.model import PipelineRun, Release
from highroad.projects import store as projects
from highroad.projects.api import ServiceSummary
from highroad.projects.model import Environment, Service
from highroad.projects.references import BadReference
from highroad.settings import Settings
from highroad.web.api import Answer, Instant


class StepAnswer(Answer):
    name: str
    state: str
    seconds: float | None


class ChangeAnswer(Answer):
    kind: str
    subject: str
    detail: str


class ProblemAnswer(Answer):
    detail: str
    next_step: str


class PlanAnswer(Answer):
    summary: str
    changes: list[ChangeAnswer]
    warnings: list[str]
    problems: list[ProblemAnswer]


class ReleaseSummary(Answer):
    id: str
    number: int
    commit: str
    message: str


class ReleaseAnswer(ReleaseSummary):
    author: str
    branch: str
    artifact: str
    created_at: Instant
    current_in: list[str]


class DeployedAnswer(Answer):
    """How one deployment stands, in short."""

    id: str
    number: int
    kind: str
    environment: str
    state: str
    reason: str
    next_step: str


class RunAnswer(Answer):
    id: str
    number: int
    project: str
    service: str
    commit: str
    branch: str
    message: str
    author: str
    actor: str
    state: str
    reason: str
    next_step: str
    tasks: list[StepAnswer]
    release: int | None = Field(description="The number of the release that it made.")
    deployments: list[str]
    deployed: list[DeployedAnswer] = Field(
        description="How its deployments stand: a run that succeeded has tested and released, not yet deployed."
    )
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None


class DeploymentAnswer(Answer):
    id: str
    number: int
    project: str
    service: str
    environment: str
    kind: str
    release: ReleaseSummary | None
    run: str | None
    state: str
    step: str
    reason: str
    next_step: str
    plan: PlanAnswer | None
    steps: list[StepAnswer]
    url: str | None
    actor: str
    broken_glass: str | None = Field(description="Who passed its gates in an emergency, and why.")
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None


class ProcessAnswer(Answer):
    name: str
    command: str
    wanted: int
    running: int
    schedule: str | None


class InstanceAnswer(Answer):
    id: str
    label: str
    state: str
    why: str
    restarts: int
    release: int | None
    port: int | None
    since: Instant


class PlacementAnswer(Answer):
    project: str
    service: str
    environment: str
    mode: str
    state: str = Field(description="empty, live, stopped, degraded or deploying")
    url: str | None = Field(description="Null when the release neither listens nor is a static site.")
    release: ReleaseSummary | None
    deployment: str | None
    deploying: str | None
    last: DeployedAnswer | None = Field(description="The newest deployment, which may have failed.")
    configuration: str = Field(
        description="current, or earlier when what runs has other values than those set: after a rollback, or when a "
        "change was not deployed yet."
    )
    processes: list[ProcessAnswer]
    instances: list[InstanceAnswer]
    domains: list[str]
    isolation: list[str]


class ServiceInList(ServiceSummary):
    environments: list[PlacementAnswer]


class ServiceAnswer(ServiceInList):
    default_branch: str | None


class CommandAnswer(Answer):
    id: str
    process: str
    command: str
    actor: str
    state: str
    exit_code: int | None
    why: str
    created_at: Instant
    finished_at: Instant | None


def url_of(host: str, settings: Settings) -> str:
    return f"http://{host}:{settings.port}"


def release_summary(release: Release) -> ReleaseSummary:
    return ReleaseSummary(
        id=release.id, number=release.number, commit=release.commit, message=release.message.split("\n", 1)[0]
    )


def release_answer(tx: Transaction, release: Release, actor: Actor) -> ReleaseAnswer:
    """`current_in` names those environments that `actor` may see."""
    places = [
        each for each in store.list_placements(tx, service_id=release.service_id) if each.release_id == release.id
    ]
    names = (projects.environment_by_id(tx, each.environment_id) for each in places)
    return ReleaseAnswer(
        **release_summary(release).model_dump(),
        author=release.author,
        branch=release.branch,
        artifact=release.artifact.digest,
        created_at=release.created_at,
        current_in=sorted(each.name for each in names if each is not None and _seen(actor, each)),
    )


def run_answer(tx: Transaction, service: Service, run: PipelineRun, actor: Actor) -> RunAnswer:
    """With those of its deployments whose environments `actor` may see."""
    release = pipelines.release(tx, run.release_id) if run.release_id else None
    deployed = [_deployed(tx, each) for each in seen_deployments(tx, run.id, actor)]
    return RunAnswer(
        id=run.id,
        number=run.number,
        project=service.project,
        service=service.name,
        commit=run.commit,
        branch=run.branch,
        message=run.message,
        author=run.author,
        actor=run.actor,
        state=run.state,
        reason=run.reason,
        next_step=run.next_step,
        tasks=[StepAnswer.model_validate(each) for each in run.tasks],
        release=release.number if release else None,
        deployments=[each.id for each in deployed],
        deployed=deployed,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )


def seen_deployments(tx: Transaction, run_id: str, actor: Actor) -> list[Deployment]:
    """The deployments of a run in environments that the actor may see."""
    return [
        each
        for each in store.deployments_of_run(tx, run_id)
        if (where := projects.environment_by_id(tx, each.environment_id)) is not None and _seen(actor, where)
    ]


def _seen(actor: Actor, environment: Environment) -> bool:
    return allowed(actor, "project:read", environment.place)


def _deployed(tx: Transaction, deployment: Deployment) -> DeployedAnswer:
    environment = projects.environment_by_id(tx, deployment.environment_id)
    assert environment is not None, "deployments reference environments"
    return DeployedAnswer(
        id=deployment.id,
        number=deployment.number,
        kind=deployment.kind,
        environment=environment.name,
        state=deployment.state,
        reason=deployment.reason,
        next_step=deployment.next_step,
    )


def plan_answer(plan: Plan) -> PlanAnswer:
    return PlanAnswer.model_validate(plan)


def deployment_answer(
    tx: Transaction, service: Service, environment: Environment, deployment: Deployment, settings: Settings
) -> DeploymentAnswer:
    release = pipelines.release(tx, deployment.release_id) if deployment.release_id else None
    hosts = deployment.plan.hosts if deployment.plan else ()
    plan = plan_of(tx, deployment)
    passed = gates.pass_of(tx, deployment.id)
    return DeploymentAnswer(
        id=deployment.id,
        number=deployment.number,
        project=service.project,
        service=service.name,
        environment=environment.name,
        kind=deployment.kind,
        release=release_summary(release) if release else None,
        run=deployment.run_id,
        state=deployment.state,
        step=deployment.step,
        reason=deployment.reason,
        next_step=deployment.next_step,
        plan=plan_answer(plan) if plan else None,
        steps=[StepAnswer.model_validate(each) for each in deployment.steps],
        url=url_of(hosts[0], settings) if hosts else None,
        actor=deployment.actor,
        broken_glass=f"{passed.actor}: {passed.reason}" if passed else None,
        created_at=deployment.created_at,
        started_at=deployment.started_at,
        finished_at=deployment.finished_at,
    )


def placement_answer(
    tx: Transaction,
    service: Service,
    environment: Environment,
    observed: Mapping[str, Observed],
    abilities: Abilities,
    settings: Settings,
) -> PlacementAnswer:
    """`observed` is what the driver says of the instances here; an instance it does not know is `missing`."""
    placement = store.find_placement(tx, service.id, environment.id)
    release = pipelines.release(tx, placement.release_id) if placement and placement.release_id else None
    present = store.instances_at(tx, service.id, environment.id, ["starting", "serving", "draining"])
    hosts = hosts_of(tx, service, environment, settings.domain)
    instances = [_instance(tx, each, observed.get(each.id)) for each in present]
    counts = placement.counts if placement else {}
    last = next(iter(store.list_deployments(tx, service.id, environment.id, PageRequest(1)).items), None)
    processes = [
        ProcessAnswer(
            name=each.name,
            command=each.command,
            wanted=0 if each.schedule or (placement and placement.stopped) else counts.get(each.name, each.count),
            running=sum(
                1
                for instance in present
                if instance.process == each.name and instance.state == "serving" and _runs(observed.get(instance.id))
            ),
            schedule=each.schedule,
        )
        for each in (release.workload.processes if release else ())
    ]
    return PlacementAnswer(
        project=service.project,
        service=service.name,
        environment=environment.name,
        mode=environment.mode,
        state=_state(placement, processes),
        url=url_of(hosts[0], settings) if release is None or _answers(release) else None,
        release=release_summary(release) if release else None,
        deployment=placement.deployment_id if placement else None,
        deploying=placement.active_id if placement else None,
        last=_deployed(tx, last) if last else None,
        configuration=_configuration(tx, service, environment, placement),
        processes=processes,
        instances=instances,
        domains=list(hosts[1:]),
        isolation=list(abilities.isolation),
    )


def _answers(release: Release) -> bool:
    """Whether requests to the service's host names lead anywhere."""
    return release.workload.http is not None or release.workload.static


def _configuration(tx: Transaction, service: Service, environment: Environment, placement: Placement | None) -> str:
    live = store.deployment(tx, placement.deployment_id) if placement and placement.deployment_id else None
    if live is None:
        return "current"
    try:
        wanted = configuration_of(tx, service, environment)
    except BadReference:  # what runs has none of it: values that were fine before another one was removed
        return "earlier"
    return "earlier" if live.configuration.differing(wanted) else "current"


def _runs(observed: Observed | None) -> bool:
    return observed is not None and observed.state in {"running", "starting"}


def _state(placement: Placement | None, processes: list[ProcessAnswer]) -> str:
    if placement is None or placement.deployment_id is None:
        return "deploying" if placement and placement.active_id else "empty"
    if placement.active_id is not None:
        return "deploying"
    if placement.stopped:
        return "stopped"
    return "live" if all(each.running >= each.wanted for each in processes) else "degraded"


def _instance(tx: Transaction, instance: Instance, observed: Observed | None) -> InstanceAnswer:
    deployment = store.deployment(tx, instance.deployment_id)
    release = pipelines.release(tx, deployment.release_id) if deployment and deployment.release_id else None
    state = instance.state if instance.state == "draining" else (observed.state if observed else "missing")
    return InstanceAnswer(
        id=instance.id,
        label=instance.label,
        state=state,
        why=observed.why if observed else "",
        restarts=observed.restarts if observed else 0,
        release=release.number if release else None,
        port=instance.port,
        since=(observed.since if observed else None) or instance.created_at,
    )


def command_answer(command: command_store.Command) -> CommandAnswer:
    return CommandAnswer.model_validate(command)


def newest(tx: Transaction, service_id: str) -> Release | None:
    return next(iter(pipelines.list_releases(tx, service_id, PageRequest(1)).items), None)
