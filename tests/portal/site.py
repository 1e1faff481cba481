"""A whole portal for tests: a real SQLite database, the API beside the pages, memory driver and memory router.

Nothing is built here: what a pipeline would leave behind is written with the same stores that it uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import delete

import highroad.deployments.command_store
from highroad.access import actions as access
from highroad.access import user_actions
from highroad.access.model import SYSTEM, Actor, User
from highroad.access.secrets import hash_password
from highroad.access.store import update_user
from highroad.audit import pages as audit_pages
from highroad.builds.junit import TestCase, TestRun
from highroad.builds.model import Artifact
from highroad.db.engine import Database, Transaction, metadata
from highroad.db.keys import data_keys, unlock
from highroad.deployments import actions as deployments
from highroad.deployments import api as deployments_api
from highroad.deployments import pages as deployment_pages
from highroad.deployments import running_api, runs_api, store
from highroad.deployments.commands import Commands
from highroad.deployments.desk import Desk
from highroad.deployments.follow import Follower
from highroad.deployments.keeper import Keeper
from highroad.deployments.model import Change, Deployment, Plan
from highroad.drivers.contract import InstanceSpec
from highroad.drivers.memory import MemoryDriver
from highroad.events.log import EventLog
from highroad.gates import pages as gates_pages
from highroad.kit.bell import Bell
from highroad.kit.clock import now, rfc3339
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
from highroad.pipelines import actions as pipeline_actions
from highroad.pipelines import store as pipelines
from highroad.pipelines.actions import PushedCommit
from highroad.pipelines.journal import Journal
from highroad.pipelines.model import PipelineRun, Release
from highroad.projects import actions as projects
from highroad.projects.model import Environment, Service
from highroad.projects.places import WHERE
from highroad.projects.store import names as project_names
from highroad.projects.visibility import event_filter
from highroad.sealing.keychain import Keychain
from highroad.settings import Settings
from highroad.sources.git import Git
from highroad.sources.repository import Repository
from highroad.web import access as access_api
from highroad.web import account, event_pages, pages, problems, sign_in
from highroad.web import events as events_api
from highroad.web.context import Context
from highroad.workload.model import Process, Workload

PASSWORD = "correct horse battery"
PEOPLE = (oidc_pages, federation_pages, providers_api, trust_api, second_factor_pages, account_api)
PASSWORD_HASH = hash_password(PASSWORD)
assert highroad.deployments.command_store, "imported for its table"


@dataclass(slots=True)
class Site:
    """`started` are the workflows that would have been started; `routes` counts how often routes were refreshed."""

    directory: Path
    port: int = 8080
    started: list[tuple[str, str]] = field(default_factory=list)
    routes: int = 0
    driver: MemoryDriver = field(default_factory=MemoryDriver)
    context: Context = field(init=False)
    desk: Desk = field(init=False)
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        settings = Settings(self.directory, port=self.port)
        settings.make_directories()
        db, bell = Database(settings.database_url), Bell()
        metadata.create_all(db.engine)
        unlock(db, Keychain(settings.data))
        self.context = Context(settings, db, EventLog(settings.url, bell), bell)
        journal = Journal(settings.logs / "journal", bell)
        repository_of = self._repositories(settings)
        self.desk = Desk(
            self.context,
            self.driver,
            Follower(db, journal),
            Commands(self.context, journal, self.driver),
            repository_of,
            self._start,
            self._refresh_routes,
            Keeper(self.context, self.driver, journal, repository_of, self._start),
        )
        self.app = self._app()

    def _app(self) -> FastAPI:
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.state.context = self.context
        problems.install(app, page=pages.error_page(self.context))
        for of_context in (pages, sign_in, account, access_api, audit_pages, gates_pages, *PEOPLE):
            app.include_router(of_context.router(self.context))
        for of_people in (rooms.api_routers, rooms.page_routers):
            for router in of_people(self.context, project_names):
                app.include_router(router)
        for of_permissions in (permission_rooms.api_routers, permission_rooms.page_routers):
            for router in of_permissions(self.context, WHERE):
                app.include_router(router)
        for of_events in (event_pages, events_api):
            app.include_router(of_events.router(self.context, event_filter))
        for of_desk in (deployment_pages, deployments_api, runs_api, running_api):
            app.include_router(of_desk.router(self.desk))

        @app.get("/broken")
        def broken() -> None:
            raise RuntimeError("a secret <b>detail</b>")

        return app

    def _repositories(self, settings: Settings) -> Callable[[str], Repository]:
        git = Git(settings.data / "git")
        return lambda id: Repository(settings.repositories / f"{id}.git", git)

    def _start(self, name: str, id: str) -> None:
        self.started.append((name, id))

    def _refresh_routes(self) -> None:
        self.routes += 1

    def reset(self) -> None:
        """An empty installation again: building the application anew takes ten times as long."""
        with self.context.db.begin() as tx:
            for table in reversed([each for each in metadata.sorted_tables if each is not data_keys]):
                tx.execute(delete(table))
        self.started.clear()
        self.routes = 0
        for instance in list(self.driver.observe()):
            self.driver.forget(instance)

    def close(self) -> None:
        self.context.db.close()

    # Who looks

    def user(self, email: str = "ada@example.com", *, role: str = "owner", password: bool = True) -> User:
        with self.context.db.begin() as tx:
            user = user_actions.create_user(tx, self.context.log, SYSTEM, email=email, name="Ada", role=role)
            if password:
                update_user(tx, user.id, password=PASSWORD_HASH)
        return user

    def session(self, user: User) -> tuple[str, Actor, str]:
        """The secret of a new session, its actor and its CSRF token."""
        with self.context.db.begin() as tx:
            session = access.start_session(tx, self.context.log, user, address="test")
            found = access.actor_of_session(tx, session.secret, address="test")
        assert found is not None
        return session.secret, found[0], found[1].csrf

    def browser(self, user: User | None = None) -> Browser:
        """A client, signed in when a user is given."""
        client = TestClient(
            self.app,
            base_url=self.context.settings.url,
            follow_redirects=False,
            raise_server_exceptions=False,
        )
        browser = Browser(client)
        if user is not None:
            secret, browser.actor, browser.csrf = self.session(user)
            client.cookies.set("highroad_session", secret, domain="localhost.local")  # as the jar files our own answers
        return browser

    # What a pipeline would leave behind

    def service(self, project: str = "shop", name: str = "web") -> tuple[Service, Environment]:
        log = self.context.log
        with self.context.db.begin() as tx:
            parent = projects.create_project(tx, log, SYSTEM, name=project)
            where = projects.create_environment(
                tx, log, SYSTEM, parent, name="production", mode="production", branch="main"
            )
            return projects.create_service(tx, log, SYSTEM, parent, name=name), where

    def run(self, service: Service, *, message: str = "Greet people by name", commit: str = "a" * 40) -> PipelineRun:
        pushed = PushedCommit("main", None, commit, message, "Ada Lovelace <ada@example.com>")
        with self.context.db.begin() as tx:
            return pipeline_actions.queue_run(
                tx, self.context.log, SYSTEM, service, pushed, lambda name, id: self.started.append((name, id))
            )

    def release(
        self, service: Service, run: PipelineRun, command: str = "python app.py", to: Environment | None = None
    ) -> Release:
        """Ends the run with tests and a release, which is at work being deployed when `to` is given."""
        processes = (Process("web", command, http=True), Process("worker", "python work.py"))
        tests = (TestCase("tests.test_app", "test_greets", 0.01, "passed"),)
        self.desk.follower.journal.write(run.id, "build", "-----> Building\n       done")
        with self.context.db.begin() as tx:
            for position, task in enumerate(("checkout", "build", "test", "release")):
                pipelines.begin_task(tx, run.id, task, position)
                pipelines.end_task(tx, run.id, task, "succeeded", 0.2 + position)
            pipelines.set_tests(tx, run.id, TestRun(tests))
            release = pipelines.add_release(tx, run, Artifact("sha256:1", "/artifact"), Workload(processes))
            if to is not None:
                self._deployment(tx, service, to, release)
            pipelines.move_run(
                tx, run.id, ["queued", "running"], "succeeded", started_at=rfc3339(now()), finished_at=rfc3339(now())
            )
        return release

    def deployment(self, service: Service, where: Environment, release: Release) -> Deployment:
        """One at work, with its plan, which nobody carries out."""
        with self.context.db.begin() as tx:
            return self._deployment(tx, service, where, release)

    def _deployment(self, tx: Transaction, service: Service, where: Environment, release: Release) -> Deployment:
        plan = Plan(
            "Release 1: start 1 instance of web.",
            (Change("start", "web", "1 instance: python app.py"), Change("route", "web", "to the new instance")),
            warnings=("worker has no health check.",),
            hosts=(f"{service.name}.{where.name}.{service.project}.localhost",),
        )
        asked = deployments.request(
            tx,
            self.context.log,
            SYSTEM,
            service,
            where,
            kind="deploy",
            release=release,
            counts={},
            run_id=release.run_id,
            start=self._start,
            keeper=self.desk.keeper,
        )
        store.set_plan(tx, asked.id, plan)
        store.begin_step(tx, asked.id, "start")
        self.desk.follower.journal.write(asked.id, "deploy", "-----> Starting web.1")
        return asked

    def finish(self, service: Service, where: Environment, deployment: Deployment, release: Release) -> None:
        """The deployment succeeds: its instances serve."""
        with self.context.db.begin() as tx:
            old = [each.id for each in store.instances_at(tx, service.id, where.id)]
            store.set_instances(tx, old, "stopped")
            for process in release.workload.processes:
                self._instance(tx, service, where, deployment, process)
            store.end_step(tx, deployment.id, "start", "succeeded", 0.4)
            placement = store.placement(tx, service.id, where.id)
            store.update_placement(tx, placement.identity, release_id=release.id, deployment_id=deployment.id)
            deployments.finish(tx, self.context.log, service, where, deployment, ("running",), "succeeded", "")
        self.context.bell.ring()

    def _instance(
        self, tx: Transaction, service: Service, where: Environment, deployment: Deployment, process: Process
    ) -> None:
        id = f"ins_{process.name}_{deployment.id[-20:]}"
        spec = InstanceSpec(id, f"{service.id}.{where.id}", f"{process.name}.1", process.command, "/artifact")
        store.add_instance(
            tx,
            deployment=deployment,
            process=process.name,
            index=1,
            http=process.http,
            port=None,
            spec=spec,
            drain=1.0,
        )
        store.set_instances(tx, [id], "serving")
        self.driver.start(spec)

    def live(self) -> tuple[Service, Environment, PipelineRun, Release, Deployment]:
        """A service that serves in production."""
        service, where = self.service()
        run = self.run(service)
        release = self.release(service, run)
        deployment = self.deployment(service, where, release)
        self.finish(service, where, deployment, release)
        return service, where, run, release, deployment


class Browser:
    """A TestClient that keeps its cookies and sends forms as a page of the portal would."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.csrf = ""
        self.actor: Actor | None = None

    def get(self, path: str) -> Page:
        response = self.client.get(path)
        return Page(response.status_code, response.text, dict(response.headers))

    def post(self, path: str, /, **fields: str | list[str]) -> Page:
        response = self.client.post(path, data={"csrf": self.csrf, **fields})
        return Page(response.status_code, response.text, dict(response.headers))


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    html: str
    headers: dict[str, str]

    @property
    def location(self) -> str:
        return self.headers.get("location", "")

    @property
    def text(self) -> str:
        """What is read on the page, without its markup."""
        return " ".join(re.sub(r"<[^>]*>", " ", self.html).split())
