"""Puts the rooms together: a `Platform` of settings, and the ASGI application over it. Called by `serve` and tests."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from highroad import __version__
from highroad.app import system
from highroad.app.caretaker import Caretaker
from highroad.builds.build import Builder
from highroad.db.engine import Database, Transaction
from highroad.db.migrate import migrate
from highroad.deployments import actions as deployments
from highroad.deployments import api as deployments_api
from highroad.deployments import pages as deployment_pages
from highroad.deployments import removal, running_api, runs_api
from highroad.deployments.commands import Commands
from highroad.deployments.desk import Desk
from highroad.deployments.follow import Follower
from highroad.deployments.instances import Ports
from highroad.deployments.push import PushGate
from highroad.deployments.rehousing import Rehousing
from highroad.deployments.removal import Remover
from highroad.deployments.workflow import Deployer
from highroad.drivers.contract import Driver
from highroad.drivers.memory import MemoryDriver
from highroad.events.log import EventLog
from highroad.kit.bell import Bell
from highroad.pipelines import actions as pipelines
from highroad.pipelines.journal import Journal
from highroad.pipelines.model import PipelineRun, Release
from highroad.pipelines.workflow import Pipeline
from highroad.projects import api as projects_api
from highroad.projects import store as projects
from highroad.projects.model import Service
from highroad.routing.memory import MemoryRouter
from highroad.routing.model import Router
from highroad.sandbox.model import Level
from highroad.settings import Settings
from highroad.sources.gateway import Gateway
from highroad.sources.git import install
from highroad.sources.repository import Repository
from highroad.web import access as access_api
from highroad.web import account, event_pages, pages, problems, sign_in
from highroad.web import events as events_api
from highroad.web.context import Context
from highroad.workflows.engine import Engine
from highroad.workflows.run import Observer, Retry

THREADS_SQLITE, THREADS_POSTGRES = 4, 8
"""Worker threads for requests. More make SQLite slower: its one writer is handed around (measured 2.5 x at 40)."""
STEP_RETRY = Retry(attempts=10, first=0.2, factor=2.0, longest=5.0)
"""Patience of a step with what is only temporary, such as a database that restarts: about half a minute."""
DESCRIPTION = "Push a commit, get a live URL: everything the portal and the CLI do, they do through this API."
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Platform:
    """One running installation. `driver`, `router` and `level` are the real ones in production, twins in tests."""

    settings: Settings
    context: Context
    engine: Engine
    driver: Driver
    router: Router
    pipeline: Pipeline
    deployer: Deployer
    rehousing: Rehousing
    gate: PushGate
    gateway: Gateway[Any]
    desk: Desk
    commands: Commands
    journal: Journal
    builder: Builder
    repository_of: Callable[[str], Repository]


def compose(
    settings: Settings, *, driver: Driver, router: Router, level: Level, observer: Observer | None = None
) -> Platform:
    """Everything of one installation on a migrated database; nothing runs yet."""
    context = _context(settings)
    db, journal = context.db, Journal(settings.logs / "journal", context.bell)
    repository_of = _repositories(settings)
    lost = _LostRuns(context)
    engine = Engine(
        settings.database_url,
        version=__version__,
        executor="control-plane",
        observer=observer,
        on_lost=lost,
        retry=STEP_RETRY,
    )
    lost.start = engine.start
    deployer = Deployer(context, journal, driver, router, engine.start)
    builder = Builder.from_settings(settings, level)
    pipeline = Pipeline(
        db,
        context.log,
        journal,
        repository_of=repository_of,
        builder=builder,
        work=settings.work,
        on_release=_OnRelease(context, engine.start),
        start=engine.start,
    )
    engine.register(pipelines.WORKFLOW, pipeline)
    engine.register(deployments.WORKFLOW, deployer)
    commands = Commands(context, journal, driver)
    remover = Remover(context, journal, driver, repository_of, deployer.apply_routes, commands.end_at)
    engine.register(removal.WORKFLOW, remover)
    follower = Follower(db, journal)
    gate = PushGate(context, follower, repository_of=repository_of, start=engine.start)
    gateway = Gateway(gate, push_limit=settings.push_limit, push_seconds=settings.push_seconds)
    desk = Desk(context, driver, follower, commands, repository_of, engine.start, deployer.apply_routes)
    return Platform(
        settings,
        context,
        engine,
        driver,
        router,
        pipeline,
        deployer,
        Rehousing(db, driver, Ports(settings.first_app_port, settings.last_app_port), deployer.apply_routes),
        gate,
        gateway,
        desk,
        commands,
        journal,
        builder,
        repository_of,
    )


def _context(settings: Settings) -> Context:
    """Directories made, database migrated."""
    settings.make_directories()
    db, bell = Database(settings.database_url), Bell()
    migrate(db)
    return Context(settings, db, EventLog(settings.url, bell), bell)


def _repositories(settings: Settings) -> Callable[[str], Repository]:
    """From a service's id to its repository."""
    git = install(settings.data / "git")
    return lambda service_id: Repository(settings.repositories / f"{service_id}.git", git)


class _OnRelease:
    """A release goes to every environment whose rule matches its branch, in the release's transaction."""

    def __init__(self, context: Context, start: Callable[[str, str], None]) -> None:
        self._context = context
        self._start = start

    def __call__(self, tx: Transaction, run: PipelineRun, service: Service, release: Release) -> list[str]:
        who = _Pusher(run.actor)
        matching = [each for each in projects.list_environments(tx, service.project_id) if each.deploys(run.branch)]
        for environment in matching:
            deployments.request(
                tx,
                self._context.log,
                who,
                service,
                environment,
                kind="deploy",
                release=release,
                counts={},
                run_id=run.id,
                start=self._start,
            )
        return [each.name for each in matching]


@dataclass(frozen=True, slots=True)
class _Pusher:
    name: str
    origin: str = "git"


class _LostRuns:
    """A workflow that the engine could not bring to its end: recorded, so that its turn is free again."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.start: Callable[[str, str], None] = _not_yet

    def __call__(self, name: str, subject_id: str, error: Exception) -> None:
        logger.error("%s %s was lost", name, subject_id, exc_info=error)
        if name == removal.WORKFLOW:
            return  # still marked: the caretaker starts it anew
        lost = deployments.give_up if name == deployments.WORKFLOW else pipelines.give_up
        with self._context.db.begin() as tx:
            lost(tx, self._context.log, subject_id, f"Highroad could not bring it to its end: {error}", self.start)


def _not_yet(_name: str, _subject_id: str) -> None:
    """Until there is an engine, there is nothing it could have lost."""


def create_app(platform: Platform, caretaker: Caretaker | None = None) -> ASGIApp:
    """The application: API, portal and Git server. With a `caretaker` it brings the installation up when it starts."""
    app = FastAPI(
        title="Highroad",
        version=__version__,
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(platform, caretaker),
    )
    app.state.context = platform.context
    problems.install(app, page=pages.error_page(platform.context))
    ready = caretaker.is_ready if caretaker else (lambda: True)
    for router in _api_routers(platform, ready):
        app.include_router(router)
    for module in (pages, sign_in, account, event_pages):
        app.include_router(module.router(platform.context))
    app.include_router(deployment_pages.router(platform.desk))
    return _with_git(app, platform.gateway)


def _api_routers(platform: Platform, ready: Callable[[], bool]) -> list[APIRouter]:
    return [
        system.router(platform.context, platform.driver, platform.builder, ready),
        access_api.router(platform.context),
        projects_api.router(platform.context),
        deployments_api.router(platform.desk),
        runs_api.router(platform.desk),
        running_api.router(platform.desk),
        events_api.router(platform.context),
    ]


def _lifespan(platform: Platform, caretaker: Caretaker | None) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        threads = THREADS_SQLITE if platform.context.db.sqlite else THREADS_POSTGRES
        anyio.to_thread.current_default_thread_limiter().total_tokens = threads
        if caretaker is not None:
            caretaker.start()
        yield
        if caretaker is not None:
            caretaker.stop()

    return lifespan


def _with_git(app: ASGIApp, gateway: ASGIApp) -> ASGIApp:
    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith("/git/"):
            await gateway({**scope, "root_path": "/git"}, receive, send)
        else:
            await app(scope, receive, send)

    return route


def openapi_document() -> dict[str, Any]:
    """The API's description, from an installation in memory that nothing ever starts."""
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(Path(directory))
        platform = compose(settings, driver=MemoryDriver(), router=MemoryRouter(settings), level=Level(features=()))
        app = FastAPI(title="Highroad", version=__version__, description=DESCRIPTION)
        problems.document(app)
        for router in _api_routers(platform, lambda: True):
            app.include_router(router)
        platform.context.db.close()
        return app.openapi()
