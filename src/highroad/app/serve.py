"""The control-plane process: `python -m highroad.app DATA`, run by the supervisor.

One process serves API, portal and Git on a Unix socket behind the router, and executes workflows in threads.
"""

from __future__ import annotations

import gc
import logging
import sys
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from highroad.app import log_format
from highroad.app.caretaker import Caretaker
from highroad.app.composition import Platform, compose, create_app
from highroad.app.housekeeping import Housekeeping
from highroad.deployments.commands import Scheduler
from highroad.drivers.process.driver import ProcessDriver
from highroad.drivers.process.supervisor import Supervisor
from highroad.routing.caddy import CaddyRouter
from highroad.sandbox.level import probe
from highroad.settings import Settings, load
from highroad.workflows.run import Observer

GRACE_SECONDS = 3


def assemble(settings: Settings, *, observer: Observer | None = None) -> tuple[Platform, Caretaker]:
    """The platform on the real process driver and router, with its caretaker."""
    supervisor = Supervisor(settings)
    level = probe(settings)
    driver = ProcessDriver(settings, supervisor, level)
    platform = compose(settings, driver=driver, router=CaddyRouter(settings), level=level, observer=observer)
    context = platform.context
    caretaker = Caretaker(
        context.db,
        context.log,
        platform.engine,
        driver,
        platform.gate,
        platform.commands,
        Scheduler(context, platform.commands.run_scheduled),
        Housekeeping(
            settings, context.db, platform.builder, platform.repository_of, platform.journal, platform.tidy_audit
        ),
        ensure_engine=supervisor.ensure,
        apply_routes=platform.deployer.apply_routes,
        sweep=platform.deployer.sweep,
        rehouse=platform.rehousing.rehouse,
        look_at_gates=platform.desk.keeper.look,
    )
    return platform, caretaker


class Server(uvicorn.Server):
    """Ends open pushes in good order before it waits for requests to finish."""

    def __init__(self, config: uvicorn.Config, platform: Platform) -> None:
        super().__init__(config)
        self._platform = platform

    def handle_exit(self, sig: int, frame: object) -> None:
        self._platform.gateway.detach()
        super().handle_exit(sig, frame)  # type: ignore[arg-type]  # uvicorn's own annotation is narrower than signal's


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        uds=str(settings.api_socket),
        loop="asyncio",  # starts a process by vfork: uvloop's fork copies 100 MB of page tables, 20 ms of every push
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # who is asking is read in `web.auth`, from the router's header alone
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def main() -> None:
    logging.basicConfig(level=logging.INFO, format=log_format.FORMAT)
    settings = load(Path(sys.argv[1]), {})  # as `highroad up` decided; the environment had its say there
    platform, caretaker = assemble(settings)
    log_format.install(platform.masks.recent)
    settings.api_socket.unlink(missing_ok=True)  # of a control plane that was killed
    server = Server(server_config(create_app(platform, caretaker), settings), platform)
    gc.freeze()  # what is there now stays for ever: see `__main__`
    gc.enable()
    server.run()
