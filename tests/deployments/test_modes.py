"""Another mode for an environment is no way around what guards the old one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from highroad.access import store as accounts
from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed
from highroad.deployments.modes import EnvironmentInUse, change_environment
from highroad.events import store as event_store
from highroad.gates.model import Where
from highroad.projects.model import Environment
from tests.deployments.guarded import Guarded, guarded
from tests.world import actor_of as manager_of


@pytest.fixture
def yard(tmp_path: Path, database_url: str) -> Iterator[Guarded]:
    with guarded(tmp_path / "data", database_url) as made:
        yield made


def change(yard: Guarded, actor: Actor, mode: str) -> Environment:
    context = yard.stage.platform.context
    with context.db.begin() as tx:
        return change_environment(tx, context.log, actor, yard.stage.environment, changes={"mode": mode})


def manager(yard: Guarded) -> Actor:
    with yard.stage.platform.context.db.read() as tx:
        found = accounts.user_by_email(tx, "ann@example.com")
    assert found is not None
    return manager_of(found[0])


def test_while_something_runs_only_an_owner_changes_the_mode(yard: Guarded) -> None:
    yard.stage.do(release=yard.stage.release())
    with pytest.raises(EnvironmentInUse):
        change(yard, manager(yard), "preview")
    assert change(yard, yard.actor("olga"), "preview").mode == "preview"


def test_who_could_not_remove_the_gates_of_a_mode_does_not_leave_it(yard: Guarded) -> None:
    yard.rule(where=Where(mode="production"))
    with pytest.raises(NotAllowed, match="gate:write"):
        change(yard, manager(yard), "preview")
    assert change(yard, yard.actor("olga"), "preview").mode == "preview"


def test_a_change_of_mode_stands_in_its_event_with_the_old_one(yard: Guarded) -> None:
    change(yard, manager(yard), "staging")
    with yard.stage.platform.context.db.read() as tx:
        changed = event_store.read(tx, after=0, limit=1000)[-1]
    assert "production" in str(changed.data)
    assert "staging" in str(changed.data)
