"""Data keys in the database: unlocked with the right master key only, rotated without losing a text."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Column, String, Table, Text, insert, select, update

from highroad.db import keys
from highroad.db.engine import Database, Transaction, metadata
from highroad.sealing import keychain as keychains
from highroad.sealing.errors import CannotOpen, Locked, MasterKeyMissing, WrongMasterKey
from highroad.sealing.keychain import KEY, PREVIOUS, Keychain
from highroad.sealing.keyring import sealed_by
from highroad.sealing.master import LocalKey

NOTES = Table(
    "sealed_notes",
    metadata,
    Column("owner", String(8), primary_key=True),
    Column("name", String(8), primary_key=True),
    Column("text", Text),
)
metadata.remove(NOTES)  # the schema of the product has no such table
OTHER = base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    made = Database(empty_database_url)
    metadata.create_all(made.engine, tables=[keys.data_keys])
    NOTES.create(made.engine)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def notes(monkeypatch: pytest.MonkeyPatch) -> keys.SealedColumn:
    monkeypatch.setattr(keys, "_sealed", [])
    return keys.sealed_column(NOTES, "text", "note:{owner}:{name}")


def write(tx: Transaction, notes: keys.SealedColumn, name: str, text: str) -> None:
    sealed = notes.seal(tx, text, owner="ada", name=name)
    tx.execute(insert(NOTES).values(owner="ada", name=name, text=sealed))


def texts(database: Database, notes: keys.SealedColumn) -> dict[str, str]:
    with database.read() as tx:
        return {row["name"]: notes.open(tx, row) for row in tx.execute(select(NOTES)).mappings()}


def used(database: Database) -> set[str | None]:
    with database.read() as tx:
        return {sealed_by(row[0]) for row in tx.execute(select(NOTES.c.text)) if row[0]}


@pytest.fixture
def again(database: Database) -> Iterator[Callable[[], Database]]:
    """Opens it as another process does."""
    with ExitStack() as stack:

        def opened() -> Database:
            made = Database(database.url.render_as_string(hide_password=False))
            stack.callback(made.close)
            return made

        yield opened


def rows(database: Database) -> list[tuple[object, ...]]:
    with database.read() as tx:
        return [tuple(row) for row in tx.execute(select(keys.data_keys).order_by(keys.data_keys.c.id))]


# Unlocking


def test_a_first_start_makes_both_keys_and_later_ones_find_them(
    database: Database, tmp_path: Path, again: Callable[[], Database]
) -> None:
    keys.unlock(database, Keychain(tmp_path, {}))
    made = rows(database)
    other = again()
    keys.unlock(other, Keychain(tmp_path, {}))
    with database.begin() as tx, other.read() as there:
        assert there.keyring.open(tx.keyring.seal("x", about="x"), about="x") == "x"
    assert rows(database) == made


def test_a_database_without_its_keys_seals_nothing(database: Database) -> None:
    with database.begin() as tx, pytest.raises(Locked, match="without its keys"):
        _ = tx.keyring


def test_a_missing_master_key_is_said_and_none_is_made(
    database: Database, tmp_path: Path, again: Callable[[], Database]
) -> None:
    keys.unlock(database, Keychain(tmp_path, {}))
    before = rows(database)
    (tmp_path / "master.key").rename(tmp_path / "elsewhere")
    with pytest.raises(MasterKeyMissing, match=str(before[0][1])):
        keys.unlock(again(), Keychain(tmp_path, {}))
    assert not (tmp_path / "master.key").exists()
    assert rows(database) == before
    (tmp_path / "elsewhere").rename(tmp_path / "master.key")
    keys.unlock(database, Keychain(tmp_path, {}))


@pytest.mark.parametrize("given", ["file", "environment"])
def test_a_wrong_master_key_is_refused_and_nothing_changes(
    database: Database, tmp_path: Path, given: str, again: Callable[[], Database]
) -> None:
    keys.unlock(database, Keychain(tmp_path, {}))
    before, environ = rows(database), {KEY: OTHER} if given == "environment" else {}
    (tmp_path / "master.key").rename(tmp_path / "elsewhere")
    Keychain(tmp_path, {}).make()
    wrong = (tmp_path / "master.key").read_bytes()
    with pytest.raises(WrongMasterKey, match="wrapped with"):
        keys.unlock(again(), Keychain(tmp_path, environ))
    assert rows(database) == before
    assert (tmp_path / "master.key").read_bytes() == wrong


def test_the_master_key_moves_to_the_environment_when_that_is_announced(
    database: Database, tmp_path: Path, again: Callable[[], Database]
) -> None:
    keys.unlock(database, Keychain(tmp_path, {}))
    with database.begin() as tx:
        sealed = tx.keyring.seal("x", about="x")
    moved = again()
    keys.unlock(moved, Keychain(tmp_path, {KEY: OTHER, PREVIOUS: "file"}))
    keys.unlock(moved, Keychain(tmp_path, {KEY: OTHER}))
    with moved.read() as tx:
        assert tx.keyring.open(sealed, about="x") == "x"
    with pytest.raises(WrongMasterKey):
        keys.unlock(again(), Keychain(tmp_path, {}))


def test_check_makes_nothing_in_a_new_database(database: Database, tmp_path: Path) -> None:
    keys.check(database, Keychain(tmp_path, {}))
    assert rows(database) == []
    assert list(tmp_path.glob("master*")) == []


def test_what_stood_there_before_there_were_keys_is_sealed(
    database: Database, tmp_path: Path, notes: keys.SealedColumn
) -> None:
    with database.begin() as tx:
        tx.execute(insert(NOTES).values(owner="ada", name="a", text="in the clear"))
        tx.execute(insert(NOTES).values(owner="ada", name="b", text=None))
    keys.unlock(database, Keychain(tmp_path, {}))
    assert len(used(database)) == 1
    with database.read() as tx:
        row = tx.execute(select(NOTES).where(NOTES.c.name == "a")).mappings().one()
        assert row["text"].startswith("hs1.")
        assert notes.open(tx, row) == "in the clear"


# Attacks on the rows


def test_a_text_moved_to_another_row_or_put_in_the_clear_does_not_open(
    database: Database, tmp_path: Path, notes: keys.SealedColumn
) -> None:
    keys.unlock(database, Keychain(tmp_path, {}))
    with database.begin() as tx:
        write(tx, notes, "mine", "hunter2")
        write(tx, notes, "yours", "other")
        stolen = tx.execute(select(NOTES.c.text).where(NOTES.c.name == "mine")).scalar_one()
        for placed in (stolen, "in the clear"):
            tx.execute(update(NOTES).where(NOTES.c.name == "yours").values(text=placed))
            row = tx.execute(select(NOTES).where(NOTES.c.name == "yours")).mappings().one()
            with pytest.raises(CannotOpen):
                notes.open(tx, row)


# Rotation


def test_a_rotation_seals_everything_anew_and_the_old_key_goes(
    database: Database, tmp_path: Path, notes: keys.SealedColumn, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.unlock(database, Keychain(tmp_path, {}))
    with database.begin() as tx:
        for number in range(25):
            write(tx, notes, str(number), f"text {number}")
    old = used(database)
    with database.begin() as tx:
        fresh = keys.rotate(tx)
    assert keys.reseal(database, batch=4) == 25
    assert used(database) == {fresh}
    assert texts(database, notes) == {str(number): f"text {number}" for number in range(25)}
    assert keys.drop_retired(database) == [], "another process may still be sealing with it"
    monkeypatch.setattr(keys, "GRACE", timedelta(seconds=-1))
    assert set(keys.drop_retired(database)) == old


def test_a_key_that_a_text_needs_is_not_deleted(
    database: Database, tmp_path: Path, notes: keys.SealedColumn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "GRACE", timedelta(seconds=-1))
    keys.unlock(database, Keychain(tmp_path, {}))
    with database.begin() as tx:
        write(tx, notes, "a", "x")
        keys.rotate(tx)
    assert keys.drop_retired(database) == []
    keys.carry_on(database)
    assert len(rows(database)) == 1


def test_a_rotation_that_dies_between_batches_goes_on_where_it_was(
    database: Database,
    tmp_path: Path,
    notes: keys.SealedColumn,
    monkeypatch: pytest.MonkeyPatch,
    again: Callable[[], Database],
) -> None:
    keys.unlock(database, Keychain(tmp_path, {}))
    with database.begin() as tx:
        for number in range(10):
            write(tx, notes, str(number), "x")
        keys.rotate(tx)
    calls = iter(range(100))

    def dying(ring: object, held: str, about: str) -> str:
        if next(calls) == 5:
            raise KeyboardInterrupt
        return sealed_anew(ring, held, about)  # type: ignore[arg-type]  # it is a keyring

    sealed_anew = keys._sealed_anew
    monkeypatch.setattr(keys, "_sealed_anew", dying)
    with pytest.raises(KeyboardInterrupt):
        keys.reseal(database, batch=3)
    assert len(used(database)) == 2
    monkeypatch.undo()
    monkeypatch.setattr(keys, "_sealed", [notes])
    survivor = again()
    keys.unlock(survivor, Keychain(tmp_path, {}))
    keys.carry_on(survivor)
    assert len(used(survivor)) == 1
    assert set(texts(survivor, notes).values()) == {"x"}


def test_what_is_written_during_a_rotation_is_not_lost(
    database: Database, tmp_path: Path, notes: keys.SealedColumn
) -> None:
    keys.unlock(database, Keychain(tmp_path, {}))
    with database.begin() as tx:
        write(tx, notes, "a", "before")
        keys.rotate(tx)
    with database.begin() as tx:
        write(tx, notes, "b", "during")
    keys.reseal(database)
    assert texts(database, notes) == {"a": "before", "b": "during"}


def test_the_status_counts_what_needs_which_key(database: Database, tmp_path: Path, notes: keys.SealedColumn) -> None:
    keys.unlock(database, Keychain(tmp_path, {}))
    with database.begin() as tx:
        write(tx, notes, "a", "x")
        keys.rotate(tx)
    with database.begin() as tx:
        write(tx, notes, "b", "x")
        write(tx, notes, "c", "x")
        assert [(each.sealed, bool(each.retired_at)) for each in keys.status(tx)] == [(2, False), (1, True)]


def test_the_master_key_is_rotated_and_old_texts_open(
    database: Database, tmp_path: Path, notes: keys.SealedColumn, again: Callable[[], Database]
) -> None:
    keychain = Keychain(tmp_path, {})
    keys.unlock(database, keychain)
    with database.begin() as tx:
        write(tx, notes, "a", "x")
        keys.rotate(tx)
    old = (tmp_path / "master.key").read_bytes()
    keys.rotate_master(database, keychain)
    fresh = again()
    keys.unlock(fresh, Keychain(tmp_path, {}))
    assert texts(fresh, notes) == {"a": "x"}
    with database.begin() as tx:
        keys.rotate(tx)
    assert texts(database, notes) == {"a": "x"}
    assert old in [path.read_bytes() for path in tmp_path.glob("master.key.old-*")]


@pytest.mark.parametrize("step", ["wrapped", "renamed"])
def test_a_master_rotation_that_dies_is_finished_by_the_next_start(
    database: Database, tmp_path: Path, notes: keys.SealedColumn, step: str, again: Callable[[], Database]
) -> None:
    keychain = Keychain(tmp_path, {})
    keys.unlock(database, keychain)
    with database.begin() as tx:
        write(tx, notes, "a", "x")
    assert database.keyring is not None
    before, coming = database.keyring.master, keychain.prepare_next()
    keys.rewrap_all(database, before, coming)
    if step == "renamed":
        (tmp_path / "master.key").rename(tmp_path / f"master.key.old-{before.id}")
    fresh = again()
    keys.unlock(fresh, Keychain(tmp_path, {}))
    assert texts(fresh, notes) == {"a": "x"}
    assert sorted(path.name for path in tmp_path.glob("master.key*")) == ["master.key", f"master.key.old-{before.id}"]


def test_a_master_rotation_that_dies_before_it_wrapped_changes_nothing(
    database: Database, tmp_path: Path, again: Callable[[], Database]
) -> None:
    keys.unlock(database, Keychain(tmp_path, {}))
    Keychain(tmp_path, {}).prepare_next()
    keys.unlock(again(), Keychain(tmp_path, {}))
    assert not list(tmp_path.glob("master.key.old-*"))


def test_a_key_service_that_wraps_is_asked_again(database: Database) -> None:
    class Service(LocalKey):
        """A command's stand-in, whose key has no id of its own."""

        @property
        def id(self) -> str:
            return "command"

    class Chain(Keychain):
        def present(self) -> Service:
            return Service(b"s" * 32, "a key service")

    chain = Chain(Path("/nonexistent"), {keychains.COMMAND: "kms"})
    keys.unlock(database, chain)
    before = rows(database)
    keys.rotate_master(database, chain)
    assert [row[2] for row in rows(database)] != [row[2] for row in before]
    with database.begin() as tx:
        assert tx.keyring.open(tx.keyring.seal("x", about="x"), about="x") == "x"


def test_sealing_costs_no_query_and_microseconds(database: Database, tmp_path: Path) -> None:
    keys.unlock(database, Keychain(tmp_path, {}))
    with database.begin() as tx:
        tx.keyring.seal("warm", about="x")
        text = os.urandom(2000).hex()
        began = time.perf_counter()
        for _ in range(100):
            tx.keyring.open(tx.keyring.seal(text, about="x"), about="x")
        assert time.perf_counter() - began < 0.2, "200 of them; 2 ms as measured"
