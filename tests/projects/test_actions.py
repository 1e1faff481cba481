"""Verbs on projects, environments, services, configuration and host names, on both databases."""

from __future__ import annotations

import threading

import pytest

from highroad.access import teams
from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed
from highroad.db.engine import Database
from highroad.errors import HighroadError, Invalid
from highroad.events import store as events
from highroad.events.log import EventLog
from highroad.kit.names import NotALabel
from highroad.kit.paging import PageRequest
from highroad.projects import actions, store, variable_store
from highroad.projects.actions import (
    DomainTaken,
    NameTaken,
    NoSuchDomain,
    NoSuchEnvironment,
    NoSuchProject,
    NoSuchService,
)
from highroad.projects.model import BadVariable, resolve
from highroad.projects.secrets import NoSuchVariable
from tests.projects.conftest import Shop
from tests.world import People, actor_of


def types(db: Database) -> list[str]:
    with db.read() as tx:
        return [each.type.split(".", 2)[2] for each in events.read(tx, limit=500)]


# Names


@pytest.mark.parametrize("name", ["Shop", "my shop", "a" * 64, "-", "shop.example"])
def test_a_name_that_is_no_dns_label_is_refused_with_the_nearest_one(
    db: Database, log: EventLog, member: Actor, shop: Shop, name: str
) -> None:
    for create in (
        lambda tx: actions.create_project(tx, log, member, name=name),
        lambda tx: actions.create_service(tx, log, member, shop.project, name=name),
        lambda tx: actions.create_environment(tx, log, member, shop.project, name=name, mode="staging", branch=None),
    ):
        with pytest.raises(NotALabel), db.begin() as tx:
            create(tx)


def test_two_creations_of_one_name_at_once_make_one_project(db: Database, log: EventLog, member: Actor) -> None:
    ready = threading.Barrier(4)
    ended: list[object] = []

    def create() -> None:
        ready.wait()
        try:
            with db.begin() as tx:
                ended.append(actions.create_project(tx, log, member, name="rush"))
        except HighroadError as error:
            ended.append(error)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(each).__name__ for each in ended) == ["NameTaken"] * 3 + ["Project"]
    assert types(db).count("highroad-project.created.0.1.0") == 1


def test_a_taken_name_is_refused_and_the_transaction_goes_on(
    db: Database, log: EventLog, member: Actor, shop: Shop
) -> None:
    with db.begin() as tx:
        with pytest.raises(NameTaken):
            actions.create_service(tx, log, member, shop.project, name="web")
        actions.create_service(tx, log, member, shop.project, name="api")
        assert [each.name for each in store.list_services(tx, shop.project.id)] == ["api", "web"]


def test_a_name_is_free_in_another_project(db: Database, log: EventLog, member: Actor, shop: Shop) -> None:
    with db.begin() as tx:
        other = actions.create_project(tx, log, member, name="other")
        assert actions.create_service(tx, log, member, other, name="web").project == "other"


# Finding


def test_what_is_not_there_is_said_with_what_is(db: Database, member: Actor, shop: Shop) -> None:
    with db.read() as tx:
        with pytest.raises(NoSuchProject):
            actions.find_project(tx, member, "nothing")
        with pytest.raises(NoSuchEnvironment, match="it has: production"):
            actions.find_environment(tx, member, "shop", "staging")
        with pytest.raises(NoSuchService, match="it has: web"):
            actions.find_service(tx, member, "shop", "api")


def test_nothing_is_found_without_the_permission_to_read(db: Database, people: People, shop: Shop) -> None:
    blind = actor_of(people.member, "git")
    with db.read() as tx:
        for find in (
            lambda: actions.find_project(tx, blind, "shop"),
            lambda: actions.find_environment(tx, blind, "shop", "production"),
            lambda: actions.find_service(tx, blind, "shop", "web"),
        ):
            with pytest.raises(NotAllowed):
                find()


def test_who_only_reads_creates_and_changes_nothing(db: Database, log: EventLog, people: People, shop: Shop) -> None:
    reader, before = actor_of(people.member, "read"), types(db)
    with db.begin() as tx:
        for write in (
            lambda: actions.create_project(tx, log, reader, name="x"),
            lambda: actions.create_service(tx, log, reader, shop.project, name="x"),
            lambda: actions.change_service(tx, log, reader, shop.web, path="x"),
            lambda: actions.create_environment(tx, log, reader, shop.project, name="x", mode="staging", branch=None),
            lambda: actions.change_environment(tx, log, reader, shop.production, changes={"branch": "x"}),
            lambda: actions.add_domain(tx, log, reader, shop.web, shop.production, "a.example"),
            lambda: actions.remove_domain(tx, log, reader, shop.web, shop.production, "a.example"),
        ):
            with pytest.raises(NotAllowed):
                write()
    with pytest.raises(NotAllowed):
        change(db, log, reader, shop)
    assert types(db) == before


# Environments and services


def test_an_environment_changes_what_is_named_and_keeps_the_rest(
    db: Database, log: EventLog, member: Actor, shop: Shop
) -> None:
    with db.begin() as tx:
        changed = actions.change_environment(tx, log, member, shop.production, changes={"branch": "release/*"})
    assert (changed.mode, changed.branch) == ("production", "release/*")
    with db.begin() as tx:
        changed = actions.change_environment(tx, log, member, changed, changes={"branch": None, "mode": "staging"})
    assert (changed.mode, changed.branch) == ("staging", None)


def test_a_change_of_nothing_is_no_event(db: Database, log: EventLog, member: Actor, shop: Shop) -> None:
    before = types(db)
    with db.begin() as tx:
        actions.change_environment(tx, log, member, shop.production, changes={})
    assert types(db) == before


@pytest.mark.parametrize(
    "changes", [{"mode": "prod"}, {"mode": None}, {"branch": ""}, {"branch": "a b"}, {"branch": "x" * 201}]
)
def test_a_mode_or_rule_that_does_not_exist_is_refused(
    db: Database, log: EventLog, member: Actor, shop: Shop, changes: dict[str, str | None]
) -> None:
    with pytest.raises(Invalid), db.begin() as tx:
        actions.change_environment(tx, log, member, shop.production, changes=changes)


@pytest.mark.parametrize(
    ("path", "kept"), [("", ""), (".", ""), ("services/api", "services/api"), (" a/./b/ ", "a/b"), ("a//b", "a/b")]
)
def test_a_path_inside_the_repository_is_normalised(path: str, kept: str) -> None:
    assert actions.check_path(path) == kept


@pytest.mark.parametrize("path", ["/etc", " /etc", "..", "a/../..", "a/..", "a\0b", "x" * 501, "\t/etc"])
def test_a_path_that_could_leave_the_repository_is_refused(path: str) -> None:
    with pytest.raises(Invalid, match="inside the repository"):
        actions.check_path(path)


# Configuration


def change(
    db: Database,
    log: EventLog,
    actor: Actor,
    shop: Shop,
    *,
    values: dict[str, str] | None = None,
    unset: list[str] | None = None,
    here: bool = False,
) -> None:
    """Change the project's variables or, with `here`, those of web in production."""
    with db.begin() as tx:
        actions.change_variables(
            tx,
            log,
            actor,
            shop.project,
            environment=shop.production if here else None,
            service=shop.web if here else None,
            values=values or {},
            unset=unset or [],
        )


def in_force(db: Database, shop: Shop) -> dict[str, str]:
    with db.read() as tx:
        reaching = variable_store.variables_in_force(tx, shop.project.id, shop.production.id, shop.web.id)
    return {each.name: each.value for each in resolve(reaching)}


def test_a_variable_is_set_replaced_and_unset(db: Database, log: EventLog, member: Actor, shop: Shop) -> None:
    change(db, log, member, shop, values={"A": "1", "B": "1"})
    change(db, log, member, shop, values={"A": "2"}, unset=["B"])
    assert in_force(db, shop) == {"A": "2"}


def test_a_narrower_value_hides_a_wider_one_until_it_is_unset(
    db: Database, log: EventLog, member: Actor, shop: Shop
) -> None:
    change(db, log, member, shop, values={"A": "wide"})
    change(db, log, member, shop, values={"A": "narrow"}, here=True)
    assert in_force(db, shop) == {"A": "narrow"}
    change(db, log, member, shop, unset=["A"], here=True)
    assert in_force(db, shop) == {"A": "wide"}


def test_one_wrong_name_changes_nothing(db: Database, log: EventLog, member: Actor, shop: Shop) -> None:
    with pytest.raises(NoSuchVariable, match="Nothing was changed"):
        change(db, log, member, shop, values={"A": "1"}, unset=["MISSING"])
    with pytest.raises(BadVariable):
        change(db, log, member, shop, values={"A": "1", "PATH": "x"})
    assert in_force(db, shop) == {}


def test_the_event_of_a_change_has_names_and_never_values(
    db: Database, log: EventLog, member: Actor, shop: Shop
) -> None:
    change(db, log, member, shop, values={"PASSWORD": "very secret"})
    with db.read() as tx:
        last = events.latest(tx, limit=1)[0]
    assert "PASSWORD" in str(last.data)
    assert "very secret" not in str(last.data)


def test_one_variable_set_by_many_at_once_is_one_variable(
    db: Database, log: EventLog, member: Actor, shop: Shop
) -> None:
    ready = threading.Barrier(4)

    def set_it(value: str) -> None:
        ready.wait()
        change(db, log, member, shop, values={"A": value})

    threads = [threading.Thread(target=set_it, args=[str(number)]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as tx:
        assert len(variable_store.variables_in_force(tx, shop.project.id)) == 1


# Host names


def test_a_host_leads_to_one_service(db: Database, log: EventLog, member: Actor, shop: Shop) -> None:
    with db.begin() as tx:
        actions.add_domain(tx, log, member, shop.web, shop.production, "shop.example.com")
        other = actions.create_service(tx, log, member, shop.project, name="api")
        with pytest.raises(DomainTaken):
            actions.add_domain(tx, log, member, other, shop.production, "shop.example.com")
        with pytest.raises(NoSuchDomain):
            actions.remove_domain(tx, log, member, other, shop.production, "shop.example.com")
        actions.remove_domain(tx, log, member, shop.web, shop.production, "shop.example.com")
        assert store.list_domains(tx, shop.web.id) == []


def test_projects_come_in_pages_by_name(db: Database, log: EventLog, member: Actor, shop: Shop) -> None:
    with db.begin() as tx:
        for name in ("b", "a", "c"):
            actions.create_project(tx, log, member, name=name)
        first = store.list_projects(tx, PageRequest(2))
        second = store.list_projects(tx, PageRequest(2, "b"))
    assert [each.name for each in first.items] == ["a", "b"]
    assert [each.name for each in second.items] == ["c", "shop"]
    assert second.next_page_token is None


def test_a_team_that_owns_a_project_is_not_taken_from_it_by_its_managers(
    db: Database, log: EventLog, member: Actor, people: People, shop: Shop
) -> None:
    with db.begin() as tx:
        for name in ("payments", "search"):
            teams.add_team(tx, name=name, title=name, parent=None)
        owned = actions.change_project(tx, log, member, shop.project, team="payments")
        for team in ("search", None):
            with pytest.raises(NotAllowed, match="Only owners"):
                actions.change_project(tx, log, member, owned, team=team)
        assert actions.change_project(tx, log, actor_of(people.admin), owned, team="search").team == "search"
