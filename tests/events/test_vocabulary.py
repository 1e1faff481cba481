"""Every event that the verbs write is a CDEvent of the vocabulary, whatever happens to a service in its life."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from highroad.access import account_actions, invitation_actions, sessions, team_actions, token_actions, user_actions
from highroad.access import actions as access
from highroad.access.model import SYSTEM, User
from highroad.access.second_factor import actions as second_factor
from highroad.access.second_factor.codes import code_at
from highroad.app import sealing_api
from highroad.db.engine import Database
from highroad.deployments import removal
from highroad.drivers.memory import MemoryDriver
from highroad.events import store
from highroad.events.log import cloud_event
from highroad.events.model import ALL_TYPES, INSTANCE_CHANGED, Recorded
from highroad.kit.clock import now
from highroad.pipelines import actions as pipelines
from highroad.projects import actions as projects
from highroad.projects import secrets, vaults
from highroad.projects.secrets import Entry, Scope
from highroad.projects.vaults import Credentials, StoreSettings
from highroad.routing.memory import MemoryRouter
from highroad.sealing.keychain import Keychain
from tests.audit.proof import drop_the_log, look_after_the_log
from tests.deployments.gated_life import meet_gates
from tests.deployments.stage import Stage, composed, settings_in, staged
from tests.events.cdevents import require_cloudevent
from tests.events.federation import believe_others
from tests.events.governed import look_into_the_log, make_rules
from tests.pipelines.yard import PROCFILE, Yard
from tests.world import actor_of

TESTED = {**PROCFILE, "highroad.yaml": "test: {command: 'true'}\n"}
RED = {**PROCFILE, "highroad.yaml": "test: {command: 'false'}\n"}


def recorded(db: Database) -> list[Recorded]:
    with db.read() as tx:
        return store.read(tx, limit=1000)


def live_a_life(yard: Yard) -> None:
    """From the first push to the deletion of everything, with what goes wrong on the way."""
    stage = yard.stage
    yard.push(TESTED)
    yard.work()
    stage.do("deploy", stage.release())
    stage.do("rollback")
    stage.do("stop")
    yard.push(RED, branch="topic")
    yard.work()
    run_a_command(stage)
    meet_gates(stage)
    change_settings(stage)
    delete_all(stage)


def run_a_command(stage: Stage) -> None:
    stage.do("start")
    command = stage.platform.commands.run(SYSTEM, stage.service, stage.environment, "true")
    deadline = time.monotonic() + 10
    while not any(event.subject == command.id and "finished" in event.type for event in recorded(db_of(stage))):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def change_settings(stage: Stage) -> None:
    context = stage.platform.context
    with context.db.begin() as tx:
        projects.change_environment(tx, context.log, SYSTEM, stage.environment, changes={"branch": "release/*"})
        projects.change_service(tx, context.log, SYSTEM, stage.service, path="app")
        for change in (projects.add_domain, projects.remove_domain):
            change(tx, context.log, SYSTEM, stage.service, stage.environment, "shop.example.com")
    stage.configure(COLOUR="blue")
    keep_secrets(stage)


def keep_secrets(stage: Stage) -> None:
    context = stage.platform.context
    log, keychain = context.log, Keychain(context.settings.data, {})
    with context.db.begin() as tx:
        scope = Scope(projects.find_project(tx, SYSTEM, "shop"))
        made = secrets.change(tx, log, SYSTEM, scope, {"TOKEN": Entry("x", "secret")})[0]
        secrets.reveal(tx, log, SYSTEM, scope, made)
        store = {"settings": StoreSettings(command="read"), "credentials": Credentials()}
        vaults.connect(tx, log, SYSTEM, name="main", kind="command", **store)  # type: ignore[arg-type]  # by name
        vaults.change(tx, log, SYSTEM, "main", settings={"prefix": "shop/"}, credentials=None)
        vaults.disconnect(tx, log, SYSTEM, "main")
    for master in (False, True):
        sealing_api.rotate(context, keychain, SYSTEM, master=master)


def delete_all(stage: Stage) -> None:
    context, start = stage.platform.context, stage.start
    with context.db.begin() as tx:
        pipelines.record_branch_deleted(tx, context.log, SYSTEM, stage.service, "topic")
        project = projects.find_project(tx, SYSTEM, "shop")
        removal.delete_service(tx, context.log, SYSTEM, stage.service, start)
        removal.delete_environment(tx, context.log, SYSTEM, stage.environment, start)
        removal.delete_project(tx, context.log, SYSTEM, project, start)


def let_people_in(stage: Stage) -> None:
    context = stage.platform.context
    with context.db.begin() as tx:
        user = user_actions.create_user(tx, context.log, SYSTEM, email="ada@example.com", name="Ada", role="owner")
        access.use_link(tx, context.log, access.make_link(tx, context.log, SYSTEM, user.id), address="10.0.0.1")
        actor = actor_of(user)
        token, _ = token_actions.create_token(tx, context.log, actor, name="ci", scopes=["read"], days=1)
        token_actions.revoke_token(tx, context.log, actor, token.id)
        user_actions.change_user(tx, context.log, SYSTEM, user.id, name="Ada L.")
    refuse(stage, user)
    protect(stage, user)


def become_a_company(stage: Stage) -> None:
    """Teams, invitations, and accounts for programs."""
    context, log = stage.platform.context, stage.platform.context.log
    with context.db.begin() as tx:
        team = team_actions.create(tx, log, SYSTEM, name="payments")
        team_actions.change(tx, log, SYSTEM, team, changes={"title": "Payments"})
        made, _ = invitation_actions.invite(tx, log, SYSTEM, email="eve@example.com", into=["payments"])
        invitation_actions.resend(tx, log, SYSTEM, made.id)
        user = invitation_actions.accept_by_address(tx, log, "eve@example.com", name="Eve")
        assert user is not None
        team_actions.remove_member(tx, log, SYSTEM, team, user.email)
        made, _ = invitation_actions.invite(tx, log, SYSTEM, email="bob@example.com")
        invitation_actions.withdraw(tx, log, SYSTEM, made.id)
        account = account_actions.create(tx, log, SYSTEM, name="bot")
        account_actions.change(tx, log, SYSTEM, account, changes={"description": "releases"})
        owned = projects.create_project(tx, log, SYSTEM, name="owned")
        projects.change_project(tx, log, SYSTEM, owned, team="payments")
        team_actions.delete(tx, log, SYSTEM, team)


def protect(stage: Stage, user: User) -> None:
    """A second factor, and the end of all sessions."""
    db, log = stage.platform.context.db, stage.platform.context.log
    actor = replace(actor_of(user), session="a session")
    seed = second_factor.begin(db, log, actor, password="", installation="x").seed
    recovery = second_factor.confirm(db, log, actor, code=code_at(seed, now()))
    with pytest.raises(second_factor.WrongCode):
        second_factor.check(db, log, user, code="000000", address="10.0.0.1", origin="portal")
    second_factor.disable(db, log, actor, code=recovery[0], rule="")
    with db.begin() as tx:
        access.start_session(tx, log, user, address="10.0.0.1")
        sessions.revoke_all(tx, log, actor)


def refuse(stage: Stage, user: User) -> None:
    context = stage.platform.context
    with pytest.raises(access.WrongPassword):
        access.check_password(
            context.db, context.log, email=user.email, password="wrong", address="10.0.0.1", origin="portal"
        )


def db_of(stage: Stage) -> Database:
    return stage.platform.context.db


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Recorded]]:
    directory: Path = tmp_path_factory.mktemp("life")
    driver, router = MemoryDriver(), MemoryRouter(settings_in(directory))
    stage = staged(composed(directory, driver, router), driver, router)
    live_a_life(Yard(stage, directory / "clone"))
    let_people_in(stage)
    become_a_company(stage)
    believe_others(stage.platform.context)
    make_rules(stage.platform.context)
    look_into_the_log(stage.platform.context)
    look_after_the_log(stage.platform.sequencer)
    before = recorded(db_of(stage))
    drop_the_log(stage.platform.sequencer)
    yield before + [each for each in recorded(db_of(stage)) if each.seq > before[-1].seq]
    db_of(stage).close()


def test_every_event_of_a_life_is_a_cdevent_in_a_cloudevent(life: list[Recorded]) -> None:
    for event in life:
        require_cloudevent(cloud_event(event))


def test_a_life_meets_every_type_but_the_crash_of_an_instance(life: list[Recorded]) -> None:
    met = {event.type for event in life}
    assert sorted({each.name for each in ALL_TYPES} - met) == [INSTANCE_CHANGED.name]


def test_what_a_commit_became_is_joined_by_its_artifact(life: list[Recorded]) -> None:
    def artifacts(type: str) -> list[object]:
        events = [event.data["subject"] for event in life if f"{type}." in event.type]
        return [event["content"]["artifactId"] for event in events]  # type: ignore[index]  # JSON

    assert artifacts("build.finished")[0] == artifacts("release.created")[0] == artifacts("service.deployed")[0]


def test_no_event_tells_a_value_or_a_secret(life: list[Recorded]) -> None:
    everything = str([event.data for event in life])
    assert "COLOUR" in everything
    assert "blue" not in everything
    assert "hr_" not in everything
