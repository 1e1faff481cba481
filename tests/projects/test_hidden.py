"""Which secrets are hidden where."""

from __future__ import annotations

import pytest

from highroad.access.model import SYSTEM
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.projects import actions, variable_store
from highroad.projects.hidden import mask_at, mask_of_run
from highroad.projects.model import Environment, Service

EVERYWHERE, STAGED, LIVE = "reaches-everything", "of-staging-only", "of-production-only"


@pytest.fixture
def places(db: Database, log: EventLog) -> tuple[Service, Environment, Environment]:
    """A service with two environments, a secret of each and one of the project."""
    with db.begin() as tx:
        project = actions.create_project(tx, log, SYSTEM, name="shop")
        staging, live = (
            actions.create_environment(tx, log, SYSTEM, project, name=name, mode=name, branch=branch)
            for name, branch in (("staging", "main"), ("production", "live"))
        )
        service = actions.create_service(tx, log, SYSTEM, project, name="web")
        for place, value in (("", EVERYWHERE), (staging.id, STAGED), (live.id, LIVE)):
            at = variable_store.Place(project.id, place)
            variable_store.set_variable(tx, at, "SECRET", value, kind="secret", file="", by="ada")
            variable_store.set_variable(tx, at, "PLAIN", "an ordinary word", kind="plain", file="", by="ada")
    return service, staging, live


ALL = f"{EVERYWHERE} {STAGED} {LIVE} an ordinary word"


def test_an_environment_hides_its_own_secrets_and_the_wider_ones(
    db: Database, places: tuple[Service, Environment, Environment]
) -> None:
    service, staging, live = places
    with db.read() as tx:
        assert mask_at(tx, service, staging).text(ALL) == f"*** *** {LIVE} an ordinary word"
        assert mask_at(tx, service, live, also=["ordinary"]).text(ALL) == f"*** {STAGED} *** an *** word"


@pytest.mark.parametrize(
    ("branch", "shown"),
    [("main", f"*** *** {LIVE}"), ("live", f"*** {STAGED} ***"), ("topic", f"*** {STAGED} {LIVE}")],
)
def test_a_run_hides_those_of_where_its_branch_is_deployed(
    db: Database, places: tuple[Service, Environment, Environment], branch: str, shown: str
) -> None:
    with db.read() as tx:
        assert mask_of_run(tx, places[0], branch).text(ALL) == f"{shown} an ordinary word"
