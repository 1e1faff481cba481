"""Places by their names, for rooms below that know no projects: given to them by the composition root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from highroad.access.model import Actor
from highroad.access.places import ORGANIZATION, Place
from highroad.db.engine import Transaction
from highroad.people.whereabouts import Whereabouts
from highroad.projects import store
from highroad.projects.actions import find_environment, find_project, find_service


def find_place(tx: Transaction, actor: Actor, text: str) -> Place:
    """`shop`, `shop/production`, `shop/production/web`, `shop//web`, or nothing for the organization. Raises `NotFound`
    for what is not there, or not for this actor to see."""
    project, _, rest = text.strip().strip("/").partition("/")
    environment, _, service = rest.partition("/")
    if not project:
        return ORGANIZATION
    if environment:
        place = find_environment(tx, actor, project, environment).place
        return place.of_service(find_service(tx, actor, project, service).name) if service else place
    if service:
        return find_service(tx, actor, project, service).place
    return find_project(tx, actor, project).place


def recorded_place(tx: Transaction, project: str, environment: str | None, service: str | None) -> Place | None:
    """The place that an event names, as it is now; None for what is there no more."""
    parent = store.project(tx, project)
    if parent is None:
        return None
    place = parent.place
    if environment is not None:
        where = store.environment(tx, parent.id, environment)
        if where is None:
            return None
        place = where.place
    return place.of_service(service) if service is not None else place


def project_places(tx: Transaction, ids: Iterable[str]) -> Mapping[str, Place]:
    """The projects of these ids, by id."""
    found = {id: store.project_by_id(tx, id) for id in set(ids)}
    return {id: each.place for id, each in found.items() if each is not None}


WHERE = Whereabouts(find_place, recorded_place, project_places)
