"""The migrated schema is the one in the code, whoever migrates and from wherever."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import highroad.app.composition
from highroad.db import migrate as module
from highroad.db.engine import Database, metadata
from highroad.db.migrate import HEAD, MIGRATIONS, DatabaseIsNewer, migrate, revision

assert highroad.app.composition, "it has imported every room, and with them every table"


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    database = Database(empty_database_url)
    yield database
    database.close()


def tables(database: Database) -> set[str]:
    with database.read() as tx:
        return set(inspect(tx.connection).get_table_names())


def test_the_migrated_schema_is_the_schema_of_the_code(db: Database) -> None:
    with db.read() as tx:
        context = MigrationContext.configure(tx.connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrated_schema_has_the_names_of_a_fresh_one(empty: Database) -> None:
    with empty.begin() as tx:
        metadata.create_all(tx.connection)
    fresh = {table: names(empty, table) for table in tables(empty)}
    with empty.begin() as tx:
        metadata.drop_all(tx.connection)
    migrate(empty)
    assert {table: names(empty, table) for table in tables(empty) - {"alembic_version"}} == fresh


def names(database: Database, table: str) -> list[object]:
    """All that comparing types leaves out: constraints and indexes with their columns, in no particular order."""
    with database.read() as tx:
        found = inspect(tx.connection)
        unique = [(each["name"], tuple(each["column_names"])) for each in found.get_unique_constraints(table)]
        indexes = [(each["name"], tuple(each["column_names"])) for each in found.get_indexes(table)]
        foreign = [
            (each["name"], each["referred_table"], str(each["options"])) for each in found.get_foreign_keys(table)
        ]
        key = found.get_pk_constraint(table)
        return [sorted(map(str, [*unique, *indexes, *foreign])), key["name"], tuple(key["constrained_columns"])]


def test_head_is_the_newest_revision_there_is() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


def test_an_empty_database_has_no_revision_and_a_migrated_one_the_newest(empty: Database) -> None:
    assert revision(empty) is None
    migrate(empty)
    assert revision(empty) == HEAD


def test_migrating_again_changes_nothing(empty: Database) -> None:
    migrate(empty)
    before = tables(empty)
    migrate(empty)
    assert tables(empty) == before


def test_a_migration_that_fails_leaves_nothing_behind_and_can_be_repeated(empty: Database) -> None:
    with empty.begin() as tx:
        tx.execute(text("CREATE TABLE variables (in_the_way INTEGER)"))
    with pytest.raises(Exception, match="variables"):
        migrate(empty)
    assert tables(empty) == {"variables"}
    with empty.begin() as tx:
        tx.execute(text("DROP TABLE variables"))
    migrate(empty)
    assert revision(empty) == HEAD


def test_a_database_of_a_newer_highroad_is_refused_with_what_to_do(empty: Database) -> None:
    migrate(empty)
    with empty.begin() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseIsNewer) as refused:
        migrate(empty)
    assert "9999" in refused.value.detail
    assert refused.value.next_step


def test_two_processes_that_migrate_at_once_both_find_it_done(empty_database_url: str) -> None:
    code = (
        "import sys; from highroad.db.engine import Database; from highroad.db.migrate import migrate;"
        "sys.stdin.readline(); migrate(Database(sys.argv[1]))"
    )
    arguments = [sys.executable, "-c", code, empty_database_url]
    both = [subprocess.Popen(arguments, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    endings = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], endings
    database = Database(empty_database_url)
    assert revision(database) == HEAD
    database.close()


def test_a_start_on_a_migrated_database_does_without_alembic(sqlite_template: tuple[object, object]) -> None:
    code = (
        "import sys; from highroad.db.engine import Database; from highroad.db.migrate import migrate;"
        "migrate(Database(sys.argv[1])); sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, f"sqlite:///{sqlite_template[0]}"], check=True)


def test_every_migration_says_what_it_is() -> None:
    for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions():
        assert script.doc
        assert script.longdoc.strip().endswith("."), "a sentence"
    assert module.__doc__
