"""Letting people in, changing them and locking them out, on both databases."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from highroad.access import actions, store, user_actions
from highroad.access.model import Actor, User
from highroad.access.permissions import NotAllowed
from highroad.access.token_actions import BadToken
from highroad.access.user_actions import LastOwner, NoSuchUser, NotYours, UserExists
from highroad.db.engine import Database
from highroad.errors import Invalid
from highroad.events import store as events
from highroad.events.log import EventLog
from tests.access.coming_in import came_in, issue, types
from tests.world import MEMBER, People, actor_of


def create(db: Database, log: EventLog, actor: Actor, email: str, *, role: str = "member") -> User:
    with db.begin() as tx:
        return user_actions.create_user(tx, log, actor, email=email, name="", role=role)


def change(
    db: Database,
    log: EventLog,
    actor: Actor,
    user: User,
    *,
    role: str | None = None,
    active: bool | None = None,
    name: str | None = None,
    email: str | None = None,
) -> User:
    with db.begin() as tx:
        return user_actions.change_user(tx, log, actor, user.id, name=name, role=role, active=active, email=email)


def test_an_administrator_lets_somebody_in(db: Database, log: EventLog, admin: Actor) -> None:
    user = create(db, log, admin, " Eve@Example.com ")
    assert (user.email, user.name, user.admin, user.active) == ("eve@example.com", "eve@example.com", False, True)
    assert types(db)[-1] == "highroad-user.created.0.1.0"


def test_a_member_lets_nobody_in(db: Database, log: EventLog, member: Actor) -> None:
    with pytest.raises(NotAllowed):
        create(db, log, member, "eve@example.com")


def test_an_email_address_is_one_user(db: Database, log: EventLog, admin: Actor) -> None:
    with pytest.raises(UserExists):
        create(db, log, admin, MEMBER.upper())


@pytest.mark.parametrize("email", ["", "eve", "@example.com", "eve@", "e v@example.com", "a@b@c", "x" * 65 + "@a.b"])
def test_what_is_no_email_address_is_refused(db: Database, log: EventLog, admin: Actor, email: str) -> None:
    with pytest.raises(Invalid):
        create(db, log, admin, email)


def test_the_longest_email_address_can_do_everything(db: Database, log: EventLog, admin: Actor) -> None:
    user = create(db, log, admin, "x" * 64 + "@" + "y" * 189)
    issue(db, log, user)
    assert types(db)[-1] == "highroad-token.created.0.1.0"


def test_deactivation_ends_sessions_and_tokens_at_once(
    db: Database, log: EventLog, people: People, admin: Actor
) -> None:
    _, secret = issue(db, log, people.member)
    with db.begin() as tx:
        session = actions.start_session(tx, log, people.member, address="")
    change(db, log, admin, people.member, active=False)
    with pytest.raises(BadToken, match="deactivated"):
        came_in(db, secret)
    with db.read() as tx:
        assert actions.actor_of_session(tx, session.secret, address="") is None


def test_coming_back_does_not_bring_the_old_tokens_back(
    db: Database, log: EventLog, people: People, admin: Actor
) -> None:
    _, secret = issue(db, log, people.member)
    change(db, log, admin, people.member, active=False)
    change(db, log, admin, people.member, active=True)
    with pytest.raises(BadToken, match="revoked"):
        came_in(db, secret)


def test_the_last_owner_stays(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    with pytest.raises(LastOwner):
        change(db, log, admin, people.admin, active=False)
    with pytest.raises(LastOwner):
        change(db, log, replace(admin, id="usr_other"), people.admin, role="admin")
    with db.begin() as tx:
        assert store.active_owners(tx) == [people.admin.id]


def test_a_deactivated_owner_does_not_count(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    second = create(db, log, admin, "second@example.com", role="owner")
    change(db, log, admin, second, active=False)
    with pytest.raises(LastOwner):
        change(db, log, admin, people.admin, active=False)


def test_two_owners_who_remove_each_other_leave_one(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    second = create(db, log, admin, "second@example.com", role="owner")
    ready = threading.Barrier(2)
    refused: list[LastOwner] = []

    def remove(remover: User, user: User) -> None:
        ready.wait()
        try:
            change(db, log, actor_of(remover), user, role="admin")
        except LastOwner as error:
            refused.append(error)

    pairs = ((second, people.admin), (people.admin, second))
    threads = [threading.Thread(target=remove, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    with db.begin() as tx:
        assert len(store.active_owners(tx)) == 1


def test_nobody_changes_their_own_role(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    create(db, log, admin, "second@example.com", role="owner")
    with pytest.raises(NotYours, match="their own role"):
        change(db, log, admin, people.admin, role="admin")


def test_an_administrator_makes_no_owner_and_changes_none(
    db: Database, log: EventLog, people: People, admin: Actor
) -> None:
    second = create(db, log, admin, "second@example.com", role="admin")
    for attempt in ({"role": "member"}, {"active": False}, {"name": "x"}, {"email": "mine@example.com"}):
        with pytest.raises(NotYours):
            change(db, log, actor_of(second), people.admin, **attempt)
    with pytest.raises(NotYours), db.begin() as tx:
        actions.make_link(tx, log, actor_of(second), people.admin.id)
    with pytest.raises(NotYours):
        create(db, log, actor_of(second), "third@example.com", role="owner")
    with pytest.raises(NotYours):
        change(db, log, actor_of(second), people.member, role="owner")


def test_nobody_but_an_owner_leaves_the_name_that_a_policy_is_aimed_at(
    db: Database, log: EventLog, people: People, admin: Actor
) -> None:
    second = create(db, log, admin, "second@example.com", role="admin")
    with pytest.raises(NotYours, match="their own address"):
        change(db, log, actor_of(second), second, email="other@example.com")
    assert change(db, log, actor_of(second), people.member, email="other@example.com").email == "other@example.com"
    assert change(db, log, admin, people.admin, email="ada.l@example.com").email == "ada.l@example.com"


def test_a_change_stands_in_its_event_before_and_after(
    db: Database, log: EventLog, people: People, admin: Actor
) -> None:
    change(db, log, admin, people.member, role="auditor")
    with db.read() as tx:
        custom = events.read(tx, limit=500)[-1].data["customData"]
    assert isinstance(custom, dict)
    assert (custom["before"]["role"], custom["after"]["role"]) == ("member", "auditor")


def test_an_email_address_is_changed_to_one_that_is_free(
    db: Database, log: EventLog, people: People, admin: Actor
) -> None:
    assert change(db, log, admin, people.member, email=" Ben@New.example ").email == "ben@new.example"
    with pytest.raises(UserExists):
        change(db, log, admin, people.member, email=people.admin.email)


def test_a_change_of_nothing_is_no_event(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    before = types(db)
    assert change(db, log, admin, people.member) == people.member
    assert types(db) == before


def test_a_user_who_is_not_there_cannot_be_changed(db: Database, log: EventLog, admin: Actor) -> None:
    with pytest.raises(NoSuchUser), db.begin() as tx:
        user_actions.change_user(tx, log, admin, "usr_nobody", name="x")
