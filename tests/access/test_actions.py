"""Coming in by a session, a link or a device, on both databases."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import update

from highroad.access import actions, store, user_actions
from highroad.access.actions import BadLink, NoSuchLogin
from highroad.access.model import Actor, User
from highroad.access.permissions import NotAllowed
from highroad.access.user_actions import NoSuchUser
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.events.model import USER_LINK_MADE
from highroad.events.store import latest
from highroad.kit.clock import now, rfc3339
from tests.access.coming_in import PASSWORD, came_in, types
from tests.world import MEMBER, People, actor_of

pytestmark = pytest.mark.usefixtures("quick_hashes")


# Sessions and links


def test_a_session_is_its_user_and_ends_with_its_time(db: Database, log: EventLog, people: People) -> None:
    with db.begin() as tx:
        session = actions.start_session(tx, log, people.member, address="10.0.0.1")
        found = actions.actor_of_session(tx, session.secret, address="10.0.0.1")
        assert found is not None
        assert (found[0].origin, found[0].scopes) == ("portal", frozenset({"read", "write", "git"}))
        tx.execute(update(store.sessions).values(expires_at=rfc3339(now())))
        assert actions.actor_of_session(tx, session.secret, address="") is None
    assert types(db)[-1] == "highroad-user.signedin.0.1.0"


def test_a_link_lets_in_once(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    with db.begin() as tx:
        secret = actions.make_link(tx, log, admin, people.member.id)
    with db.begin() as tx:
        assert actions.use_link(tx, log, secret, address="").user.id == people.member.id
    with pytest.raises(BadLink), db.begin() as tx:
        actions.use_link(tx, log, secret, address="")


def test_who_made_a_link_stands_in_its_event_and_in_the_sign_in(
    db: Database, log: EventLog, people: People, admin: Actor
) -> None:
    with db.begin() as tx:
        actions.use_link(tx, log, actions.make_link(tx, log, admin, people.member.id), address="10.0.0.1")
    with db.read() as tx:
        made, signed_in = latest(tx, limit=2)
    assert (made.type, made.actor, made.subject) == (USER_LINK_MADE.name, admin.name, people.member.id)
    assert signed_in.data["customData"]["link_by"] == admin.name  # type: ignore[index]  # JSON


def test_a_link_ends_after_a_day(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    with db.begin() as tx:
        secret = actions.make_link(tx, log, admin, people.member.id)
        tx.execute(update(store.sign_in_links).values(expires_at=rfc3339(now())))
    with pytest.raises(BadLink), db.begin() as tx:
        actions.use_link(tx, log, secret, address="")


def test_a_new_link_ends_the_one_before(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    with db.begin() as tx:
        old, new = (actions.make_link(tx, log, admin, people.member.id) for _ in range(2))
    with pytest.raises(BadLink), db.begin() as tx:
        actions.use_link(tx, log, old, address="")
    with db.begin() as tx:
        assert actions.use_link(tx, log, new, address="")


def test_a_password_and_a_deactivation_end_links(
    db: Database, log: EventLog, people: People, admin: Actor, in_portal: Actor
) -> None:
    with db.begin() as tx:
        before = actions.make_link(tx, log, admin, people.member.id)
    actions.set_password(db, log, in_portal, current=None, new=PASSWORD)
    with db.begin() as tx:
        still = actions.make_link(tx, log, admin, people.member.id)
        for active in (False, True):
            user_actions.change_user(tx, log, admin, people.member.id, active=active)
    for each in (before, still):
        with pytest.raises(BadLink), db.begin() as tx:
            actions.use_link(tx, log, each, address="")


def test_a_member_makes_no_links_and_nobody_makes_one_for_nobody(
    db: Database, log: EventLog, people: People, admin: Actor, member: Actor
) -> None:
    with pytest.raises(NotAllowed), db.begin() as tx:
        actions.make_link(tx, log, member, people.admin.id)
    with pytest.raises(NoSuchUser), db.begin() as tx:
        actions.make_link(tx, log, admin, "usr_nobody")


# Devices


def ask(db: Database, address: str = "10.0.0.1") -> tuple[str, str, str]:
    """A waiting device: its id, its code and its secret."""
    with db.begin() as tx:
        login, secret = actions.ask_login(tx, device="cli on laptop", address=address)
    return login.id, login.user_code, secret


def collect(db: Database, log: EventLog, id: str, secret: str) -> tuple[User, str] | None:
    with db.begin() as tx:
        return actions.collect_login(tx, log, id, secret)


def decide(db: Database, actor: Actor, code: str, *, approve: bool) -> None:
    with db.begin() as tx:
        actions.decide_login(tx, actor, code, approve=approve)


def test_a_device_waits_until_somebody_approves_it(db: Database, log: EventLog, member: Actor) -> None:
    id, code, secret = ask(db)
    assert collect(db, log, id, secret) is None
    decide(db, member, f" {code.lower()} ", approve=True)
    collected = collect(db, log, id, secret)
    assert collected is not None
    assert came_in(db, collected[1]).name == MEMBER


def test_an_approved_login_is_collected_once(db: Database, log: EventLog, member: Actor) -> None:
    id, code, secret = ask(db)
    decide(db, member, code, approve=True)
    collect(db, log, id, secret)
    with pytest.raises(NoSuchLogin):
        collect(db, log, id, secret)


def test_of_two_that_collect_at_once_one_gets_the_token(db: Database, log: EventLog, member: Actor) -> None:
    id, code, secret = ask(db)
    decide(db, member, code, approve=True)
    got: list[object] = []

    def take() -> None:
        try:
            got.append(collect(db, log, id, secret))
        except NoSuchLogin as error:
            got.append(error)

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(isinstance(each, NoSuchLogin) for each in got) == [False, True]


def test_a_refused_device_is_told_so(db: Database, log: EventLog, member: Actor) -> None:
    id, code, secret = ask(db)
    decide(db, member, code, approve=False)
    with pytest.raises(NotAllowed, match="refused"):
        collect(db, log, id, secret)


def test_a_decision_is_made_once(db: Database, member: Actor) -> None:
    _, code, _ = ask(db)
    decide(db, member, code, approve=False)
    with pytest.raises(NoSuchLogin):
        decide(db, member, code, approve=True)


def test_a_login_ends_after_ten_minutes(db: Database, log: EventLog, member: Actor) -> None:
    id, code, secret = ask(db)
    with db.begin() as tx:
        tx.execute(update(store.logins).values(expires_at=rfc3339(now())))
    with pytest.raises(NoSuchLogin):
        decide(db, member, code, approve=True)
    with pytest.raises(NoSuchLogin, match="expired"):
        collect(db, log, id, secret)


def test_a_login_is_collected_with_its_own_secret_alone(db: Database, log: EventLog, member: Actor) -> None:
    id, code, _ = ask(db)
    decide(db, member, code, approve=True)
    with pytest.raises(NoSuchLogin):
        collect(db, log, id, "another secret")


def test_nobody_approves_a_device_with_a_token_that_only_reads(db: Database, people: People) -> None:
    _, code, _ = ask(db)
    with pytest.raises(NotAllowed):
        decide(db, actor_of(people.member, "read"), code, approve=True)


def test_whoever_asks_too_often_displaces_only_his_own(
    db: Database, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "MOST_OPEN_LOGINS", 2)
    elsewhere, *mine = [ask(db, "10.9.9.9"), *(ask(db) for _ in range(3))]
    with pytest.raises(NoSuchLogin):
        collect(db, log, mine[0][0], mine[0][2])
    assert [collect(db, log, id, secret) for id, _, secret in (elsewhere, *mine[1:])] == [None] * 3
