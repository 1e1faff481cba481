"""Which events somebody may see."""

from __future__ import annotations

from highroad.access.model import Actor
from highroad.db.engine import Database
from highroad.events import store as event_store
from highroad.kit.clock import now, rfc3339
from highroad.projects.store import projects
from highroad.projects.visibility import event_filter
from tests.projects.conftest import Shop
from tests.world import People, actor_of


def test_events_of_a_deleted_project_are_not_its_names_next_bearers(
    db: Database, member: Actor, people: People, shop: Shop
) -> None:
    with db.begin() as tx:
        past = event_store.read(tx, after=0, limit=500)
        theirs = [each for each in past if each.project == "shop"]
        assert all(map(event_filter(tx, member), theirs))
        tx.execute(projects.update().values(created_at=rfc3339(now())))
        assert not any(map(event_filter(tx, member), theirs))
        assert all(map(event_filter(tx, actor_of(people.admin)), theirs))
