"""Sessions: listed, ended, renewed, on both databases."""

from __future__ import annotations

import pytest

from highroad.access import actions, sessions, store
from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed
from highroad.access.sessions import NoSuchSession
from highroad.db.engine import Database
from highroad.events.log import EventLog
from tests.access.coming_in import types
from tests.world import People

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def begin(db: Database, log: EventLog, people: People, agent: str = FIREFOX) -> str:
    with db.begin() as tx:
        return actions.start_session(tx, log, people.member, address="10.0.0.7", agent=agent).secret


def alive(db: Database, secret: str) -> bool:
    with db.read() as tx:
        return actions.actor_of_session(tx, secret, address="") is not None


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/140 Safari/537 Edg/140", "Edge on Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iOS",
        ),
        ("curl/8.5.0", "curl"),
        ("", "an unknown device"),
    ],
)
def test_a_device_is_named_in_three_words(agent: str, name: str) -> None:
    assert sessions.device(agent) == name


def test_sessions_are_listed_with_where_they_are(
    db: Database, log: EventLog, people: People, member: Actor, admin: Actor
) -> None:
    secret = begin(db, log, people)
    with db.read() as tx:
        (found,) = sessions.list_sessions(tx, member)
        assert sessions.list_sessions(tx, admin) == []
    assert (found.agent, found.address) == (FIREFOX, "10.0.0.7")
    assert secret not in repr(found)
    assert found.name.startswith("ses_")


def test_a_session_is_ended_by_its_owner_alone(
    db: Database, log: EventLog, people: People, member: Actor, admin: Actor
) -> None:
    secret = begin(db, log, people)
    with db.begin() as tx:
        (found,) = sessions.list_sessions(tx, member)
        with pytest.raises(NoSuchSession):
            sessions.revoke(tx, log, admin, found.name)
        sessions.revoke(tx, log, member, found.name)
    assert not alive(db, secret)
    assert types(db)[-1] == "highroad-session.revoked.0.1.0"


def test_all_others_end_and_the_own_one_stays(db: Database, log: EventLog, people: People) -> None:
    mine, other = begin(db, log, people), begin(db, log, people)
    with db.begin() as tx:
        found = actions.actor_of_session(tx, mine, address="")
        assert found is not None
        assert sessions.revoke_all(tx, log, found[0]) == 1
    assert (alive(db, mine), alive(db, other)) == (True, False)


def test_an_administrator_ends_those_of_others(
    db: Database, log: EventLog, people: People, member: Actor, admin: Actor
) -> None:
    secret = begin(db, log, people)
    with pytest.raises(NotAllowed), db.begin() as tx:
        sessions.revoke_all_of(tx, log, member, people.member.id)
    with db.begin() as tx:
        assert sessions.revoke_all_of(tx, log, admin, people.member.id) == 1
    assert not alive(db, secret)


def test_a_renewed_session_goes_on_under_a_new_secret_alone(
    db: Database, log: EventLog, people: People, member: Actor
) -> None:
    old = begin(db, log, people)
    with db.begin() as tx:
        (before,) = store.list_sessions(tx, member.id)
        new = sessions.renew(tx, before.id)
        (after,) = store.list_sessions(tx, member.id)
    assert (alive(db, old), alive(db, new)) == (False, True)
    assert (after.csrf, after.created_at, after.expires_at) == (before.csrf, before.created_at, before.expires_at)
