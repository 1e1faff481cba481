"""Grants, roles and policies as rows: what is live, what is compiled, and that changes hold at once for everybody."""

from __future__ import annotations

from datetime import timedelta

import pytest

from highroad.access import grants
from highroad.access.grants import standing_of, standing_of_policy_token
from highroad.access.policy.engine import built_in
from highroad.access.policy.roles import Role
from highroad.db.engine import Database, Transaction
from highroad.kit.clock import now
from tests.access.staff import Staff, staff_of

FORBID = "forbid(principal, action, resource);"


@pytest.fixture
def staff(db: Database) -> Staff:
    return staff_of(db)


def write(tx: Transaction, name: str, text: str) -> str:
    id = grants.add_policy(tx, name)
    grants.put_in_force(tx, id, grants.add_policy_version(tx, id, text=text, note="", author="x"))
    return id


def test_what_somebody_brings_is_their_own_and_that_of_their_teams_and_the_teams_above(staff: Staff) -> None:
    user = staff.user("jun")
    above = staff.team("company")
    team = staff.team("juniors", user, parent=above)
    staff.team("others", staff.user("eve2"))
    staff.give(user, "viewer", "production")
    staff.give(team, "deployer", "staging")
    staff.give(above, "viewer", everywhere=True)
    with staff.db.read() as tx:
        standing = standing_of(tx, user.id)
    assert standing.teams == ("company", "juniors")
    assert {each.role for each in standing.grants} == {"viewer", "deployer"}
    assert len(standing.grants) == 3


def test_what_has_expired_counts_no_more(staff: Staff) -> None:
    user = staff.user("jun")
    with staff.db.begin() as tx:
        for mode, days in (("staging", -1), ("preview", 1)):
            ends = now() + timedelta(days=days)
            where = {"project": staff.shop.project, "mode": mode}
            grants.set_grant(tx, holder_kind="user", holder_id=user.id, role="viewer", by="x", expires_at=ends, **where)
        assert [each.mode for each in grants.live_grants(tx, user.id, [])] == ["preview"]
        assert len(grants.list_grants(tx, holder_id=user.id)) == 2, "a review still shows it"


def test_a_grant_in_the_same_place_replaces_the_one_before(staff: Staff) -> None:
    user = staff.user("jun")
    assert staff.give(user, "viewer") == staff.give(user, "manager")
    with staff.db.read() as tx:
        assert [each.role for each in grants.live_grants(tx, user.id, [])] == ["manager"]


def test_grants_of_a_project_come_with_those_of_all_projects(staff: Staff) -> None:
    user = staff.user("jun")
    staff.give(user, "viewer", everywhere=True)
    staff.give(user, "deployer")
    with staff.db.read() as tx:
        mine = [each.role for each in grants.list_grants(tx, project=staff.shop.project) if each.holder_id == user.id]
    assert mine == ["viewer", "deployer"]


def test_without_roles_and_policies_of_its_own_a_company_decides_by_the_built_in_ones(db: Database) -> None:
    with db.read() as tx:
        assert grants.policies_in_force(tx) is built_in()


def test_a_policy_holds_from_its_commit_on_and_is_compiled_once(db: Database) -> None:
    with db.begin() as tx:
        write(tx, "nothing", FORBID)
    with db.read() as tx:
        first = grants.policies_in_force(tx)
        assert any(id.startswith("company:nothing@1") for id in first.statements)
        assert grants.policies_in_force(tx) is first


def test_a_custom_role_is_compiled_with_the_built_in_ones(db: Database) -> None:
    with db.begin() as tx:
        grants.save_role(tx, Role("captain", "", frozenset({"log:read"})))
    with db.read() as tx:
        assert "role:captain" in grants.policies_in_force(tx).statements
    with db.begin() as tx:
        assert grants.remove_role(tx, "captain")
        assert "role:captain" not in grants.policies_in_force(tx).statements


def test_a_policy_that_is_switched_off_or_gone_decides_nothing(db: Database) -> None:
    with db.begin() as tx:
        id = write(tx, "nothing", FORBID)
        grants.put_in_force(tx, id, 0)
        assert grants.company(tx) == []
        assert grants.policies_in_force(tx).statements == built_in().statements
        grants.put_in_force(tx, id, 1)
        assert len(grants.company(tx)) == 1
        grants.remove_policy(tx, id)
        assert grants.company(tx) == []
        assert grants.list_policies(tx) == []


def test_one_content_is_never_known_by_the_fingerprint_of_another(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another transaction commits between reading the fingerprint and reading what it stands for."""
    with db.begin() as tx:
        write(tx, "nothing", FORBID)
    known: dict[str, object] = {}
    monkeypatch.setattr(grants, "_compiled", known)
    with db.read() as tx:
        monkeypatch.setattr(grants, "company", lambda _tx: [])
        grants.policies_in_force(tx)
        monkeypatch.undo()
        assert any(id.startswith("company:") for id in grants.policies_in_force(tx).statements)


def test_versions_are_numbered_and_the_newest_comes_first(db: Database) -> None:
    with db.begin() as tx:
        id = write(tx, "p", FORBID)
        assert grants.add_policy_version(tx, id, text="permit(principal, action, resource);", note="n", author="y") == 2
        assert [each.version for each in grants.policy_history(tx, id)] == [2, 1]
        found = grants.policy(tx, "p")
        assert found is not None
        assert (found.in_force, found.version, found.text) == (1, 1, FORBID)


def test_a_policy_token_stands_on_its_own_policy_within_what_is_forbidden(db: Database) -> None:
    with db.begin() as tx:
        write(tx, "no-logs", 'forbid(principal, action == Action::"log:read", resource);')
        write(tx, "all", "permit(principal, action, resource);")
        standing = standing_of_policy_token(tx, 'permit(principal, action == Action::"log:read", resource);', "ci")
    ids = set(standing.policies.statements)
    assert ids == {"token:ci@1#1", "company:no-logs@1#1", "everybody"}


def test_what_is_deleted_takes_its_grants_along(staff: Staff) -> None:
    user = staff.user("jun")
    staff.give(user, "viewer")
    with staff.db.begin() as tx:
        grants.forget_holder(tx, user.id)
        assert grants.live_grants(tx, user.id, []) == []
        grants.set_grant(tx, holder_kind="user", holder_id=user.id, project="prj_x", mode=None, role="viewer", by="x")
        grants.forget_project(tx, "prj_x")
        assert grants.live_grants(tx, user.id, []) == []
