"""Moves instances to another port when somebody else took theirs while they were down: after a crash or a reboot.

An instance's port is decided once, when it is planned, and nothing keeps it free while the instance does not run. It
would then fail to start for ever. The caretaker calls `rehouse` for instances that do not come up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from highroad.db.engine import Database
from highroad.deployments import store
from highroad.deployments.instances import Ports, nobody_listens
from highroad.deployments.model import Instance
from highroad.drivers.contract import Driver

logger = logging.getLogger(__name__)


class Rehousing:
    def __init__(self, db: Database, driver: Driver, ports: Ports, apply_routes: Callable[[], None]) -> None:
        self._db = db
        self._driver = driver
        self._ports = ports
        self._apply_routes = apply_routes

    def rehouse(self, down: list[Instance]) -> None:
        """Give each of these that lost its port another one, start it there, and lead its routes there."""
        moved = [each for each in down if self._lost_its_port(each)]
        for instance in moved:
            with self._db.begin() as tx:
                port = self._ports.take(store.ports_in_use(tx))
                spec = replace(instance.spec, port=port)
                store.move_to_port(tx, instance.id, spec)
            logger.warning("%s: port %s is taken by somebody else; moved to %s", instance.id, instance.port, port)
            self._driver.stop(instance.id, grace=0.0)
            self._driver.start(spec)
        if moved:
            self._apply_routes()

    def _lost_its_port(self, instance: Instance) -> bool:
        if instance.port is None or nobody_listens(instance.port):
            return False
        # Asked after the port: what came up in between listens itself.
        return self._driver.observe([instance.id])[instance.id].pid is None
