"""What the HTTP modules and pages of this slice need beside the context: driver, journal, follower, commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from highroad.db.engine import Transaction
from highroad.deployments import store
from highroad.deployments.answers import PlacementAnswer, placement_answer
from highroad.deployments.commands import Commands
from highroad.deployments.follow import Follower
from highroad.deployments.keeper import Keeper
from highroad.drivers.contract import Driver, Observed
from highroad.errors import Permanent, Temporary
from highroad.projects.model import Environment, Service
from highroad.sources.repository import Repository
from highroad.web.context import Context


@dataclass(frozen=True, slots=True)
class Desk:
    context: Context
    driver: Driver
    follower: Follower
    commands: Commands
    repository_of: Callable[[str], Repository]
    start: Callable[[str, str], None]
    refresh_routes: Callable[[], None]
    keeper: Keeper

    def placements_of_all(
        self, tx: Transaction, services: list[Service], environments: list[Environment]
    ) -> list[list[PlacementAnswer]]:
        """For each service its placements, with one look at the engine for all of them."""
        serving = [each.id for each in store.live_instances(tx)]
        try:
            observed = self.driver.observe(serving) if serving else {}
        except (Temporary, Permanent):
            observed = {}
        abilities, settings = self.driver.abilities(), self.context.settings
        return [
            [placement_answer(tx, service, each, observed, abilities, settings) for each in environments]
            for service in services
        ]

    def observe(self, tx: Transaction, service: Service, environments: list[Environment]) -> Mapping[str, Observed]:
        """What the driver says of the instances there; nothing when the engine does not answer at the moment."""
        ids = [
            instance.id
            for environment in environments
            for instance in store.instances_at(tx, service.id, environment.id, ["starting", "serving", "draining"])
        ]
        if not ids:
            return {}
        try:
            return self.driver.observe(ids)
        except (Temporary, Permanent):
            return {}

    def placements(self, tx: Transaction, service: Service, environments: list[Environment]) -> list[PlacementAnswer]:
        observed, abilities = self.observe(tx, service, environments), self.driver.abilities()
        return [
            placement_answer(tx, service, each, observed, abilities, self.context.settings) for each in environments
        ]
