"""A whole installation for tests of stores, verbs and HTTP edges: real database, real application, a target in memory.

Migrating takes longer than most tests, so each test process migrates once and every test gets a copy: of a file with
SQLite, of a template database with PostgreSQL. Used by the fixtures in `tests/conftest.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.testclient import TestClient
from starlette.types import ASGIApp

from highroad.access import actions, store
from highroad.access.model import SCOPES, Actor, Origin, User
from highroad.app.composition import Platform, compose, create_app
from highroad.db.engine import Database
from highroad.db.migrate import migrate
from highroad.drivers.memory import MemoryDriver
from highroad.events.log import EventLog
from highroad.kit.bell import Bell
from highroad.kit.ids import new_id
from highroad.routing.memory import MemoryRouter
from highroad.sandbox.model import Level
from highroad.settings import Settings

ADMIN = "ada@example.com"
MEMBER = "ben@example.com"
SOURCE = "http://localhost:8080"
SCOPES_OF_A_MEMBER = ("read", "write", "git")


@dataclass(frozen=True, slots=True)
class People:
    """Who is in the template: an administrator and a member, each with a token of all their scopes."""

    admin: User
    member: User
    admin_token: str
    member_token: str


def fill(database_url: str) -> People:
    """Migrate the empty database and let the two people in."""
    database = Database(database_url)
    try:
        migrate(database)
        log = EventLog(SOURCE, Bell())
        with database.begin() as tx:
            admin = store.add_user(tx, id=new_id("usr"), email=ADMIN, name="Ada", admin=True, password=None)
            member = store.add_user(tx, id=new_id("usr"), email=MEMBER, name="Ben", admin=False, password=None)
            _, first = actions.issue_token(
                tx, log, admin, name="all of it", scopes=tuple(SCOPES), days=90, origin="system"
            )
            _, second = actions.issue_token(
                tx, log, member, name="a member's", scopes=SCOPES_OF_A_MEMBER, days=90, origin="system"
            )
    finally:
        database.close()
    return People(admin, member, first, second)


def actor_of(user: User, *scopes: str, origin: Origin = "api") -> Actor:
    """`user` as an actor with these scopes; with all that the user can have, if none are named."""
    everything = tuple(SCOPES) if user.admin else SCOPES_OF_A_MEMBER
    return Actor(user.id, user.email, "user", origin, user.admin, frozenset(scopes or everything))


@dataclass(frozen=True, slots=True)
class Api:
    """The application over HTTP as three callers see it. Paths are relative to `/api/v1`."""

    platform: Platform
    app: ASGIApp
    people: People
    admin: TestClient
    member: TestClient
    nobody: TestClient

    @property
    def db(self) -> Database:
        return self.platform.context.db

    @property
    def driver(self) -> MemoryDriver:
        assert isinstance(self.platform.driver, MemoryDriver)
        return self.platform.driver

    def caller(self, token: str | None) -> TestClient:
        return caller(self.app, token)

    def caller_with(self, *scopes: str, user: User | None = None, days: int | None = 90) -> TestClient:
        """A caller with a new token of exactly these scopes; the administrator's unless another user is given."""
        with self.db.begin() as tx:
            _, secret = actions.issue_token(
                tx,
                self.platform.context.log,
                user or self.people.admin,
                name="of a test",
                scopes=scopes,
                days=days,
                origin="api",
            )
        return self.caller(secret)


def caller(app: ASGIApp, token: str | None) -> TestClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return TestClient(app, base_url=f"{SOURCE}/api/v1", headers=headers, raise_server_exceptions=False)


@contextmanager
def installation(data: Path, database_url: str, people: People) -> Iterator[Api]:
    """The composed application on a database that `fill` made or a copy of it."""
    settings = Settings(data, database=database_url)
    platform = compose(settings, driver=MemoryDriver(), router=MemoryRouter(settings), level=Level(features=()))
    app = create_app(platform)
    try:
        yield Api(
            platform,
            app,
            people,
            admin=caller(app, people.admin_token),
            member=caller(app, people.member_token),
            nobody=caller(app, None),
        )
    finally:
        platform.context.db.close()
