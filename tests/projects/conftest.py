"""A project with an environment and a service, and the two people of the template as actors."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from highroad.access.model import Actor
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.projects import actions
from highroad.projects.model import Environment, Project, Service
from tests.world import People, actor_of


@dataclass(frozen=True, slots=True)
class Shop:
    project: Project
    production: Environment
    web: Service


@pytest.fixture
def member(people: People) -> Actor:
    return actor_of(people.member)


@pytest.fixture
def shop(db: Database, log: EventLog, member: Actor) -> Shop:
    with db.begin() as tx:
        project = actions.create_project(tx, log, member, name="shop")
        production = actions.create_environment(
            tx, log, member, project, name="production", mode="production", branch="main"
        )
        return Shop(project, production, actions.create_service(tx, log, member, project, name="web"))
