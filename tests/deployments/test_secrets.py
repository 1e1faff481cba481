"""Secrets on their way into an instance: references, files and external stores, sealed where they are kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from highroad.access.model import SYSTEM
from highroad.app.composition import Platform
from highroad.deployments import external
from highroad.deployments.model import Deployment
from highroad.drivers.contract import InstanceSpec
from highroad.drivers.memory import MemoryDriver
from highroad.projects import secrets, vaults
from highroad.projects.actions import find_project
from highroad.projects.secrets import Entry, Scope
from highroad.projects.vaults import Credentials, ExternalReference, StoreSettings
from highroad.routing.memory import MemoryRouter
from highroad.sealing.errors import CannotOpen
from tests.deployments.stage import Stage, composed, settings_in, staged

VALUE = "correct-horse-battery"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    driver, router = MemoryDriver(), MemoryRouter(settings_in(tmp_path))
    platform = composed(tmp_path, driver, router)
    yield staged(platform, driver, router)
    platform.engine.destroy()
    platform.context.db.close()


def scope_of(stage: Stage, platform: Platform) -> Scope:
    with platform.context.db.read() as tx:
        return Scope(find_project(tx, SYSTEM, "shop"), stage.environment, stage.service)


def put(stage: Stage, **entries: Entry) -> None:
    platform = stage.platform
    scope = scope_of(stage, platform)
    with platform.context.db.begin() as tx:
        secrets.change(tx, platform.context.log, SYSTEM, scope, entries)


def connect(stage: Stage, program: Path, content: object, *, prefix: str = "", every_project: bool = True) -> None:
    """A command as a store, which prints `content`; later writes to `program` change its answer."""
    program.write_text(json.dumps(content))
    command = stage.platform.settings.vault_commands / "read-secret"
    command.write_text(f"#!{sys.executable}\nprint(open({str(program)!r}).read())\n")
    command.chmod(0o700)
    with stage.platform.context.db.begin() as tx:
        settings = StoreSettings(command="read-secret", prefix=prefix, every_project=every_project)
        vaults.connect(
            tx,
            stage.platform.context.log,
            SYSTEM,
            name="main",
            kind="command",
            settings=settings,
            credentials=Credentials(),
        )


def instance(stage: Stage) -> InstanceSpec:
    return next(iter(stage.driver.specs.values()))


def outside(path: str = "shop/db", key: str = "password") -> Entry:
    return Entry(ExternalReference("main", path, key).to_json(), "external")


def refused(deployment: Deployment) -> str:
    assert deployment.state == "failed", deployment.reason
    return f"{deployment.reason} {deployment.next_step}"


# Delivery


def test_an_instance_gets_secrets_references_aliases_and_files(stage: Stage) -> None:
    put(
        stage,
        PASSWORD=Entry(VALUE, "secret"),
        PGPASSWORD=Entry("PASSWORD", "alias"),
        URL=Entry("postgres://shop:${{secret.PASSWORD}}@db"),
        CERT=Entry("-----BEGIN", "secret", "/run/secrets/cert.pem"),
    )
    assert stage.do(release=stage.release()).state == "succeeded"
    spec = instance(stage)
    assert spec.env["URL"] == f"postgres://shop:{VALUE}@db"
    assert spec.env["PGPASSWORD"] == VALUE
    assert spec.env["CERT"] == "/run/secrets/cert.pem"
    assert [(each.target, each.content, each.mode) for each in spec.files] == [
        ("/run/secrets/cert.pem", "-----BEGIN", "0400")
    ]


def test_what_instances_get_is_sealed_where_it_is_kept(stage: Stage) -> None:
    put(stage, PASSWORD=Entry(VALUE, "secret"), PLAIN=Entry("plain-but-mine"))
    stage.do(release=stage.release())
    with stage.platform.context.db.read() as tx:
        rows = [
            str(tx.execute(text(f"SELECT * FROM {table}")).all())
            for table in ("variables", "deployments", "instances", "events", "deployment_steps")
        ]
    assert not any(VALUE in row or "plain-but-mine" in row for row in rows)
    data = stage.platform.settings.data
    stage.platform.context.db.close()
    files = [path for path in data.rglob("*") if path.is_file() and path.name != "master.key"]
    assert not any(VALUE.encode() in path.read_bytes() for path in files)


def test_the_plan_names_what_changes_and_shows_no_value(stage: Stage) -> None:
    put(stage, PASSWORD=Entry(VALUE, "secret"), CERT=Entry(VALUE, "secret", "/run/secrets/cert.pem"))
    plan = stage.do(release=stage.release()).plan
    assert plan is not None
    assert {each.subject for each in plan.changes if each.kind == "configure"} == {
        "PASSWORD",
        "CERT",
        "/run/secrets/cert.pem",
    }
    assert VALUE not in repr(plan)


def test_a_rollback_brings_back_secrets_and_files(stage: Stage) -> None:
    put(stage, CERT=Entry("first", "secret", "/run/cert"))
    stage.do(release=stage.release())
    put(stage, CERT=Entry("second", "secret", ""))
    stage.do(release=stage.release())
    assert instance(stage).env["CERT"] == "second"
    assert stage.do("rollback").state == "succeeded"
    assert instance(stage).env["CERT"] == "/run/cert"
    assert instance(stage).files[0].content == "first"


# External stores


def test_an_external_secret_is_read_for_each_deployment(stage: Stage, tmp_path: Path) -> None:
    connect(stage, tmp_path / "answer", {"password": "first"})
    put(stage, PASSWORD=outside(), URL=Entry("x:${{secret.PASSWORD}}"))
    stage.do(release=stage.release())
    assert instance(stage).env["URL"] == "x:first"
    (tmp_path / "answer").write_text(json.dumps({"password": "second"}))
    stage.do("restart")
    assert instance(stage).env["PASSWORD"] == "second"


def test_a_store_that_fails_fails_the_plan_with_the_secret_and_what_to_do(stage: Stage, tmp_path: Path) -> None:
    connect(stage, tmp_path / "answer", {"other": "x"})
    put(stage, PASSWORD=outside())
    said = refused(stage.do(release=stage.release()))
    assert "PASSWORD: shop/db in main has no key 'password'" in said
    assert "highroad secrets set PASSWORD" in said
    assert not stage.driver.specs


def test_entries_are_read_once_for_all_their_keys(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(stage, tmp_path / "answer", {"a": "1", "b": "2"})
    put(stage, A=outside(key="a"), B=outside(key="b"))
    asked: list[str] = []
    original = external._entry
    monkeypatch.setattr(external, "_entry", lambda each, commands: asked.append(each.name) or original(each, commands))  # type: ignore[func-returns-value]  # append returns None
    stage.do(release=stage.release())
    assert asked == ["A"]


def test_a_project_reads_below_its_prefix_only(stage: Stage, tmp_path: Path) -> None:
    connect(stage, tmp_path / "answer", {"password": "x"}, prefix="apps/{project}/")
    reference = ExternalReference("main", "apps/other/db", "password")
    with (
        stage.platform.context.db.read() as tx,
        pytest.raises(vaults.BadExternalReference, match="below apps/shop/ only"),
    ):
        vaults.check_reference(tx, find_project(tx, SYSTEM, "shop"), reference)
    put(stage, PASSWORD=Entry(reference.to_json(), "external"))  # as if the prefix had been set later
    assert "below apps/shop/ only" in refused(stage.do(release=stage.release()))


def test_a_store_is_read_for_the_projects_that_an_administrator_named(stage: Stage, tmp_path: Path) -> None:
    connect(stage, tmp_path / "answer", {"password": "x"}, every_project=False)
    log, release = stage.platform.context.log, stage.release()
    put(stage, PASSWORD=outside())  # as if it had been allowed then
    assert "highroad vaults allow main shop" in refused(stage.do(release=release))
    with stage.platform.context.db.begin() as tx:
        shop = find_project(tx, SYSTEM, "shop")
        with pytest.raises(vaults.StoreNotAllowed):
            vaults.check_reference(tx, shop, ExternalReference("main", "shop/db", "password"))
        vaults.allow(tx, log, SYSTEM, "main", shop)
    assert stage.do(release=release).state == "succeeded"
    with stage.platform.context.db.begin() as tx:
        vaults.deny(tx, log, SYSTEM, "main", shop)
    assert "is not read for the project shop" in refused(stage.do("restart"))


def test_a_store_that_is_used_is_not_disconnected(stage: Stage, tmp_path: Path) -> None:
    connect(stage, tmp_path / "answer", {})
    put(stage, PASSWORD=outside())
    with stage.platform.context.db.begin() as tx, pytest.raises(vaults.StoreInUse, match="PASSWORD"):
        vaults.disconnect(tx, stage.platform.context.log, SYSTEM, "main")


def test_credentials_are_not_sent_to_another_address(stage: Stage) -> None:
    log = stage.platform.context.log
    settings = StoreSettings(address="https://vault.example.com")
    with stage.platform.context.db.begin() as tx:
        vaults.connect(
            tx, log, SYSTEM, name="hv", kind="vault", settings=settings, credentials=Credentials(token="hvs.x")
        )
        with pytest.raises(vaults.BadStore):
            vaults.change(tx, log, SYSTEM, "hv", settings={"address": "https://evil.example.com"}, credentials=None)
        assert vaults.get_store(tx, "hv").settings.address == "https://vault.example.com"
        assert "hvs.x" not in repr(vaults.get_store(tx, "hv"))
        assert "hvs.x" not in str(tx.execute(text("SELECT * FROM secret_stores")).all())


def test_a_store_that_somebody_changed_in_the_database_is_not_used(stage: Stage, tmp_path: Path) -> None:
    connect(stage, tmp_path / "answer", {})
    with stage.platform.context.db.begin() as tx:
        tx.execute(text("UPDATE secret_stores SET kind = 'vault'"))
        with pytest.raises(CannotOpen):
            vaults.get_store(tx, "main")
