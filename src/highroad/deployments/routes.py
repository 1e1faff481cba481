"""Which host names lead where, computed from the placements and instances in the database.

The whole table is computed at once and handed to the router, which loads it when it differs: no incremental state that
a crash could leave half-changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from highroad.db.engine import Transaction
from highroad.deployments import store
from highroad.deployments.model import Instance, Placement
from highroad.kit.paging import PageRequest
from highroad.projects import store as projects
from highroad.projects.model import Domain, Environment, Service
from highroad.routing.hostnames import service_host
from highroad.routing.model import Route


def hosts_of(tx: Transaction, service: Service, environment: Environment, domain: str) -> tuple[str, ...]:
    """The platform's own host name first, then the service's own domains here."""
    return _hosts(service, environment, domain, projects.list_domains(tx, service.id, environment.id))


def _hosts(service: Service, environment: Environment, domain: str, own: Sequence[Domain]) -> tuple[str, ...]:
    return (service_host(service.name, environment.name, service.project, domain), *(each.host for each in own))


def all_routes(tx: Transaction, domain: str) -> list[Route]:
    """Every route of the installation. Each deployment asks for it, so it takes no query per service that runs."""
    services = {each.id: each for each in projects.list_services(tx)}
    environments = {
        each.id: each
        for project_id in {service.project_id for service in services.values()}
        for each in projects.list_environments(tx, project_id)
    }
    serving: dict[tuple[str, str], list[Instance]] = {}
    for instance in store.live_instances(tx):
        if instance.state == "serving" and instance.http:
            serving.setdefault((instance.service_id, instance.environment_id), []).append(instance)
    domains: dict[tuple[str, str], list[Domain]] = {}
    for each in projects.list_domains(tx):
        domains.setdefault((each.service_id, each.environment_id), []).append(each)
    routes = []
    for placement in store.list_placements(tx):
        service, environment = services.get(placement.service_id), environments.get(placement.environment_id)
        if service is None or environment is None:
            continue  # being deleted: its names answer 404 from now on
        here = (placement.service_id, placement.environment_id)
        upstreams = tuple(each.upstream for each in serving.get(here, []))
        # A site of files has no instance that listens.
        directory = None if upstreams else _directory(tx, placement)
        message = "" if upstreams or directory else _message(tx, service, environment, placement)
        for host in _hosts(service, environment, domain, domains.get(here, [])):
            routes.append(Route(f"{placement.identity}-{host}", host, upstreams, directory, message))
    return routes


def _directory(tx: Transaction, placement: Placement) -> str | None:
    """The published directory of a static site that serves now."""
    if placement.stopped or placement.deployment_id is None:
        return None
    deployment = store.deployment(tx, placement.deployment_id)
    return deployment.plan.directory if deployment and deployment.plan else None


def _message(tx: Transaction, service: Service, environment: Environment, placement: Placement) -> str:
    if placement.stopped:
        return f"{service.name} is stopped in {environment.name}. Start it: highroad start"
    if placement.release_id is None:
        last = next(iter(store.list_deployments(tx, service.id, environment.id, PageRequest(1)).items), None)
        if last is not None and last.state == "failed":
            return f"The last deployment of {service.name} to {environment.name} failed. See why: highroad status"
        return f"{service.name} was not deployed to {environment.name} yet. Deploy it: git push highroad"
    return f"{service.name} has no running instance in {environment.name}. See: highroad status"
