"""A platform on the twins of driver and router, with one service in one environment: where workflows are played.

`Stage.work` carries out whatever has its turn in this thread and without the durable engine, so a test of behaviour is
quick and deterministic; tests of durability launch `platform.engine` instead.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from highroad.access.model import SYSTEM
from highroad.app.composition import Platform, compose
from highroad.builds.model import Artifact
from highroad.db.engine import Database
from highroad.db.migrate import migrate
from highroad.deployments import actions, store
from highroad.deployments.model import Deployment, DeploymentState, Instance, Kind, Placement
from highroad.deployments.routes import all_routes
from highroad.drivers.memory import MemoryDriver, Script
from highroad.pipelines import store as pipelines
from highroad.pipelines.model import Release
from highroad.projects import actions as project_actions
from highroad.projects.model import Environment, Service
from highroad.routing.memory import MemoryRouter
from highroad.sandbox.level import probe
from highroad.sandbox.model import Level
from highroad.settings import Settings
from highroad.workflows.run import Observer, Retry, Run, Unobserved
from highroad.workload.model import Health, Process, Workload

HOST = "web.production.shop.localhost"
WEB = Process(name="web", command="serve", http=True, health=Health(grace=0.3, interval=0.01), drain=0.0)
WORKER = Process(name="worker", command="work", health=Health(kind="tcp", grace=0.3, interval=0.01))


@cache
def migrated() -> Path:
    """An empty database with the schema, to be copied: migrating takes longer than most tests here."""
    directory = Path(tempfile.mkdtemp(prefix="hr-template-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    database = Database(f"sqlite:///{directory}/highroad.sqlite")
    migrate(database)
    database.close()  # the last connection moves all into the file
    return directory / "highroad.sqlite"


@cache
def machine_level() -> Level:
    """What isolation this machine offers, found out once."""
    with tempfile.TemporaryDirectory(prefix="hr-") as directory:
        settings = Settings(Path(directory))
        settings.make_directories()
        return probe(settings)


def settings_in(directory: Path) -> Settings:
    """Settings of a data directory under `directory`, whose database has the schema."""
    settings = Settings(directory / "data")
    settings.make_directories()
    file = settings.data / "highroad.sqlite"
    if not file.exists():
        shutil.copyfile(migrated(), file)
    return settings


def composed(directory: Path, driver: MemoryDriver, router: MemoryRouter, observer: Observer | None = None) -> Platform:
    return compose(settings_in(directory), driver=driver, router=router, level=machine_level(), observer=observer)


def bare_run(name: str, subject_id: str, observer: Observer | None = None) -> Run:
    """A run that records nothing: steps are executed as they come."""
    return Run(
        name,
        subject_id,
        attempt=1,
        begun_by="test",
        record=lambda _name, execute: execute(),
        retry=Retry(attempts=3, first=0.001),
        observer=observer or Unobserved(),
        stopping=threading.Event(),
        cancelled=lambda _name, _subject: False,
    )


@dataclass
class Stage:
    platform: Platform
    driver: MemoryDriver
    router: MemoryRouter
    service: Service
    environment: Environment
    started: list[tuple[str, str]] = field(default_factory=list)

    # What people do

    def release(self, *processes: Process, **workload: object) -> Release:
        """A release as a pipeline run leaves it."""
        return self.release_of(Workload(processes=processes or (WEB,), **workload))  # type: ignore[arg-type]  # by name

    def release_of(self, whole: Workload) -> Release:
        with self.platform.context.db.begin() as tx:
            run = pipelines.add_run(
                tx, self.service.id, commit="c" * 40, branch="main", message="Change", author="Ann", actor="ann"
            )
            pipelines.move_run(tx, run.id, ["queued"], "succeeded")
            publish = "/site" if not whole.processes else None
            artifact = Artifact(f"sha256:{run.number}", "/artifact", publish=publish)
            return pipelines.add_release(tx, run, artifact, whole)

    def ask(
        self, kind: Kind = "deploy", release: Release | None = None, counts: Mapping[str, int] | None = None
    ) -> Deployment:
        with self.platform.context.db.begin() as tx:
            return actions.ask(
                tx,
                self.platform.context.log,
                SYSTEM,
                self.service,
                self.environment,
                kind=kind,
                release=release,
                counts=counts or {},
                start=self.start,
                keeper=self.platform.desk.keeper,
            )

    def start(self, workflow: str, subject: str) -> None:
        self.started.append((workflow, subject))

    def do(
        self, kind: Kind = "deploy", release: Release | None = None, counts: Mapping[str, int] | None = None
    ) -> Deployment:
        """Ask, and see it through to its end."""
        asked = self.ask(kind, release, counts)
        self.work()
        return self.deployment(asked.id)

    def configure(self, **values: str) -> None:
        with self.platform.context.db.begin() as tx:
            project = project_actions.find_project(tx, SYSTEM, self.service.project)
            project_actions.change_variables(
                tx,
                self.platform.context.log,
                SYSTEM,
                project,
                environment=self.environment,
                service=self.service,
                values=values,
                unset=(),
            )

    def cancel(self, deployment: Deployment) -> None:
        with self.platform.context.db.begin() as tx:
            actions.cancel(tx, self.platform.context.log, SYSTEM, self.service, self.environment, deployment)

    def work(self) -> None:
        """Carry out every deployment that has its turn, and those that get it then."""
        while working := self.deployments("running"):
            for deployment in working:
                self.platform.deployer(bare_run(actions.WORKFLOW, deployment.work), deployment.work)

    def script(self, command: str, **behaviour: object) -> None:
        self.driver.scripts[command] = Script(**behaviour)  # type: ignore[arg-type]  # fields by name

    def while_checking(self, act: Callable[[], object]) -> None:
        """Do something when the first instance is being checked."""
        self._at("check", act)

    def _at(self, verb: str, act: Callable[[], object]) -> None:
        original = getattr(self.driver, verb)

        def intercepted(*words: object, **named: object) -> object:
            setattr(self.driver, verb, original)
            act()
            return original(*words, **named)

        setattr(self.driver, verb, intercepted)

    def while_running_a_command(self, act: Callable[[], object]) -> None:
        self._at("run", act)

    # What there is

    def deployment(self, id: str) -> Deployment:
        with self.platform.context.db.read() as tx:
            found = store.deployment(tx, id)
        assert found is not None
        return found

    def deployments(self, state: DeploymentState) -> list[Deployment]:
        with self.platform.context.db.read() as tx:
            return store.deployments_in(tx, state)

    def placement(self) -> Placement:
        with self.platform.context.db.read() as tx:
            return store.placement(tx, self.service.id, self.environment.id)

    def serving(self) -> list[Instance]:
        with self.platform.context.db.read() as tx:
            return store.instances_at(tx, self.service.id, self.environment.id, ["serving"])

    def said(self, deployment: Deployment) -> str:
        lines, _ = self.platform.journal.read(deployment.id)
        return "\n".join(line.text for line in lines)

    def require_sound(self) -> None:
        """What holds whenever nothing is at work: the turn is free, the engine runs what serves and nothing else, and
        the router has the routes of the database."""
        with self.platform.context.db.read() as tx:
            live, routes = store.live_instances(tx), all_routes(tx, "localhost")
        assert self.placement().active_id is None
        assert {each.state for each in live} <= {"serving"}
        assert set(self.driver.specs) == {each.id for each in live}
        assert not routes or self.router.applied[-1] == tuple(routes)


def staged(platform: Platform, driver: MemoryDriver, router: MemoryRouter, *, branch: str | None = "main") -> Stage:
    """Make the project `shop` with the service `web` in `production`, which deploys `branch`."""
    context = platform.context
    with context.db.begin() as tx:
        project = project_actions.create_project(tx, context.log, SYSTEM, name="shop")
        service = project_actions.create_service(tx, context.log, SYSTEM, project, name="web")
        environment = project_actions.create_environment(
            tx, context.log, SYSTEM, project, name="production", mode="production", branch=branch
        )
    return Stage(platform, driver, router, service, environment)


def found(platform: Platform, driver: MemoryDriver, router: MemoryRouter) -> Stage:
    """The stage that `staged` made here before."""
    with platform.context.db.read() as tx:
        service = project_actions.find_service(tx, SYSTEM, "shop", "web")
        environment = project_actions.find_environment(tx, SYSTEM, "shop", "production")
    return Stage(platform, driver, router, service, environment)
