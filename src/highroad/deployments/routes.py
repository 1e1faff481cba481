"""Which host names lead where, computed from the placements and instances in the database.

The whole table is computed at once and handed to the router, which loads it when it differs: no incremental state that
a crash could leave half-changed.
"""

from __future__ import annotations

from highroad.db.engine import Transaction
from highroad.deployments import store
from highroad.deployments.model import Instance, Placement
from highroad.projects import store as projects
from highroad.projects.model import Environment, Service
from highroad.routing.hostnames import service_host
from highroad.routing.model import Route


def hosts_of(tx: Transaction, service: Service, environment: Environment, domain: str) -> tuple[str, ...]:
    """The platform's own host name first, then the service's own domains here."""
    own = projects.list_domains(tx, service.id, environment.id)
    return (service_host(service.name, environment.name, service.project, domain), *(each.host for each in own))


def all_routes(tx: Transaction, domain: str) -> list[Route]:
    """Every route of the installation."""
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
    routes = []
    for placement in store.list_placements(tx):
        service, environment = services.get(placement.service_id), environments.get(placement.environment_id)
        if service is None or environment is None:
            continue  # being deleted: its names answer 404 from now on
        upstreams = tuple(each.upstream for each in serving.get((placement.service_id, placement.environment_id), []))
        directory = _directory(tx, placement)
        message = _message(service, environment, placement)
        for host in hosts_of(tx, service, environment, domain):
            routes.append(Route(f"{placement.identity}-{host}", host, upstreams, directory, message))
    return routes


def _directory(tx: Transaction, placement: Placement) -> str | None:
    """The published directory of a static site that serves now."""
    if placement.stopped or placement.deployment_id is None:
        return None
    deployment = store.deployment(tx, placement.deployment_id)
    return deployment.plan.directory if deployment and deployment.plan else None


def _message(service: Service, environment: Environment, placement: Placement) -> str:
    if placement.stopped:
        return f"{service.name} is stopped in {environment.name}. Start it: highroad start"
    if placement.release_id is None:
        return f"{service.name} was not deployed to {environment.name} yet. Deploy it: git push highroad"
    return f"{service.name} has no running instance in {environment.name}. See: highroad status"
