"""Teams: their shape, who is in them, and two people who change them at once; on both databases."""

from __future__ import annotations

import threading

import pytest

from highroad.access import account_actions, grants, store, team_actions, teams
from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed
from highroad.access.team_actions import DEEPEST, NotByHand, TeamExists, TeamsInACircle, TeamsTooDeep
from highroad.access.teams import Team
from highroad.access.user_actions import NoSuchUser
from highroad.db.engine import Database
from highroad.events import store as events
from highroad.events.log import EventLog
from tests.access.coming_in import types
from tests.world import MEMBER, People


def create(db: Database, log: EventLog, actor: Actor, name: str, parent: str | None = None) -> Team:
    with db.begin() as tx:
        return team_actions.create(tx, log, actor, name=name, parent=parent)


def move(db: Database, log: EventLog, actor: Actor, team: Team, parent: str | None) -> Team:
    with db.begin() as tx:
        return team_actions.change(tx, log, actor, team, changes={"parent": parent})


def test_a_member_of_a_team_is_in_those_above_it(db: Database, log: EventLog, people: People, admin: Actor) -> None:
    create(db, log, admin, "company")
    shop = create(db, log, admin, "shop", "company")
    with db.begin() as tx:
        team_actions.add_member(tx, log, admin, shop, MEMBER)
        assert [each.name for each in teams.teams_of(tx, people.member.id)] == ["company", "shop"]
        standing = grants.standing_of(tx, people.member.id)
    assert standing.teams == ("company", "shop")


def test_teams_are_nested_so_deep_and_no_deeper(db: Database, log: EventLog, admin: Actor) -> None:
    above: str | None = None
    for level in range(DEEPEST):
        above = create(db, log, admin, f"level-{level}", above).name
    with pytest.raises(TeamsTooDeep):
        create(db, log, admin, "deeper", above)
    create(db, log, admin, "top")
    low = create(db, log, admin, "low", "top")
    with pytest.raises(TeamsTooDeep):
        move(db, log, admin, low, f"level-{DEEPEST - 1}")
    with db.read() as tx:
        top = team_actions.find(tx, "top")
    with pytest.raises(TeamsTooDeep):
        move(db, log, admin, top, f"level-{DEEPEST - 2}")


def test_two_moves_at_once_make_no_circle(db: Database, log: EventLog, admin: Actor) -> None:
    first, second = create(db, log, admin, "first"), create(db, log, admin, "second")
    ready = threading.Barrier(2)
    refused: list[TeamsInACircle] = []

    def put(team: Team, below: str) -> None:
        ready.wait()
        try:
            move(db, log, admin, team, below)
        except TeamsInACircle as error:
            refused.append(error)

    threads = [threading.Thread(target=put, args=pair) for pair in ((first, "second"), (second, "first"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    with db.read() as tx:
        assert sorted(each.parent is None for each in teams.list_teams(tx)) == [False, True]


def test_a_team_that_is_deleted_leaves_no_grant_behind(
    db: Database, log: EventLog, people: People, admin: Actor
) -> None:
    team = create(db, log, admin, "shop")
    with db.begin() as tx:
        team_actions.add_member(tx, log, admin, team, MEMBER)
        grants.set_grant(
            tx, holder_kind="team", holder_id=team.id, project=None, mode=None, role="manager", by=admin.name
        )
        team_actions.delete(tx, log, admin, team)
        assert grants.list_grants(tx, holder_id=team.id) == []
        assert grants.standing_of(tx, people.member.id).teams == ()
    with db.read() as tx:
        last = events.read(tx, limit=500)[-1].data["customData"]
    assert isinstance(last, dict)
    assert last["before"]["members"] == [MEMBER]


def test_names_stay_and_are_of_one_team(db: Database, log: EventLog, admin: Actor) -> None:
    team = create(db, log, admin, "shop")
    with pytest.raises(TeamExists):
        create(db, log, admin, "shop")
    with db.begin() as tx:
        changed = team_actions.change(tx, log, admin, team, changes={"title": " The Shop ", "name": "other"})
    assert (changed.name, changed.title) == ("shop", "The Shop")


def test_a_change_of_nothing_is_no_event(db: Database, log: EventLog, admin: Actor) -> None:
    team = create(db, log, admin, "shop")
    before = len(types(db))
    with db.begin() as tx:
        team_actions.change(tx, log, admin, team, changes={"title": "shop", "parent": None})
        team_actions.add_member(tx, log, admin, team, MEMBER)
        team_actions.add_member(tx, log, admin, team, MEMBER)
    assert len(types(db)) == before + 1


def test_a_membership_by_hand_and_one_from_elsewhere_are_two(
    db: Database, log: EventLog, people: People, admin: Actor
) -> None:
    team = create(db, log, admin, "shop")
    with db.begin() as tx:
        teams.add_member(tx, team.id, people.member.id, "scim")
        team_actions.add_member(tx, log, admin, team, MEMBER)
        team_actions.remove_member(tx, log, admin, team, MEMBER)
        assert [each.sources for each in teams.members(tx, team.id)] == [("scim",)]
    with pytest.raises(NotByHand), db.begin() as tx:
        team_actions.remove_member(tx, log, admin, team, MEMBER)


def test_service_accounts_are_in_teams_and_policy_tokens_are_not(db: Database, log: EventLog, admin: Actor) -> None:
    team = create(db, log, admin, "shop")
    with db.begin() as tx:
        account_actions.create(tx, log, admin, name="bot")
        assert team_actions.add_member(tx, log, admin, team, "bot").kind == "service"
        store.add_user(tx, id="acc_p", email="board", name="board", kind="policy")
    with pytest.raises(NoSuchUser), db.begin() as tx:
        team_actions.add_member(tx, log, admin, team, "board")


def test_a_member_changes_no_team(db: Database, log: EventLog, admin: Actor, member: Actor) -> None:
    team = create(db, log, admin, "shop")
    for change in (team_actions.add_member, team_actions.remove_member):
        with pytest.raises(NotAllowed), db.begin() as tx:
            change(tx, log, member, team, MEMBER)
    with pytest.raises(NotAllowed), db.begin() as tx:
        team_actions.delete(tx, log, member, team)
