"""A stage whose production is guarded, with people who ask, approve and refuse, and a clock that tests turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from highroad.access import grants, teams
from highroad.access import store as accounts
from highroad.access.actions import actor_named
from highroad.access.model import SYSTEM, Actor
from highroad.access.policy.roles import OrganizationRole
from highroad.app.composition import compose
from highroad.deployments import actions, verdicts
from highroad.deployments.model import Deployment, Kind
from highroad.deployments.verdicts import Word
from highroad.drivers.memory import MemoryDriver
from highroad.events import store as event_store
from highroad.gates import actions as gate_actions
from highroad.gates import store as gates
from highroad.gates.calendar import calendar
from highroad.gates.model import Gate, Where
from highroad.gates.store import Wait
from highroad.kit.ids import new_id
from highroad.pipelines.model import Release
from highroad.routing.memory import MemoryRouter
from highroad.sandbox.model import Level
from highroad.sealing.keychain import write_key
from highroad.settings import Settings
from tests.deployments.stage import Stage, staged
from tests.world import MASTER_KEY


@dataclass
class Clock:
    at: datetime = datetime(2026, 11, 28, 12, tzinfo=UTC)  # a Saturday

    def __call__(self) -> datetime:
        return self.at

    def turn(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Guarded:
    """`ann`, `bob` and `eve` are in the team payments, which deploys here; `olga` owns the organization."""

    stage: Stage
    clock: Clock
    people: dict[str, Actor] = field(default_factory=dict)

    def person(self, name: str, *, team: str | None = "payments", role: OrganizationRole = "member") -> Actor:
        email = f"{name}@example.com"
        with self.stage.platform.context.db.begin() as tx:
            user = accounts.add_user(
                tx,
                id=new_id("usr"),
                email=email,
                name=name,
                role=role,
                password=None,
            )
            if team is not None:
                found = teams.team_by_name(tx, team) or teams.add_team(tx, name=team, title=team, parent=None)
                teams.add_member(tx, found.id, user.id)
                project = self.stage.service.project_id
                words = {"holder_kind": "team", "holder_id": found.id, "project": project, "mode": None}
                grants.set_grant(tx, **words, role="deployer", by="test")  # type: ignore[arg-type]
            self.people[name] = actor_named(tx, email, origin="cli")
        return self.people[name]

    def actor(self, name: str) -> Actor:
        with self.stage.platform.context.db.read() as tx:
            return actor_named(tx, f"{name}@example.com", origin="cli")

    # Gates

    def rule(self, text: str = "2 of team payments or 1 of owner", **settings: object) -> Gate:
        return self._gate(gate_actions.add_approval_rule, rule=text, **settings)

    def freeze(self, *times: str, **settings: object) -> Gate:
        made = calendar("UTC", times or ["sat,sun"])
        return self._gate(gate_actions.add_freeze, name="weekend", times=made, **settings)

    def window(self, *times: str) -> Gate:
        return self._gate(gate_actions.add_window, name="office", times=calendar("UTC", times))

    def _gate(self, verb: object, **settings: object) -> Gate:
        context, here = self.stage.platform.context, gate_actions.of_environment(self.stage.environment)
        where = settings.pop("where", here)
        assert isinstance(where, Where)
        with context.db.begin() as tx:
            made = verb(tx, context.log, SYSTEM, where, **settings)  # type: ignore[operator]
        assert isinstance(made, Gate)
        return made

    def lock(self, who: str = "olga", why: str = "migration", until: datetime | None = None) -> None:
        context = self.stage.platform.context
        with context.db.begin() as tx:
            gate_actions.lock(
                tx, context.log, self.actor(who), self.stage.environment, why=why, until=until, at=self.clock()
            )

    def unlock(self) -> None:
        context = self.stage.platform.context
        with context.db.begin() as tx:
            gate_actions.unlock(tx, context.log, SYSTEM, self.stage.environment)

    # Deployments

    def ask(self, who: str = "ann", kind: Kind = "deploy", release: Release | None = None) -> Deployment:
        asker = self.actor(who)
        context, stage = self.stage.platform.context, self.stage
        with context.db.begin() as tx:
            return actions.ask(
                tx,
                context.log,
                asker,
                stage.service,
                stage.environment,
                kind=kind,
                release=release,
                counts={},
                start=stage.start,
                keeper=stage.platform.desk.keeper,
            )

    def wait(self, deployment: Deployment) -> Wait:
        with self.stage.platform.context.db.read() as tx:
            found = gates.wait_of(tx, deployment.id)
        assert found is not None
        return found

    def say(self, who: str, word: Word, deployment: Deployment, text: str = "", seen: str | None = None) -> Deployment:
        shown = self.wait(deployment).seen if seen is None else seen
        verdicts.said(self.stage.platform.desk.keeper, self.actor(who), deployment.id, word, text=text, seen=shown)
        return self.now(deployment)

    def approve(self, who: str, deployment: Deployment) -> Deployment:
        return self.say(who, "approve", deployment)

    def look(self) -> None:
        self.stage.platform.desk.keeper.look(self.clock())

    def now(self, deployment: Deployment) -> Deployment:
        return self.stage.deployment(deployment.id)

    def events(self) -> list[str]:
        with self.stage.platform.context.db.read() as tx:
            found = event_store.read(tx, after=0, limit=1000)
        return [each.type.removeprefix("dev.cdeventsx.highroad-").removesuffix(".0.1.0") for each in found]


@contextmanager
def guarded(data: Path, database_url: str) -> Iterator[Guarded]:
    settings, clock = Settings(data, database=database_url), Clock()
    settings.make_directories()
    write_key(data / "master.key", MASTER_KEY)
    driver, router = MemoryDriver(), MemoryRouter(settings)
    platform = compose(settings, driver=driver, router=router, level=Level(features=()), clock=clock)
    made = Guarded(staged(platform, driver, router), clock)
    for name in ("ann", "bob", "eve"):
        made.person(name)
    made.person("olga", team=None, role="owner")
    yield made
    platform.context.db.close()
