"""Fixtures for the tests of every package."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.kit.bell import Bell
from tests import postgres, world

DATABASES = ("sqlite", "postgres")

# A shell starts what it sends to the background with SIGINT ignored, and what we start would inherit that: the tests of
# Ctrl-C need it as a terminal has it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a private PostgreSQL server's database `postgres`; one server per test process. Skips without one."""
    programs = postgres.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine: install Debian's `postgresql` or put `initdb` on PATH")
    with postgres.server(programs) as url:
        yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test's own."""
    with postgres.database(postgres_url) as url:
        yield url


@pytest.fixture(params=DATABASES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.sqlite'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, world.People]:
    """A migrated SQLite file with the people of `world`."""
    file = tmp_path_factory.mktemp("template") / "highroad.sqlite"
    return file, world.fill(f"sqlite:///{file}")


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> tuple[str, world.People]:
    """The name of a migrated PostgreSQL database with the people of `world`; it goes with its server."""
    url = postgres.create(postgres_url)
    return postgres.name_of(url), world.fill(url)


@pytest.fixture(params=DATABASES)
def migrated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, world.People]]:
    """A migrated database of this test's own with an administrator and a member, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        template, people = request.getfixturevalue("sqlite_template")
        shutil.copyfile(template, tmp_path / "highroad.sqlite")
        yield f"sqlite:///{tmp_path / 'highroad.sqlite'}", people
        return
    name, people = request.getfixturevalue("postgres_template")
    with postgres.database(request.getfixturevalue("postgres_url"), template=name) as url:
        yield url, people


@pytest.fixture
def database_url(migrated: tuple[str, world.People]) -> str:
    return migrated[0]


@pytest.fixture
def people(migrated: tuple[str, world.People]) -> world.People:
    return migrated[1]


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A migrated database, opened; once on SQLite and once on PostgreSQL."""
    database = Database(database_url)
    world.unlock_for_tests(database)
    yield database
    database.close()


@pytest.fixture
def log() -> EventLog:
    return EventLog(world.SOURCE, Bell())


@pytest.fixture
def api(migrated: tuple[str, world.People], tmp_path: Path) -> Iterator[world.Api]:
    """The application over HTTP with an administrator, a member and nobody; once on each database."""
    with world.installation(tmp_path / "data", *migrated) as made:
        yield made


@pytest.fixture
def postgres_api(postgres_template: tuple[str, world.People], postgres_url: str, tmp_path: Path) -> Iterator[world.Api]:
    """As `api`, on PostgreSQL alone: for what only a server can do, such as going away."""
    name, people = postgres_template
    with postgres.database(postgres_url, template=name) as url, world.installation(tmp_path, url, people) as made:
        yield made


@pytest.fixture
def sqlite_api(sqlite_template: tuple[Path, world.People], tmp_path: Path) -> Iterator[world.Api]:
    """As `api`, on SQLite alone: for behaviour that no database has a part in."""
    template, people = sqlite_template
    shutil.copyfile(template, tmp_path / "highroad.sqlite")
    with world.installation(tmp_path / "data", f"sqlite:///{tmp_path / 'highroad.sqlite'}", people) as made:
        yield made
