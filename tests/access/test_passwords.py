"""Passwords and the brakes on trying them, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from highroad.access import actions, store
from highroad.access.actions import SlowDown, WeakPassword, WrongPassword
from highroad.access.model import Actor, User
from highroad.access.permissions import NotAllowed
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.kit.clock import now, rfc3339
from tests.access.coming_in import PASSWORD, types
from tests.world import MEMBER, People, actor_of

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def with_password(db: Database, log: EventLog, in_portal: Actor) -> str:
    actions.set_password(db, log, in_portal, current=None, new=PASSWORD)
    return PASSWORD


def check(db: Database, log: EventLog, password: str, *, email: str = MEMBER, address: str = "10.0.0.1") -> User:
    return actions.check_password(db, log, email=email, password=password, address=address, origin="portal")


def test_the_right_password_lets_its_user_in(db: Database, log: EventLog, with_password: str) -> None:
    assert check(db, log, with_password, email=f"  {MEMBER.upper()} ").email == MEMBER


@pytest.mark.parametrize("email", [MEMBER, "nobody@example.com", ""])
def test_a_wrong_password_and_an_unknown_user_are_refused_alike(
    db: Database, log: EventLog, with_password: str, email: str
) -> None:
    with pytest.raises(WrongPassword) as refused:
        check(db, log, "wrong", email=email)
    assert refused.value.detail == "No active user has this email address and password."
    assert types(db)[-1] == "highroad-user.refused.0.1.0"


def test_a_user_without_a_password_cannot_sign_in_with_one(db: Database, log: EventLog) -> None:
    for attempt in ("", "password"):
        with pytest.raises(WrongPassword):
            check(db, log, attempt)


def test_after_five_failures_a_user_has_to_wait_where_they_came_from(
    db: Database, log: EventLog, with_password: str
) -> None:
    for _ in range(5):
        with pytest.raises(WrongPassword):
            check(db, log, "wrong")
    with pytest.raises(SlowDown) as refused:
        check(db, log, with_password)
    wait = refused.value.extra["retry_after"]
    assert isinstance(wait, int)
    assert 1 <= wait <= 5


def test_nobody_locks_somebody_out_who_comes_from_elsewhere(db: Database, log: EventLog, with_password: str) -> None:
    for attempt in range(60):
        with pytest.raises(WrongPassword):
            check(db, log, "wrong", address=f"10.0.0.{attempt}")
    assert check(db, log, with_password, address="10.9.9.9")


def test_a_user_who_is_tried_from_everywhere_has_one_free_attempt_left(
    db: Database, log: EventLog, with_password: str
) -> None:
    fail_before(db, 60, timedelta(minutes=1), key=f"user:{MEMBER}")
    with pytest.raises(WrongPassword):
        check(db, log, "wrong")
    with pytest.raises(SlowDown):
        check(db, log, with_password)


def test_an_app_on_this_machine_keeps_nobody_on_it_out(db: Database, log: EventLog, with_password: str) -> None:
    for attempt in range(10):
        with pytest.raises(WrongPassword):
            check(db, log, "wrong", email=f"user{attempt}@example.com", address="127.0.0.1")
    assert check(db, log, with_password, address="127.0.0.1")


def test_after_five_failures_an_address_has_to_wait_whomever_it_tries(db: Database, log: EventLog) -> None:
    for attempt in range(5):
        with pytest.raises(WrongPassword):
            check(db, log, "wrong", email=f"user{attempt}@example.com")
    with pytest.raises(SlowDown):
        check(db, log, "wrong", email="another@example.com")


PAIR = f"pair:{MEMBER} 10.0.0.1"


def fail_before(db: Database, count: int, ago: timedelta, *, key: str = PAIR) -> None:
    with db.begin() as tx:
        values = {"key": key, "count": count, "last_at": rfc3339(now() - ago)}
        tx.execute(insert(store.failed_attempts).values(**values))


def test_the_wait_grows_and_ends_at_a_quarter_of_an_hour(db: Database, log: EventLog, with_password: str) -> None:
    fail_before(db, 1000, timedelta(minutes=14))
    with pytest.raises(SlowDown):
        check(db, log, with_password)
    with db.begin() as tx:
        tx.execute(update(store.failed_attempts).values(last_at=rfc3339(now() - timedelta(minutes=16))))
    assert check(db, log, with_password)


def test_a_success_forgets_the_failures(db: Database, log: EventLog, with_password: str) -> None:
    for _ in range(4):
        with pytest.raises(WrongPassword):
            check(db, log, "wrong")
    check(db, log, with_password)
    with db.read() as tx:
        assert store.failures(tx, PAIR) is None


def test_a_day_without_failures_forgets_them_too(db: Database, log: EventLog) -> None:
    fail_before(db, 1000, timedelta(hours=25))
    with pytest.raises(WrongPassword):
        check(db, log, "wrong")
    with db.read() as tx:
        found = store.failures(tx, PAIR)
    assert found is not None
    assert found[0] == 1


def test_first_failures_at_once_are_all_counted(db: Database) -> None:
    def fail() -> None:
        with db.begin() as tx:
            store.note_failure(tx, "address:10.0.0.1")

    threads = [threading.Thread(target=fail) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as tx:
        found = store.failures(tx, "address:10.0.0.1")
    assert found is not None
    assert found[0] == 6


@pytest.mark.parametrize("new", ["", "short", "x" * 1001])
def test_a_password_has_ten_characters_and_not_a_novel(db: Database, log: EventLog, in_portal: Actor, new: str) -> None:
    with pytest.raises(WeakPassword):
        actions.set_password(db, log, in_portal, current=None, new=new)


def test_changing_a_password_needs_the_present_one(
    db: Database, log: EventLog, member: Actor, with_password: str
) -> None:
    for current in (None, "wrong"):
        with pytest.raises(WrongPassword):
            actions.set_password(db, log, member, current=current, new="another long one")
    actions.set_password(db, log, member, current=with_password, new="another long one")
    assert check(db, log, "another long one")


def test_no_token_sets_a_first_password(db: Database, log: EventLog, member: Actor) -> None:
    with pytest.raises(NotAllowed, match="set in the portal"):
        actions.set_password(db, log, member, current=None, new=PASSWORD)


def test_a_token_of_fewer_scopes_changes_no_password(
    db: Database, log: EventLog, people: People, with_password: str
) -> None:
    limited = actor_of(people.member, "read", "write")
    with pytest.raises(NotAllowed, match="more than this token"):
        actions.set_password(db, log, limited, current=with_password, new="another long one")
    assert check(db, log, with_password)


def test_a_new_password_ends_all_other_sessions(db: Database, log: EventLog, people: People) -> None:
    with db.begin() as tx:
        mine, other = (actions.start_session(tx, log, people.member, address="10.0.0.1") for _ in range(2))
        found = actions.actor_of_session(tx, mine.secret, address="")
    assert found is not None
    actions.set_password(db, log, found[0], current=None, new=PASSWORD)
    with db.read() as tx:
        assert actions.actor_of_session(tx, mine.secret, address="") is not None
        assert actions.actor_of_session(tx, other.secret, address="") is None
