"""Puts the rooms together: a `Platform` of settings, and the ASGI application over it. Called by `serve` and tests."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from highroad import __version__
from highroad.access.actions import actor_named
from highroad.access.permissions import allowed
from highroad.access.questions import able_people
from highroad.app import sealing_api, system
from highroad.app.caretaker import Caretaker
from highroad.audit import api as audit_api
from highroad.audit import destination_api, review_api
from highroad.audit import pages as audit_pages
from highroad.audit import retention as audit_retention
from highroad.audit import search_api as audit_search_api
from highroad.audit.delivery import Delivery
from highroad.audit.sequencer import Sequencer
from highroad.audit.witness import Witnesses
from highroad.builds.build import Builder
from highroad.db.engine import Database, Transaction
from highroad.db.keys import unlock
from highroad.db.migrate import migrate
from highroad.deployments import actions as deployments
from highroad.deployments import api as deployments_api
from highroad.deployments import approvals_api, removal, running_api, runs_api, secrets_api
from highroad.deployments import pages as deployment_pages
from highroad.deployments.commands import Commands
from highroad.deployments.desk import Desk
from highroad.deployments.follow import Follower
from highroad.deployments.instances import Ports
from highroad.deployments.keeper import Keeper
from highroad.deployments.masks import Masks
from highroad.deployments.push import PushGate
from highroad.deployments.rehousing import Rehousing
from highroad.deployments.removal import Remover
from highroad.deployments.workflow import Deployer
from highroad.drivers.contract import Driver
from highroad.drivers.memory import MemoryDriver
from highroad.errors import Temporary
from highroad.events.log import EventLog
from highroad.gates import api as gates_api
from highroad.gates import pages as gates_pages
from highroad.kit.bell import Bell
from highroad.kit.clock import now
from highroad.people import (
    account_api,
    federation_pages,
    oidc_pages,
    permission_rooms,
    providers_api,
    rooms,
    second_factor_pages,
    trust_api,
)
from highroad.pipelines import actions as pipelines
from highroad.pipelines import store as run_store
from highroad.pipelines.journal import Journal
from highroad.pipelines.model import PipelineRun, Release
from highroad.pipelines.workflow import Pipeline, Sent
from highroad.projects import api as projects_api
from highroad.projects import store as projects
from highroad.projects import vaults_api
from highroad.projects.model import Service
from highroad.projects.places import WHERE
from highroad.projects.visibility import event_filter
from highroad.routing.memory import MemoryRouter
from highroad.routing.model import Router
from highroad.sandbox.model import Level
from highroad.sealing.keychain import Keychain
from highroad.settings import Settings
from highroad.sources.gateway import Gateway
from highroad.sources.git import install
from highroad.sources.repository import Repository
from highroad.web import access as access_api
from highroad.web import account, event_pages, pages, problems, sign_in
from highroad.web import events as events_api
from highroad.web.context import Context
from highroad.web.request_ids import RequestIds
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
    masks: Masks
    sequencer: Sequencer

    def tidy_audit(self) -> None:
        """Drop events whose time is over, and old checkpoints."""
        audit_retention.tidy(self.sequencer, self.settings.keep_events_days)


def compose(
    settings: Settings,
    *,
    driver: Driver,
    router: Router,
    level: Level,
    observer: Observer | None = None,
    clock: Callable[[], datetime] = now,
) -> Platform:
    """Everything of one installation on a migrated database; nothing runs yet. Gates open and close by `clock`."""
    context = _context(settings)
    db, masks = context.db, Masks(context.db)
    journal = Journal(settings.logs / "journal", context.bell, masks)
    repository_of = _repositories(settings)
    lost = _LostRuns(context, masks)
    engine = _engine(settings, observer, lost)
    lost.start = engine.start
    keeper = Keeper(context, driver, journal, repository_of, engine.start, clock)
    deployer = Deployer(context, journal, driver, router, engine.start, keeper)
    builder = Builder.from_settings(settings, level)
    pipeline = Pipeline(
        db,
        context.log,
        journal,
        repository_of=repository_of,
        builder=builder,
        work=settings.work,
        on_release=_OnRelease(context, engine.start, keeper),
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
    desk = Desk(context, driver, follower, commands, repository_of, engine.start, deployer.apply_routes, keeper)
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
        masks,
        Sequencer(db, context.log, settings.data, settings.domain),
    )


def _engine(settings: Settings, observer: Observer | None, lost: _LostRuns) -> Engine:
    return Engine(
        settings.database_url,
        version=__version__,
        executor="control-plane",
        observer=observer,
        on_lost=lost,
        retry=STEP_RETRY,
    )


def _context(settings: Settings) -> Context:
    """Directories made, database migrated and unlocked."""
    settings.make_directories()
    db, bell = Database(settings.database_url), Bell()
    migrate(db)
    unlock(db, Keychain(settings.data))
    return Context(settings, db, EventLog(settings.url, bell), bell)


def _repositories(settings: Settings) -> Callable[[str], Repository]:
    """From a service's id to its repository."""
    git = install(settings.data / "git")
    return lambda service_id: Repository(settings.repositories / f"{service_id}.git", git)


class _OnRelease:
    """A release goes to every environment whose rule matches its branch, in the release's transaction, as far as
    whoever pushed may deploy there: as the account stands now, because a build takes its time."""

    def __init__(self, context: Context, start: Callable[[str, str], None], keeper: Keeper) -> None:
        self._context = context
        self._start = start
        self._keeper = keeper

    def __call__(self, tx: Transaction, run: PipelineRun, service: Service, release: Release) -> Sent:
        who = actor_named(tx, run.actor, origin="git")
        sent, passed = Sent(), run_store.tests_passed(tx, run.id)
        for environment in projects.list_environments(tx, service.project_id):
            if not environment.deploys(run.branch):
                continue
            place = environment.place.of_service(service.name)
            if not allowed(who, "deployment:write", place, kind="deploy", branch=run.branch, tests_passed=passed):
                sent.withheld.append(environment.name)
                sent.ask[environment.name] = able_people(tx, "deployment:write", place)
                continue
            sent.environments.append(environment.name)
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
                keeper=self._keeper,
            )
        return sent


class _LostRuns:
    """A workflow that the engine could not bring to its end: recorded, so that its turn is free again."""

    def __init__(self, context: Context, masks: Masks) -> None:
        self._context = context
        self._masks = masks
        self.start: Callable[[str, str], None] = _not_yet

    def __call__(self, name: str, subject_id: str, error: Exception) -> None:
        with contextlib.suppress(Temporary):
            self._masks(subject_id)  # from now on, the log masks its secrets
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
    for router in _page_routers(platform):
        app.include_router(router)
    return RequestIds(_with_git(app, platform.gateway))


def _api_routers(platform: Platform, ready: Callable[[], bool]) -> list[APIRouter]:
    return [
        system.router(platform.context, platform.driver, platform.builder, ready),
        access_api.router(platform.context),
        *rooms.api_routers(platform.context, projects.names),
        *permission_rooms.api_routers(platform.context, WHERE),
        providers_api.router(platform.context),
        trust_api.router(platform.context),
        account_api.router(platform.context),
        projects_api.router(platform.context),
        deployments_api.router(platform.desk),
        runs_api.router(platform.desk),
        running_api.router(platform.desk),
        approvals_api.router(platform.desk),
        gates_api.router(platform.context),
        secrets_api.router(platform.desk),
        vaults_api.router(platform.context),
        sealing_api.router(platform.context),
        events_api.router(platform.context, event_filter),
        audit_search_api.router(platform.context, platform.sequencer),
        audit_api.router(platform.context, platform.sequencer),
        destination_api.router(platform.context),
        review_api.router(platform.context),
    ]


def _page_routers(platform: Platform) -> list[APIRouter]:
    return [
        *(module.router(platform.context) for module in (pages, sign_in, account, gates_pages)),
        rooms.scim_router(platform.context),
        *rooms.page_routers(platform.context, projects.names),
        *permission_rooms.page_routers(platform.context, WHERE),
        oidc_pages.router(platform.context),
        federation_pages.router(platform.context),
        second_factor_pages.router(platform.context),
        event_pages.router(platform.context, event_filter),
        deployment_pages.router(platform.desk),
        audit_pages.router(platform.context),
    ]


def routers(platform: Platform) -> list[APIRouter]:
    """All routes of the API and of the portal."""
    return [*_api_routers(platform, lambda: True), *_page_routers(platform)]


def _lifespan(platform: Platform, caretaker: Caretaker | None) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        settings = platform.settings
        threads = THREADS_SQLITE if platform.context.db.sqlite else THREADS_POSTGRES
        anyio.to_thread.current_default_thread_limiter().total_tokens = threads
        delivery = Delivery(platform.context.db, platform.context.log, platform.settings.domain)
        if caretaker is not None:
            caretaker.start()
            delivery.start()
            platform.sequencer.start(Witnesses(platform.sequencer, settings.data, settings.url).look)
        yield
        if caretaker is not None:
            platform.sequencer.stop()
            delivery.stop()
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
