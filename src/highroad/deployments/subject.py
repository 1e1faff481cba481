"""A deployment with everything around it, and the situation that its plan is made for. Read by the workflow and by
the preview of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from highroad.access.places import Place
from highroad.db.engine import Transaction
from highroad.deployments import store
from highroad.deployments.actions import NothingDeployed, configuration_of
from highroad.deployments.model import Deployment, Instance, Kind, Placement
from highroad.deployments.plan import Now, Wanted, counts_with
from highroad.deployments.routes import hosts_of
from highroad.errors import Temporary, Unavailable
from highroad.pipelines import store as pipelines
from highroad.pipelines.model import Release
from highroad.projects import store as projects
from highroad.projects.model import Environment, Service
from highroad.projects.references import Delivered


class ConfigurationMoved(Unavailable, Temporary):
    """A matter of trying again, which a workflow does."""

    code = "configuration-moved"


@dataclass(frozen=True, slots=True)
class Subject:
    """`release` is the deployment's own, or what serves now for kinds that keep it."""

    deployment: Deployment
    service: Service
    environment: Environment
    placement: Placement
    release: Release

    @property
    def place(self) -> Place:
        return self.environment.place.of_service(self.service.name)


def subject_of(tx: Transaction, id: str) -> Subject:
    deployment = store.deployment(tx, id)
    assert deployment is not None, "a deployment at work is not deleted"
    service = projects.service_by_id(tx, deployment.service_id)
    environment = projects.environment_by_id(tx, deployment.environment_id)
    assert service is not None, "deployments reference services"
    assert environment is not None, "deployments reference environments"
    placement = store.placement(tx, service.id, environment.id)
    release_id = deployment.release_id or placement.release_id
    release = pipelines.release(tx, release_id) if release_id else None
    if release is None:
        raise NothingDeployed("The release is no longer kept.", next_step="highroad deploy")
    return Subject(deployment, service, environment, placement, release)


def situation(
    tx: Transaction,
    subject: Subject,
    serving: tuple[Instance, ...],
    domain: str,
    external: Mapping[str, str] | None = None,
) -> tuple[Now, Wanted]:
    """What serves and what the deployment wants; configuration is read now, a rollback's was kept with it. `external`
    are the values that stand in other stores; without them, what depends on them is not known."""
    deployment = subject.deployment
    live = store.deployment(tx, subject.placement.deployment_id) if subject.placement.deployment_id else None
    if deployment.kind == "rollback" or (deployment.kind == "scale" and live is not None):
        # Scaling keeps instances, and all instances of a service run with one configuration.
        configuration = (live if deployment.kind == "scale" and live else deployment).configuration
    else:
        configuration = configuration_of(tx, subject.service, subject.environment, external)
        if external is not None:
            require_whole(configuration)
    now = present(tx, subject.service, subject.environment, subject.placement, serving, domain)
    title = f"release {subject.release.number} ({subject.release.commit[:7]})"
    return now, Wanted(
        kind=deployment.kind,
        title=title,
        workload=subject.release.workload,
        publish=subject.release.artifact.publish,
        configuration=configuration,
        counts=counts_with(subject.placement.counts, deployment.counts, subject.release.workload),
        hosts=hosts_of(tx, subject.service, subject.environment, domain),
    )


def require_whole(configuration: Delivered) -> None:
    """Raise `ConfigurationMoved` when an external secret came to be needed after its store was asked."""
    if configuration.unknown:
        names = ", ".join(sorted(configuration.unknown))
        raise ConfigurationMoved(f"{names} changed while its store was asked.", next_step="Try again.")


def present(
    tx: Transaction,
    service: Service,
    environment: Environment,
    placement: Placement,
    serving: tuple[Instance, ...],
    domain: str,
) -> Now:
    live = store.deployment(tx, placement.deployment_id) if placement.deployment_id else None
    release = pipelines.release(tx, placement.release_id) if placement.release_id else None
    before = live.plan.hosts if live and live.plan and not placement.stopped else ()
    hosts = tuple(host for host in before if host in hosts_of(tx, service, environment, domain))
    return Now(release, live.configuration if live else Delivered(), serving, hosts)


def preview(
    tx: Transaction,
    service: Service,
    environment: Environment,
    *,
    kind: Kind,
    release: Release,
    counts: Mapping[str, int],
    domain: str,
) -> tuple[Now, Wanted]:
    """The situation of a deployment that nobody has asked for yet. What depends on values of other stores is not known:
    whoever may only read has no store asked."""
    placement = store.placement(tx, service.id, environment.id)
    serving = tuple(store.instances_at(tx, service.id, environment.id, ["serving"]))
    earlier = store.last_success(tx, service.id, environment.id, release.id) if kind == "rollback" else None
    configuration = earlier.configuration if earlier else configuration_of(tx, service, environment)
    now = present(tx, service, environment, placement, serving, domain)
    return now, Wanted(
        kind=kind,
        title=f"release {release.number} ({release.commit[:7]})",
        workload=release.workload,
        publish=release.artifact.publish,
        configuration=configuration,
        counts=counts_with(placement.counts, counts, release.workload),
        hosts=hosts_of(tx, service, environment, domain),
    )
