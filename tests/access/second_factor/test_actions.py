"""Setting up a second factor, and what it refuses at sign-in, on both databases."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from highroad.access import actions as access
from highroad.access import store as accounts
from highroad.access.actions import SlowDown, WrongPassword
from highroad.access.model import Actor, User
from highroad.access.permissions import NotAllowed
from highroad.access.second_factor import actions, codes, store
from highroad.access.second_factor.actions import (
    BadCode,
    MissingSecondFactor,
    NoSecondFactor,
    OwnSecondFactor,
    SecondFactorExists,
    SecondFactorNeeded,
    SignInOver,
    WrongCode,
)
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.kit.clock import now
from tests.access.coming_in import PASSWORD, types
from tests.world import People, actor_of

pytestmark = pytest.mark.usefixtures("quick_hashes")
NEXT = timedelta(seconds=codes.STEP_SECONDS)


def enable(db: Database, log: EventLog, actor: Actor, password: str = "") -> tuple[str, list[str]]:
    """Seed and recovery codes. Confirmed with the code before the present one, so that this one is still fresh."""
    made = actions.begin(db, log, actor, password=password, installation="localhost")
    return made.seed, actions.confirm(db, log, actor, code=codes.code_at(made.seed, now() - NEXT))


def check(db: Database, log: EventLog, user: User, code: str, address: str = "10.0.0.1") -> None:
    actions.check(db, log, user, code=code, address=address, origin="portal")


@pytest.fixture
def enrolled(db: Database, log: EventLog, in_portal: Actor) -> tuple[str, list[str]]:
    return enable(db, log, in_portal)


def test_nothing_is_asked_of_somebody_without_one(db: Database, log: EventLog, people: People) -> None:
    check(db, log, people.member, "")


def test_a_seed_that_was_not_confirmed_asks_nothing_and_can_be_replaced(
    db: Database, log: EventLog, in_portal: Actor, people: People
) -> None:
    first = actions.begin(db, log, in_portal, password="", installation="localhost")
    second = actions.begin(db, log, in_portal, password="", installation="localhost")
    check(db, log, people.member, "")
    with pytest.raises(BadCode):
        actions.confirm(db, log, in_portal, code=codes.code_at(first.seed, now()))
    actions.confirm(db, log, in_portal, code=codes.code_at(second.seed, now()))
    with pytest.raises(SecondFactorNeeded):
        check(db, log, people.member, "")


def test_the_seed_is_sealed_and_recovery_codes_are_hashed(
    db: Database, enrolled: tuple[str, list[str]], people: People
) -> None:
    seed, recovery = enrolled
    with db.read() as tx:
        rows = [*tx.execute(select(store.second_factors)), *tx.execute(select(store.recovery_codes))]
    stored = repr(rows)
    assert seed not in stored
    assert not any(code in stored or codes.plain(code) in stored for code in recovery)


def test_the_code_of_the_app_lets_in_once(
    db: Database, log: EventLog, enrolled: tuple[str, list[str]], people: People
) -> None:
    code = codes.code_at(enrolled[0], now())
    check(db, log, people.member, f" {code[:3]} {code[3:]} ")
    with pytest.raises(WrongCode):
        check(db, log, people.member, code)
    assert types(db)[-1] == "highroad-secondfactor.refused.0.1.0"


def test_of_two_at_the_same_moment_with_one_code_one_is_let_in(
    db: Database, log: EventLog, enrolled: tuple[str, list[str]], people: People
) -> None:
    code, came_in = codes.code_at(enrolled[0], now() + NEXT), []

    def come() -> None:
        try:
            check(db, log, people.member, code)
            came_in.append(1)
        except WrongCode:
            pass

    both = [threading.Thread(target=come) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(came_in) == 1


def test_a_recovery_code_lets_in_once(
    db: Database, log: EventLog, enrolled: tuple[str, list[str]], people: People, in_portal: Actor
) -> None:
    check(db, log, people.member, enrolled[1][0].upper())
    with pytest.raises(WrongCode):
        check(db, log, people.member, enrolled[1][0])
    with db.read() as tx:
        assert actions.standing(tx, in_portal, rule="") == actions.Standing(True, 9, False)


def test_new_recovery_codes_replace_the_old_ones(
    db: Database, log: EventLog, enrolled: tuple[str, list[str]], people: People, in_portal: Actor
) -> None:
    made = actions.renew_recovery_codes(db, log, in_portal, code=codes.code_at(enrolled[0], now()))
    with pytest.raises(WrongCode):
        check(db, log, people.member, enrolled[1][0])
    check(db, log, people.member, made[0])


def test_guessing_codes_is_slowed_from_wherever_it_comes(
    db: Database, log: EventLog, enrolled: tuple[str, list[str]], people: People
) -> None:
    for number in range(5):
        with pytest.raises(WrongCode):
            check(db, log, people.member, "000000", address=f"10.0.0.{number}")
    with pytest.raises(SlowDown) as refused:
        check(db, log, people.member, codes.code_at(enrolled[0], now()), address="10.9.9.9")
    assert int(str(refused.value.extra["retry_after"])) > 0


def test_a_password_is_asked_for_to_set_one_up(db: Database, log: EventLog, in_portal: Actor) -> None:
    access.set_password(db, log, in_portal, current=None, new=PASSWORD)
    with pytest.raises(WrongPassword):
        actions.begin(db, log, in_portal, password="wrong", installation="localhost")
    actions.begin(db, log, in_portal, password=PASSWORD, installation="localhost")


def test_a_token_of_fewer_scopes_changes_nothing(db: Database, log: EventLog, people: People) -> None:
    weak = actor_of(people.member, "read", "write")
    with pytest.raises(NotAllowed):
        actions.begin(db, log, weak, password="", installation="localhost")


def test_it_is_set_up_once(db: Database, log: EventLog, enrolled: tuple[str, list[str]], in_portal: Actor) -> None:
    with pytest.raises(SecondFactorExists):
        actions.begin(db, log, in_portal, password="", installation="localhost")
    with pytest.raises(NoSecondFactor):
        actions.confirm(db, log, in_portal, code=codes.code_at(enrolled[0], now()))


def test_setting_it_up_ends_the_sessions_that_were_begun_without(
    db: Database, log: EventLog, people: People, in_portal: Actor
) -> None:
    with db.begin() as tx:
        other = access.start_session(tx, log, people.member, address="")
    enable(db, log, in_portal)
    with db.read() as tx:
        assert access.actor_of_session(tx, other.secret, address="") is None


def test_it_is_turned_off_with_a_code(
    db: Database, log: EventLog, enrolled: tuple[str, list[str]], people: People, in_portal: Actor
) -> None:
    with pytest.raises(WrongCode):
        actions.disable(db, log, in_portal, code="000000", rule="")
    actions.disable(db, log, in_portal, code=enrolled[1][3], rule="")
    check(db, log, people.member, "")
    assert types(db)[-1] == "highroad-secondfactor.disabled.0.1.0"


def test_where_it_is_required_it_stays(
    db: Database, log: EventLog, enrolled: tuple[str, list[str]], in_portal: Actor
) -> None:
    with pytest.raises(NotAllowed):
        actions.disable(db, log, in_portal, code=enrolled[1][3], rule="everyone")


def test_an_administrator_resets_it(
    db: Database, log: EventLog, enrolled: tuple[str, list[str]], people: People, admin: Actor, member: Actor
) -> None:
    with db.begin() as tx:
        session = access.start_session(tx, log, people.member, address="")
    with pytest.raises(NotAllowed), db.begin() as tx:
        actions.reset(tx, log, member, people.member.id)
    with db.begin() as tx:
        actions.reset(tx, log, admin, people.member.id)
        assert access.actor_of_session(tx, session.secret, address="") is None
    check(db, log, people.member, "")


def test_nobody_resets_their_own_without_a_code(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    enable(db, log, replace(admin, session="a session", origin="portal"))
    with pytest.raises(OwnSecondFactor), db.begin() as tx:
        actions.reset(tx, log, admin, people.admin.id)
    with pytest.raises(SecondFactorNeeded):
        actions.disable(db, log, admin, code="", rule="")
    with pytest.raises(SecondFactorNeeded):
        check(db, log, people.admin, "")


def test_an_administrator_resets_no_owner(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    enable(db, log, replace(admin, session="a session", origin="portal"))
    with pytest.raises(NotAllowed), db.begin() as tx:
        actions.reset(tx, log, replace(admin, id="usr_other", role="admin"), people.admin.id)


@pytest.mark.parametrize(
    ("rule", "wanted"), [("", (False, False)), ("admins", (True, False)), ("everyone", (True, True))]
)
def test_an_installation_can_require_it(rule: str, wanted: tuple[bool, bool], people: People) -> None:
    assert (actions.required(rule, people.admin), actions.required(rule, people.member)) == wanted


def test_where_it_is_required_a_password_alone_gives_no_token(db: Database, log: EventLog, people: People) -> None:
    with pytest.raises(MissingSecondFactor):
        actions.check_sign_in(db, log, people.member, code="", address="", origin="cli", rule="everyone")


def test_a_sign_in_waits_five_minutes_for_its_code_and_is_spent_with_it(
    db: Database, log: EventLog, enrolled: tuple[str, list[str]], people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.begin() as tx:
        secrets = [actions.waits_for_code(tx, people.member) for _ in range(2)]
    first, late = secrets
    assert first is not None
    assert late is not None
    assert actions.finish(db, log, secret=first, code=enrolled[1][0], address="").id == people.member.id
    with pytest.raises(SignInOver):
        actions.finish(db, log, secret=first, code=enrolled[1][1], address="")
    monkeypatch.setattr(store, "now", lambda: now() + store.WAIT_LIFE)
    with pytest.raises(SignInOver):
        actions.finish(db, log, secret=late, code=enrolled[1][1], address="")


def test_somebody_who_was_deactivated_meanwhile_does_not_come_in(
    db: Database, log: EventLog, enrolled: tuple[str, list[str]], people: People
) -> None:
    with db.begin() as tx:
        secret = actions.waits_for_code(tx, people.member)
        accounts.update_user(tx, people.member.id, active=False)
    assert secret is not None
    with pytest.raises(SignInOver):
        actions.finish(db, log, secret=secret, code=enrolled[1][0], address="")
