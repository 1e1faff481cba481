"""Coming in and letting others in, on both databases."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import insert, update

from highroad.access import actions, secrets, store
from highroad.access.actions import (
    BadLink,
    BadToken,
    LastAdministrator,
    NoSuchLogin,
    NoSuchToken,
    NoSuchUser,
    SlowDown,
    UserExists,
    WeakPassword,
    WrongPassword,
)
from highroad.access.model import Actor, User
from highroad.access.permissions import NotAllowed
from highroad.access.secrets import digest
from highroad.db.engine import Database
from highroad.errors import Invalid
from highroad.events import store as events
from highroad.events.log import EventLog
from highroad.kit.clock import now, rfc3339
from tests.world import MEMBER, People, actor_of

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing as it is meant takes longer than all the rest of these tests; `test_secrets` does it in earnest."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(secrets, "_hasher", quick)
    monkeypatch.setattr(secrets, "_DUMMY", quick.hash("nobody's"))


def came_in(db: Database, secret: str) -> Actor:
    with db.read() as tx:
        return actions.authenticate(tx, secret, origin="cli", address="127.0.0.1")


def types(db: Database) -> list[str]:
    with db.read() as tx:
        return [each.type.split(".", 2)[2] for each in events.read(tx, limit=500)]


def issue(db: Database, log: EventLog, user: User, *scopes: str, days: int | None = 90) -> tuple[str, str]:
    """A new token: its id and its secret."""
    with db.begin() as tx:
        token, secret = actions.issue_token(
            tx, log, user, name="laptop", scopes=scopes or ("read", "write"), days=days, origin="cli"
        )
    return token.id, secret


# Tokens


def test_a_token_is_its_user_with_its_scopes(db: Database, log: EventLog, people: People) -> None:
    id, secret = issue(db, log, people.member, "read")
    actor = came_in(db, secret)
    assert (actor.name, actor.token, actor.scopes, actor.admin) == (MEMBER, id, frozenset({"read"}), False)


def test_a_token_is_kept_only_as_its_hash(db: Database, log: EventLog, people: People) -> None:
    _, secret = issue(db, log, people.member)
    with db.read() as tx:
        found = store.token_by_digest(tx, digest(secret))
    assert found is not None
    assert secret not in str(found)


@pytest.mark.parametrize(
    ("secret", "said"),
    [("hello", "not a Highroad token"), ("hr_" + "a" * 38, "mistyped"), ("hr_", "mistyped")],
)
def test_what_is_no_token_is_told_apart_from_a_mistyped_one(db: Database, secret: str, said: str) -> None:
    with pytest.raises(BadToken, match=said):
        came_in(db, secret)


def test_an_unknown_token_is_refused(db: Database) -> None:
    with pytest.raises(BadToken, match="unknown here"):
        came_in(db, secrets.new_token())


def test_a_token_ends_when_it_expires(db: Database, log: EventLog, people: People) -> None:
    id, secret = issue(db, log, people.member)
    with db.begin() as tx:
        past = rfc3339(now() - timedelta(seconds=1))
        tx.execute(update(store.tokens).where(store.tokens.c.id == id).values(expires_at=past))
    with pytest.raises(BadToken, match="expired"):
        came_in(db, secret)


def test_a_token_without_an_end_never_expires(db: Database, log: EventLog, people: People) -> None:
    _, secret = issue(db, log, people.member, days=None)
    assert came_in(db, secret).id == people.member.id


def test_a_revoked_token_is_refused_at_once(db: Database, log: EventLog, people: People, member: Actor) -> None:
    id, secret = issue(db, log, people.member)
    with db.begin() as tx:
        actions.revoke_token(tx, log, member, id)
    with pytest.raises(BadToken, match="revoked"):
        came_in(db, secret)


def test_a_token_is_revoked_once(db: Database, log: EventLog, people: People, member: Actor) -> None:
    id, _ = issue(db, log, people.member)
    with db.begin() as tx:
        actions.revoke_token(tx, log, member, id)
    with pytest.raises(NoSuchToken), db.begin() as tx:
        actions.revoke_token(tx, log, member, id)


def test_nobody_revokes_the_token_of_somebody_else(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    id, secret = issue(db, log, people.member)
    with pytest.raises(NoSuchToken), db.begin() as tx:
        actions.revoke_token(tx, log, admin, id)
    assert came_in(db, secret)


def test_a_token_that_only_reads_may_end_itself_and_no_other(db: Database, log: EventLog, people: People) -> None:
    other, _ = issue(db, log, people.member)
    own, secret = issue(db, log, people.member, "read")
    actor = came_in(db, secret)
    with pytest.raises(NotAllowed), db.begin() as tx:
        actions.revoke_token(tx, log, actor, other)
    with db.begin() as tx:
        actions.revoke_token(tx, log, actor, own)


def test_a_token_gives_no_more_than_its_maker_has(db: Database, log: EventLog, people: People) -> None:
    actor = actor_of(people.member, "read", "write")
    with pytest.raises(NotAllowed, match="git"), db.begin() as tx:
        actions.create_token(tx, log, actor, name="more", scopes=["read", "git"], days=1)


def test_a_token_that_a_token_made_ends_with_it(db: Database, log: EventLog, people: People) -> None:
    _, secret = issue(db, log, people.member, days=1)
    maker = came_in(db, secret)
    with db.begin() as tx:
        made = [actions.create_token(tx, log, maker, name="more", scopes=["read"], days=days) for days in (None, 90)]
        listed = {each.id: each.expires_at for each in store.list_tokens(tx, people.member.id)}
    assert {listed[each.id] for each, _ in made} == {listed[str(maker.token)]}


def test_revoking_a_token_revokes_all_that_came_of_it(
    db: Database, log: EventLog, people: People, member: Actor
) -> None:
    first, secret = issue(db, log, people.member)
    _, other = issue(db, log, people.member)
    secrets_made = [secret]
    for _ in range(2):
        maker = came_in(db, secrets_made[-1])
        with db.begin() as tx:
            secrets_made.append(actions.create_token(tx, log, maker, name="x", scopes=["read", "write"], days=1)[1])
    with db.begin() as tx:
        actions.revoke_token(tx, log, member, first)
    for each in secrets_made:
        with pytest.raises(BadToken, match="revoked"):
            came_in(db, each)
    assert came_in(db, other)
    assert types(db)[-3:] == ["highroad-token.revoked.0.1.0"] * 3


def test_a_token_that_was_just_revoked_makes_none(db: Database, log: EventLog, people: People, member: Actor) -> None:
    id, secret = issue(db, log, people.member)
    maker = came_in(db, secret)
    with db.begin() as tx:
        actions.revoke_token(tx, log, member, id)
    with pytest.raises(BadToken), db.begin() as tx:
        actions.create_token(tx, log, maker, name="late", scopes=["read"], days=1)


@pytest.mark.parametrize(("name", "scopes"), [("x", []), ("x", ["fly"]), ("  ", ["read"])])
def test_a_token_needs_a_name_and_scopes_that_exist(
    db: Database, log: EventLog, member: Actor, name: str, scopes: list[str]
) -> None:
    with pytest.raises(Invalid), db.begin() as tx:
        actions.create_token(tx, log, member, name=name, scopes=scopes, days=1)


def test_the_scope_admin_is_worth_nothing_to_who_is_none(db: Database, log: EventLog, people: People) -> None:
    _, secret = issue(db, log, people.member, "read", "admin")
    assert came_in(db, secret).scopes == frozenset({"read"})


def test_last_use_is_written_at_most_once_a_minute(db: Database, log: EventLog, people: People) -> None:
    id, secret = issue(db, log, people.member)
    with db.begin() as tx:
        found = store.token_by_digest(tx, digest(secret))
        assert found is not None
        assert actions.stale_last_use(found[0])
        store.touch_token(tx, id)
        touched = store.token_by_digest(tx, digest(secret))
        assert touched is not None
        assert not actions.stale_last_use(touched[0])


# Passwords


@pytest.fixture
def in_portal(member: Actor) -> Actor:
    """The member as somebody who is signed in to the portal."""
    return replace(member, session="a session", origin="portal")


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
        secret = actions.make_link(tx, admin, people.member.id)
    with db.begin() as tx:
        assert actions.use_link(tx, log, secret, address="").user.id == people.member.id
    with pytest.raises(BadLink), db.begin() as tx:
        actions.use_link(tx, log, secret, address="")


def test_a_link_ends_after_a_day(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    with db.begin() as tx:
        secret = actions.make_link(tx, admin, people.member.id)
        tx.execute(update(store.sign_in_links).values(expires_at=rfc3339(now())))
    with pytest.raises(BadLink), db.begin() as tx:
        actions.use_link(tx, log, secret, address="")


def test_a_new_link_ends_the_one_before(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    with db.begin() as tx:
        old, new = (actions.make_link(tx, admin, people.member.id) for _ in range(2))
    with pytest.raises(BadLink), db.begin() as tx:
        actions.use_link(tx, log, old, address="")
    with db.begin() as tx:
        assert actions.use_link(tx, log, new, address="")


def test_a_password_and_a_deactivation_end_links(
    db: Database, log: EventLog, people: People, admin: Actor, in_portal: Actor
) -> None:
    with db.begin() as tx:
        before = actions.make_link(tx, admin, people.member.id)
    actions.set_password(db, log, in_portal, current=None, new=PASSWORD)
    with db.begin() as tx:
        still = actions.make_link(tx, admin, people.member.id)
        for active in (False, True):
            actions.change_user(tx, log, admin, people.member.id, name=None, admin=None, active=active)
    for each in (before, still):
        with pytest.raises(BadLink), db.begin() as tx:
            actions.use_link(tx, log, each, address="")


def test_a_member_makes_no_links_and_nobody_makes_one_for_nobody(
    db: Database, people: People, admin: Actor, member: Actor
) -> None:
    with pytest.raises(NotAllowed), db.begin() as tx:
        actions.make_link(tx, member, people.admin.id)
    with pytest.raises(NoSuchUser), db.begin() as tx:
        actions.make_link(tx, admin, "usr_nobody")


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


# Users


def create(db: Database, log: EventLog, actor: Actor, email: str, *, is_admin: bool = False) -> User:
    with db.begin() as tx:
        return actions.create_user(tx, log, actor, email=email, name="", admin=is_admin)


def change(
    db: Database,
    log: EventLog,
    actor: Actor,
    user: User,
    *,
    admin: bool | None = None,
    active: bool | None = None,
    name: str | None = None,
) -> User:
    with db.begin() as tx:
        return actions.change_user(tx, log, actor, user.id, name=name, admin=admin, active=active)


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


@pytest.mark.parametrize("change_to", [{"admin": False}, {"active": False}])
def test_the_last_administrator_stays(
    db: Database, log: EventLog, people: People, admin: Actor, change_to: dict[str, bool]
) -> None:
    with pytest.raises(LastAdministrator):
        change(db, log, admin, people.admin, **change_to)  # type: ignore[arg-type]  # two flags of one type
    with db.begin() as tx:
        assert store.active_admins(tx) == [people.admin.id]


def test_a_deactivated_administrator_does_not_count(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    second = create(db, log, admin, "second@example.com", is_admin=True)
    change(db, log, admin, second, active=False)
    with pytest.raises(LastAdministrator):
        change(db, log, admin, people.admin, admin=False)


def test_two_administrators_who_remove_each_other_leave_one(
    db: Database, log: EventLog, people: People, admin: Actor
) -> None:
    second = create(db, log, admin, "second@example.com", is_admin=True)
    ready = threading.Barrier(2)
    refused: list[LastAdministrator] = []

    def remove(user: User) -> None:
        ready.wait()
        try:
            change(db, log, admin, user, admin=False)
        except LastAdministrator as error:
            refused.append(error)

    threads = [threading.Thread(target=remove, args=[user]) for user in (people.admin, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    with db.begin() as tx:
        assert len(store.active_admins(tx)) == 1


def test_a_change_of_nothing_is_no_event(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    before = types(db)
    assert change(db, log, admin, people.member) == people.member
    assert types(db) == before


def test_a_user_who_is_not_there_cannot_be_changed(db: Database, log: EventLog, admin: Actor) -> None:
    with pytest.raises(NoSuchUser), db.begin() as tx:
        actions.change_user(tx, log, admin, "usr_nobody", name="x", admin=None, active=None)
