"""A backup comes back somewhere else as it was; what is no backup, or would not fit, leaves everything untouched."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect

from highroad.app import archive
from highroad.app.archive import BadBackup
from highroad.app.backup import BackupExists, NotEmpty, Written, restore_backup, write_backup
from highroad.builds.artifacts import ArtifactStore
from highroad.builds.model import Artifact
from highroad.db import keys
from highroad.db.engine import Database
from highroad.drivers.memory import MemoryDriver
from highroad.projects import store as projects
from highroad.routing.memory import MemoryRouter
from highroad.sealing.keychain import Keychain
from highroad.settings import Settings, load
from highroad.sources.packing import may_pack, no_packing
from tests.deployments.stage import Stage, composed, settings_in, staged

DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An installation with a served release, in `tmp_path / "data"`."""
    driver, router = MemoryDriver(), MemoryRouter(settings_in(tmp_path))
    platform = composed(tmp_path, driver, router)
    platform.settings.save()
    stage = staged(platform, driver, router)
    stage.do(release=stage.release())
    yield stage
    platform.engine.destroy()
    platform.context.db.close()


@pytest.fixture
def settings(stage: Stage) -> Settings:
    return stage.platform.settings


@pytest.fixture
def file(settings: Settings, tmp_path: Path) -> Path:
    """A backup of the installation."""
    write_backup(settings, tmp_path / "backup.tar.gz")
    return tmp_path / "backup.tar.gz"


def restore(file: Path, data: Path, *, database: str | None = None) -> Written:
    """With the master key of the installation beside."""
    key = data.parent / "data" / "master.key"
    return restore_backup(file, data, database=database, master_key=key if key.exists() else None)


def rows(settings: Settings) -> dict[str, list[dict[str, object]]]:
    """Everything in the database."""
    database = Database(settings.database_url)
    try:
        with database.read() as tx:
            names = sorted(inspect(tx.connection).get_table_names())
            found = {name: tx.connection.exec_driver_sql(f"SELECT * FROM {name}").mappings().all() for name in names}
    finally:
        database.close()
    plain = {name: [dict(row) for row in each] for name, each in found.items()}
    return {name: sorted(each, key=lambda row: json.dumps(row, default=str)) for name, each in plain.items()}


def opened(settings: Settings) -> dict[str, list[dict[str, object]]]:
    """The same, with what is sealed in the clear, and the directory of the installation taken out of it."""
    database, found = Database(settings.database_url), rows(settings)
    keys.unlock(database, Keychain(settings.data, {}))
    with database.read() as tx:
        for sealed in keys.sealed_columns():
            for row in found[sealed.table.name]:
                text = sealed.open(tx, row) if row[sealed.column] else ""
                row[sealed.column] = text.replace(str(settings.data), "DATA")
    database.close()
    return found


def virtual_environment(settings: Settings) -> Path:
    """An artifact as pip leaves one: scripts, links and compiled files with absolute paths in them."""
    store = ArtifactStore(settings.artifacts)
    with store.making(DIGEST, waiting=lambda: None) as finish:
        tree = store.tree(DIGEST)
        (tree / "bin").mkdir(parents=True)
        (tree / "bin" / "serve").write_text(f"#!{tree}/bin/python\nprint(1)\n")
        (tree / "bin" / "serve").chmod(0o755)
        (tree / "bin" / "python").symlink_to(f"{tree}/bin/python3")
        (tree / "bin" / "python3").symlink_to("/usr/bin/python3")
        (tree / "beside").write_text(f"{settings.data}-beside and {settings.data}")
        (tree / "compiled").write_bytes(f"\0{tree}".encode())
        (tree / "once").write_text("same")
        (tree / "again").hardlink_to(tree / "once")
        (tree / "sealed").mkdir()
        (tree / "sealed" / "note").write_text(f"{tree}")
        (tree / "sealed" / "note").chmod(0o444)
        (tree / "sealed").chmod(0o555)
        finish(Artifact(DIGEST, str(tree)))
    return tree


def forged(file: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(file, "w:gz") as made:
        for member, content in members:
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return file


def link(name: str, target: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def nothing_left(tmp_path: Path, data: Path) -> bool:
    return not data.exists() and not list(tmp_path.glob(f".{data.name}.*"))


# Round trips


def test_everything_comes_back_in_another_directory(settings: Settings, file: Path, tmp_path: Path) -> None:
    (settings.logs / "apps").mkdir()
    restore(file, tmp_path / "new")
    assert opened(load(tmp_path / "new", {})) == opened(settings)
    assert load(tmp_path / "new", {}) == replace(settings, data=tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert {path.name for path in (tmp_path / "new").iterdir()} & set(archive.PAPERS) == {"settings.json", "master.key"}


def test_an_artifact_works_at_its_new_place(settings: Settings, tmp_path: Path) -> None:
    old = virtual_environment(settings)
    write_backup(settings, tmp_path / "backup.tar.gz")
    restore(tmp_path / "backup.tar.gz", tmp_path / "new")
    new = ArtifactStore(tmp_path / "new" / "artifacts").tree(DIGEST)
    assert (new / "bin" / "serve").read_text() == f"#!{new}/bin/python\nprint(1)\n"
    assert (new / "bin" / "serve").stat().st_mode & 0o777 == 0o755
    assert (new / "bin" / "python").readlink() == new / "bin" / "python3"
    assert (new / "bin" / "python3").readlink() == Path("/usr/bin/python3")
    assert (new / "compiled").read_bytes() == f"\0{old}".encode()
    assert (new / "once").stat().st_ino == (new / "again").stat().st_ino
    assert (new / "sealed" / "note").read_text() == str(new)
    assert (new / "sealed").stat().st_mode & 0o777 == 0o555
    found = ArtifactStore(tmp_path / "new" / "artifacts").find(DIGEST)
    assert found is not None
    assert found.directory == str(new)


def test_a_directory_that_only_begins_like_the_old_one_is_not_renamed(settings: Settings, tmp_path: Path) -> None:
    virtual_environment(settings)
    write_backup(settings, tmp_path / "backup.tar.gz")
    restore(tmp_path / "backup.tar.gz", tmp_path / "new")
    text = (ArtifactStore(tmp_path / "new" / "artifacts").tree(DIGEST) / "beside").read_text()
    assert text == f"{settings.data}-beside and {tmp_path / 'new'}"


def test_a_backup_of_sqlite_comes_back_on_postgresql_and_from_there(
    settings: Settings, file: Path, tmp_path: Path, postgres_database: str
) -> None:
    restore(file, tmp_path / "new", database=postgres_database)
    moved = load(tmp_path / "new", {})
    assert moved.database == postgres_database
    assert {name: len(each) for name, each in rows(moved).items()} == {
        name: len(each) for name, each in rows(settings).items()
    }
    database = Database(moved.database_url)
    with database.begin() as tx:  # numbers go on where they were
        assert len(projects.list_services(tx)) == 1
        highest = tx.connection.exec_driver_sql("SELECT max(seq) FROM events").scalar()
        following = tx.connection.exec_driver_sql("SELECT nextval(pg_get_serial_sequence('events', 'seq'))").scalar()
        assert following == (highest or 0) + 1
    database.close()
    write_backup(moved, tmp_path / "second.tar.gz")
    with pytest.raises(BadBackup, match="PostgreSQL"):
        restore(tmp_path / "second.tar.gz", tmp_path / "newer")


# Refusals


def test_a_backup_never_replaces_a_file(settings: Settings, file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(BackupExists):
        write_backup(settings, file)
    assert file.read_bytes() == before


def test_a_directory_with_something_in_it_is_left_alone(file: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").touch()
    with pytest.raises(NotEmpty):
        restore(file, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine"]


def test_a_database_with_something_in_it_is_left_alone(file: Path, tmp_path: Path, postgres_database: str) -> None:
    database = Database(postgres_database)
    with database.begin() as tx:
        tx.connection.exec_driver_sql("CREATE TABLE users (mine text)")
    with pytest.raises(NotEmpty):
        restore(file, tmp_path / "new", database=postgres_database)
    with database.read() as tx:
        assert inspect(tx.connection).get_table_names() == ["users"]
    database.close()
    assert nothing_left(tmp_path, tmp_path / "new")


def test_a_restore_that_fails_leaves_the_database_empty(
    settings: Settings, tmp_path: Path, postgres_database: str
) -> None:
    broken = rebuilt(settings, tmp_path, lambda text: text + '["no_such_table", {}]\n')
    with pytest.raises(KeyError):
        restore(broken, tmp_path / "new", database=postgres_database)
    database = Database(postgres_database)
    with database.read() as tx:
        assert inspect(tx.connection).get_table_names() == []
    database.close()
    assert nothing_left(tmp_path, tmp_path / "new")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.9999])
def test_a_cut_backup_is_refused_and_nothing_is_left(file: Path, tmp_path: Path, kept: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(BadBackup):
        restore(file, tmp_path / "new")
    assert nothing_left(tmp_path, tmp_path / "new")


def test_a_backup_with_a_wrong_checksum_is_refused(file: Path, tmp_path: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[-8] ^= 1
    file.write_bytes(whole)
    with pytest.raises(BadBackup):
        restore(file, tmp_path / "new")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    foreign = forged(tmp_path / "foreign.tar.gz", (tarfile.TarInfo("readme.txt"), b"hello"))
    empty = forged(tmp_path / "empty.tar.gz")
    for file in (tmp_path / "text", foreign, empty, tmp_path / "missing"):
        with pytest.raises(BadBackup):
            restore(file, tmp_path / "new")
        assert nothing_left(tmp_path, tmp_path / "new")


@pytest.mark.parametrize(
    "members",
    [
        [(tarfile.TarInfo("../outside"), b"x")],
        [(tarfile.TarInfo("artifacts/../../outside"), b"x")],
        [(tarfile.TarInfo("{tmp}/outside"), b"x")],
        [link("artifacts/a", "{tmp}", tarfile.SYMTYPE), (tarfile.TarInfo("artifacts/a/outside"), b"x")],
        [link("artifacts/a", "{tmp}/victim", tarfile.LNKTYPE), (tarfile.TarInfo("artifacts/a"), b"x")],
        [link("artifacts", "{tmp}", tarfile.SYMTYPE)],
        [link("settings.json", "{tmp}/victim", tarfile.SYMTYPE)],
        [link("artifacts/pipe", "", tarfile.FIFOTYPE)],
        [(tarfile.TarInfo("manifest.json/x"), b"x")],
    ],
)
def test_members_that_lead_outside_are_refused(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    (tmp_path / "victim").write_text("mine")
    for member, _ in members:
        member.name = member.name.replace("{tmp}", str(tmp_path))
        member.linkname = member.linkname.replace("{tmp}", str(tmp_path))
    with pytest.raises(BadBackup):
        restore(forged(tmp_path / "forged.tar.gz", *members), tmp_path / "new")
    assert (tmp_path / "victim").read_text() == "mine"
    assert not (tmp_path / "outside").exists()
    assert nothing_left(tmp_path, tmp_path / "new")


def rebuilt(settings: Settings, tmp_path: Path, change: object = None, **manifest: object) -> Path:
    """A backup whose rows or manifest somebody changed."""
    write_backup(settings, tmp_path / "backup.tar.gz")
    with tarfile.open(tmp_path / "backup.tar.gz") as made:
        papers = {name: made.extractfile(name).read() for name in archive.PAPERS[:3]}  # type: ignore[union-attr]  # files
    papers["manifest.json"] = json.dumps({**json.loads(papers["manifest.json"]), **manifest}).encode()
    if callable(change):
        papers["database.jsonl"] = change(papers["database.jsonl"].decode()).encode()
    return forged(tmp_path / "rebuilt.tar.gz", *((tarfile.TarInfo(name), text) for name, text in papers.items()))


def test_a_backup_of_a_newer_version_is_refused(settings: Settings, tmp_path: Path) -> None:
    for newer in ({"schema": "9999"}, {"format": 2}):
        with pytest.raises(BadBackup):
            restore(rebuilt(settings, tmp_path, **newer), tmp_path / "new")
        (tmp_path / "backup.tar.gz").unlink()
        assert nothing_left(tmp_path, tmp_path / "new")


# While the installation goes on


def git(*arguments: object) -> str:
    words = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.com", *map(str, arguments)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def test_pushes_go_on_meanwhile_and_every_branch_is_whole(settings: Settings, tmp_path: Path) -> None:
    bare, work = settings.repositories / "svc_1.git", tmp_path / "work"
    git("init", "-q", "--bare", "-b", "main", bare)
    git("clone", "-q", bare, work)
    stop, pushed = threading.Event(), threading.Semaphore(0)

    def push() -> None:
        while not stop.is_set():
            git("-C", work, "commit", "-q", "--allow-empty", "-m", "again")
            git("-C", work, "push", "-q", "origin", "HEAD:main", "HEAD:refs/heads/other")
            pushed.release()

    pushing = threading.Thread(target=push)
    pushing.start()
    pushed.acquire()
    for number in range(5):
        write_backup(settings, tmp_path / f"{number}.tar.gz")
        pushed.acquire()
    stop.set()
    pushing.join()
    for number in range(5):
        restore(tmp_path / f"{number}.tar.gz", tmp_path / f"new{number}")
        restored = tmp_path / f"new{number}" / "repositories" / "svc_1.git"
        git("-C", restored, "fsck", "--connectivity-only")
        assert git("-C", restored, "log", "--format=%s", "main").strip()


def test_refs_are_read_before_objects_and_marks_after_their_artifact(settings: Settings, tmp_path: Path) -> None:
    bare = settings.repositories / "svc_1.git"
    git("init", "-q", "--bare", bare)
    (bare / "packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted\n")
    (bare / "objects" / "00").mkdir()
    (bare / "objects" / "00" / "11").touch()
    (bare / "objects" / "pack" / "pack-1.pack").touch()
    (bare / "objects" / "incoming-1").mkdir()
    virtual_environment(settings)
    write_backup(settings, tmp_path / "backup.tar.gz")
    with tarfile.open(tmp_path / "backup.tar.gz") as made:
        names = made.getnames()
    ours = [name.removeprefix("repositories/svc_1.git/") for name in names if name.startswith("repositories/svc_1")]
    wanted = ["refs/heads", "packed-refs", "objects", "objects/00/11", "objects/pack/pack-1.pack"]
    assert sorted(wanted, key=ours.index) == wanted
    assert "objects/incoming-1" not in ours
    assert len(ours) == len(set(ours))
    assert next(name for name in reversed(names) if name.startswith("artifacts")).endswith("artifact.json")


def test_no_repository_is_packed_while_a_backup_reads(tmp_path: Path) -> None:
    with no_packing(tmp_path), no_packing(tmp_path), may_pack(tmp_path) as free:
        assert not free
    with may_pack(tmp_path) as free:
        assert free


def test_a_file_that_is_replaced_by_a_shorter_one_spoils_nothing(tmp_path: Path) -> None:
    shrinking, gone = tmp_path / "shrinking", tmp_path / "gone"
    shrinking.write_text("x" * 100)
    with archive.begun(tmp_path / "made.tar.gz") as made:
        assert archive.add(made, shrinking, "one")
        shrinking.write_text("y")
        assert archive.add(made, shrinking, "two")
        assert not archive.add(made, gone, "three")
    with tarfile.open(tmp_path / "made.tar.gz") as made:
        assert [(each.name, each.size) for each in made] == [("one", 100), ("two", 1)]
