"""Invitations, from the link to the user; on both databases."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import update

from highroad.access import invitation_actions, invitations, store, team_actions, teams, user_actions
from highroad.access.actions import WeakPassword
from highroad.access.invitation_actions import BadInvitation, InvitedAlready
from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed
from highroad.access.user_actions import NotYours, UserExists
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.kit.clock import now, rfc3339
from tests.access.coming_in import PASSWORD, types
from tests.world import MEMBER, People, actor_of

pytestmark = pytest.mark.usefixtures("quick_hashes")
EVE = "eve@example.com"


def invite(db: Database, log: EventLog, actor: Actor, *, role: str = "member", into: Sequence[str] = ()) -> str:
    with db.begin() as tx:
        return invitation_actions.invite(tx, log, actor, email=" Eve@Example.com", role=role, into=into)[1]


def accept(db: Database, log: EventLog, secret: str, password: str = PASSWORD) -> str:
    return invitation_actions.accept(db, log, secret, name="Eve", password=password, address="10.0.0.1").user.id


def test_an_accepted_invitation_is_a_user_with_role_and_teams(db: Database, log: EventLog, admin: Actor) -> None:
    with db.begin() as tx:
        for name in ("shop", "gone"):
            team_actions.create(tx, log, admin, name=name)
    secret = invite(db, log, admin, role="auditor", into=["shop", "gone"])
    with db.begin() as tx:
        team_actions.delete(tx, log, admin, team_actions.find(tx, "gone"))
    id = accept(db, log, secret)
    with db.read() as tx:
        user = store.user(tx, id)
        assert user is not None
        assert (user.email, user.name, user.role, user.has_password) == (EVE, "Eve", "auditor", True)
        assert [each.name for each in teams.teams_of(tx, id)] == ["shop"]
        assert invitations.everyone(tx) == []
    assert types(db)[-3:] == [
        "highroad-user.created.0.1.0",
        "highroad-invitation.accepted.0.1.0",
        "highroad-user.signedin.0.1.0",
    ]


def test_of_two_who_accept_at_once_one_comes_in(db: Database, log: EventLog, admin: Actor) -> None:
    secret = invite(db, log, admin)
    ready, refused = threading.Barrier(2), list[Exception]()

    def take() -> None:
        ready.wait()
        try:
            accept(db, log, secret)
        except (BadInvitation, UserExists) as error:
            refused.append(error)

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1


def test_an_invitation_ends_after_a_week(db: Database, log: EventLog, admin: Actor) -> None:
    secret = invite(db, log, admin)
    with db.begin() as tx:
        past = rfc3339(now() - timedelta(seconds=1))
        tx.execute(update(invitations.invitations).values(expires_at=past))
    with pytest.raises(BadInvitation):
        accept(db, log, secret)


def test_the_secret_is_kept_only_as_its_hash(db: Database, log: EventLog, admin: Actor) -> None:
    secret = invite(db, log, admin)
    with db.read() as tx:
        assert secret not in str(tx.execute(invitations.invitations.select()).all())


def test_a_weak_password_spends_no_invitation(db: Database, log: EventLog, admin: Actor) -> None:
    secret = invite(db, log, admin)
    with pytest.raises(WeakPassword):
        accept(db, log, secret, "short")
    assert accept(db, log, secret)


def test_nobody_invites_above_himself(db: Database, log: EventLog, people: People, admin: Actor, member: Actor) -> None:
    with db.begin() as tx:
        second = user_actions.create_user(tx, log, admin, email="second@example.com", name="", role="admin")
    with pytest.raises(NotYours):
        invite(db, log, actor_of(second), role="owner")
    with pytest.raises(NotAllowed):
        invite(db, log, member)
    invite(db, log, admin, role="owner")
    with pytest.raises(NotYours), db.begin() as tx:
        invitation_actions.resend(tx, log, actor_of(second), EVE)


@pytest.mark.parametrize("changes", [{"active": False}, {"role": "member"}])
def test_what_somebody_may_no_longer_give_is_withdrawn(
    db: Database, log: EventLog, admin: Actor, changes: dict[str, object]
) -> None:
    with db.begin() as tx:
        second = user_actions.create_user(tx, log, admin, email="second@example.com", name="", role="admin")
    secret = invite(db, log, actor_of(second), role="admin")
    with db.begin() as tx:
        user_actions.change_user(tx, log, admin, second.id, **changes)  # type: ignore[arg-type]  # parameters by name
    with pytest.raises(BadInvitation):
        accept(db, log, secret)
    assert "highroad-invitation.withdrawn.0.1.0" in types(db)


def test_one_address_has_one_invitation_or_one_user(db: Database, log: EventLog, admin: Actor) -> None:
    invite(db, log, admin)
    with pytest.raises(InvitedAlready):
        invite(db, log, admin)
    with pytest.raises(UserExists), db.begin() as tx:
        invitation_actions.invite(tx, log, admin, email=MEMBER.upper())


def test_an_address_that_was_proved_accepts_without_the_link(db: Database, log: EventLog, admin: Actor) -> None:
    secret = invite(db, log, admin, role="auditor")
    with db.begin() as tx:
        assert invitation_actions.accept_by_address(tx, log, "other@example.com", name="x") is None
        user = invitation_actions.accept_by_address(tx, log, EVE, name="Eve")
    assert user is not None
    assert user.role == "auditor"
    with pytest.raises(BadInvitation):
        accept(db, log, secret)
