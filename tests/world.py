"""A whole installation for tests of stores, verbs and HTTP edges: real database, real application, a target in memory.

Migrating takes longer than most tests, so each test process migrates once and every test gets a copy: of a file with
SQLite, of a template database with PostgreSQL. Used by the fixtures in `tests/conftest.py`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.testclient import TestClient
from starlette.types import ASGIApp

from highroad.access import grants, store, token_actions
from highroad.access.model import SCOPES, Actor, Origin, User
from highroad.access.policy.engine import built_in
from highroad.access.policy.standing import Grant, Standing
from highroad.app.composition import Platform, compose, create_app
from highroad.db.engine import Database
from highroad.db.keys import unlock
from highroad.db.migrate import migrate
from highroad.drivers.memory import MemoryDriver
from highroad.events.log import EventLog
from highroad.kit.bell import Bell
from highroad.kit.clock import now
from highroad.kit.ids import new_id
from highroad.routing.memory import MemoryRouter
from highroad.sandbox.model import Level
from highroad.sealing.keychain import KEY, Keychain, write_key
from highroad.settings import Settings

ADMIN = "ada@example.com"
MEMBER = "ben@example.com"
SOURCE = "http://localhost:8080"
MASTER_KEY = bytes(range(32))
"""The data keys in the template are wrapped with it."""
SCOPES_OF_A_MEMBER = ("read", "write", "git")


@dataclass(frozen=True, slots=True)
class People:
    """Who is in the template: an owner, and a member who manages every project, with tokens of all their scopes."""

    admin: User
    member: User
    admin_token: str
    member_token: str


def fill(database_url: str) -> People:
    """Migrate the empty database and let the two people in."""
    database = Database(database_url)
    try:
        migrate(database)
        unlock_for_tests(database)
        log = EventLog(SOURCE, Bell())
        with database.begin() as tx:
            admin = store.add_user(tx, id=new_id("usr"), email=ADMIN, name="Ada", role="owner")
            member = store.add_user(tx, id=new_id("usr"), email=MEMBER, name="Ben")
            grants.set_grant(
                tx, holder_kind="user", holder_id=member.id, project=None, mode=None, role="manager", by=ADMIN
            )
            _, first = token_actions.issue_token(
                tx, log, admin, name="all of it", scopes=tuple(SCOPES), days=90, origin="system"
            )
            _, second = token_actions.issue_token(
                tx, log, member, name="a member's", scopes=SCOPES_OF_A_MEMBER, days=90, origin="system"
            )
    finally:
        database.close()
    return People(admin, member, first, second)


def unlock_for_tests(database: Database) -> None:
    """Give a database the keyring of the template's data keys, or of new ones under the same master key."""
    unlock(database, Keychain(Path("/nonexistent"), {KEY: base64.b64encode(MASTER_KEY).decode()}))


def actor_of(user: User, *scopes: str, origin: Origin = "api") -> Actor:
    """`user`, a manager of everything, with these scopes; with all that the user can have, if none are named."""
    everything = tuple(SCOPES) if user.admin else SCOPES_OF_A_MEMBER
    standing = Standing(built_in(), grants=(Grant("grt", "user", user.id, None, None, "manager", now(), ADMIN),))
    chosen = frozenset(scopes or everything)
    return Actor(user.id, user.email, "user", origin, user.role, chosen, standing=standing)


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
            _, secret = token_actions.issue_token(
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
    settings.make_directories()
    write_key(data / "master.key", MASTER_KEY)
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
