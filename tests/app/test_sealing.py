"""An installation and its master key: refused starts, upgrades from before there were keys, backups and restores."""

from __future__ import annotations

import base64
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from highroad.access.model import SYSTEM
from highroad.app import lifecycle
from highroad.app.backup import restore_backup, write_backup
from highroad.app.backup_keys import MasterKeyNeeded, NoMasterKeyFile
from highroad.app.composition import compose
from highroad.db import keys
from highroad.db.engine import Database
from highroad.db.migrate import migrate, upgrade
from highroad.drivers.memory import MemoryDriver
from highroad.projects import secrets, variable_store
from highroad.projects.actions import find_project
from highroad.projects.secrets import Entry, Scope
from highroad.routing.memory import MemoryRouter
from highroad.sandbox.model import Level
from highroad.sealing.errors import LooseMasterKey, MasterKeyMissing, WrongMasterKey
from highroad.sealing.keychain import KEY, Keychain
from highroad.settings import Settings, load
from tests.deployments.stage import Stage, composed, settings_in, staged

VALUE = "correct-horse-battery"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An installation in `tmp_path / "data"` that serves a release with a secret."""
    driver, router = MemoryDriver(), MemoryRouter(settings_in(tmp_path))
    platform = composed(tmp_path, driver, router)
    platform.settings.save()
    made = staged(platform, driver, router)
    with platform.context.db.begin() as tx:
        scope = Scope(find_project(tx, SYSTEM, "shop"), made.environment, made.service)
        secrets.change(tx, platform.context.log, SYSTEM, scope, {"TOKEN": Entry(VALUE, "secret")})
    made.do(release=made.release())
    yield made
    platform.engine.destroy()
    platform.context.db.close()


def start(settings: Settings) -> None:
    """As the control plane does, as far as it comes."""
    made = compose(settings, driver=MemoryDriver(), router=MemoryRouter(settings), level=Level(features=()))
    made.context.db.close()


def token_of(settings: Settings, environ: dict[str, str] | None = None) -> str:
    """The value of the secret, as an installation there reads it."""
    database = Database(settings.database_url)
    from_keys = Keychain(settings.data, environ or {})
    keys.unlock(database, from_keys)
    try:
        with database.read() as tx:
            project = tx.execute(text("SELECT id FROM projects")).scalar_one()
            return next(each.value for each in variable_store.variables_of_project(tx, project))
    finally:
        database.close()


# Starting


@pytest.mark.parametrize("harm", ["missing", "another", "loose"])
def test_an_installation_without_its_key_does_not_start_and_loses_nothing(stage: Stage, harm: str) -> None:
    settings = stage.platform.settings
    file, kept = settings.data / "master.key", settings.data / "kept"
    file.rename(kept)
    if harm == "another":
        Keychain(settings.data, {}).make()
    elif harm == "loose":
        kept.rename(file)
        file.chmod(0o644)
    expected = {"missing": MasterKeyMissing, "another": WrongMasterKey, "loose": LooseMasterKey}[harm]
    for begin in (lambda: start(settings), lambda: lifecycle.prepare_operator(settings, {})):
        with pytest.raises(expected) as refused:
            begin()
        assert refused.value.next_step
    file.unlink(missing_ok=True) if harm == "another" else None
    if kept.exists():
        kept.rename(file)
    file.chmod(0o600)
    start(settings)
    assert token_of(settings) == VALUE


def test_the_key_of_the_environment_reaches_the_control_plane_and_no_other_program(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    given = {KEY: base64.b64encode(bytes(32)).decode(), "PATH": "/bin", "OTHER": "x"}
    programs = {each.name: each.env for each in lifecycle.programs(settings, given)}
    assert programs["control-plane"][KEY] == given[KEY]
    assert not any(KEY in env for name, env in programs.items() if name != "control-plane")


def test_values_of_before_there_were_keys_are_sealed_at_the_first_start(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "data")
    settings.make_directories()
    database = Database(settings.database_url)
    with database.begin() as tx:
        upgrade(tx.connection, "0001")
        tx.execute(text("INSERT INTO projects VALUES ('prj_1', 'shop', '2026-01-01T00:00:00Z', '')"))
        tx.execute(text(f"INSERT INTO variables VALUES ('var_1', 'prj_1', '', '', 'TOKEN', '{VALUE}')"))
    migrate(database)
    start(settings)
    assert token_of(settings) == VALUE
    with database.read() as tx:
        assert VALUE not in str(tx.execute(text("SELECT * FROM variables")).all())
    database.close()


# Backups


def test_a_backup_shows_no_secret_and_has_no_master_key(stage: Stage, tmp_path: Path) -> None:
    settings = stage.platform.settings
    write_backup(settings, tmp_path / "backup.tar.gz")
    with tarfile.open(tmp_path / "backup.tar.gz") as archive:
        names = archive.getnames()
        contents = [archive.extractfile(each).read() for each in archive.getmembers() if each.isreg()]  # type: ignore[union-attr]  # files
    assert "master.key" not in names
    key = (settings.data / "master.key").read_bytes()
    assert not any(VALUE.encode() in each or key in each for each in contents)


@pytest.mark.parametrize("given", ["nothing", "another"])
def test_a_restore_without_the_key_says_which_and_writes_nothing(stage: Stage, tmp_path: Path, given: str) -> None:
    settings = stage.platform.settings
    write_backup(settings, tmp_path / "backup.tar.gz")
    (tmp_path / "other").mkdir()
    Keychain(tmp_path / "other", {}).make()
    wrong = tmp_path / "other" / "master.key" if given == "another" else None
    right = Keychain(settings.data, {}).present()
    assert right is not None
    with pytest.raises(MasterKeyNeeded, match=right.id) as refused:
        restore_backup(tmp_path / "backup.tar.gz", tmp_path / "new", master_key=wrong)
    assert str(settings.data / "master.key") in refused.value.next_step
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("how", ["file", "included"])
def test_secrets_come_back_with_their_key(stage: Stage, tmp_path: Path, how: str) -> None:
    settings = stage.platform.settings
    write_backup(settings, tmp_path / "backup.tar.gz", include_master_key=how == "included")
    key = settings.data / "master.key" if how == "file" else None
    restore_backup(tmp_path / "backup.tar.gz", tmp_path / "new", master_key=key)
    assert (tmp_path / "new" / "master.key").stat().st_mode & 0o7777 == 0o600
    assert token_of(load(tmp_path / "new", {})) == VALUE
    start(load(tmp_path / "new", {}))


def test_secrets_come_back_with_the_key_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {KEY: base64.b64encode(b"k" * 32).decode()}
    monkeypatch.setenv(KEY, environ[KEY])
    driver, router = MemoryDriver(), MemoryRouter(settings_in(tmp_path))
    platform = composed(tmp_path, driver, router)
    platform.settings.save()
    made = staged(platform, driver, router)
    made.configure(TOKEN=VALUE)
    with pytest.raises(NoMasterKeyFile):
        write_backup(platform.settings, tmp_path / "backup.tar.gz", include_master_key=True)
    write_backup(platform.settings, tmp_path / "backup.tar.gz")
    restore_backup(tmp_path / "backup.tar.gz", tmp_path / "new")
    assert not (tmp_path / "new" / "master.key").exists()
    assert token_of(load(tmp_path / "new", {}), environ) == VALUE
    platform.engine.destroy()
    platform.context.db.close()
