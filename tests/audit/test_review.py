"""The access review: everybody who may, for the reason that holds, with when they last did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from highroad.access import grants, store, teams
from highroad.access.model import SYSTEM, Actor, Decided, Decisions
from highroad.access.places import ORGANIZATION
from highroad.audit.review import Asked, BadReview, Row, make_review
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.events.model import DEPLOYMENT_QUEUED, Event
from highroad.kit.clock import now
from highroad.projects import actions as projects
from highroad.projects.model import Environment, Project
from tests.world import Api, People


@pytest.fixture
def shop(db: Database, log: EventLog) -> tuple[Project, Environment]:
    with db.begin() as tx:
        project = projects.create_project(tx, log, SYSTEM, name="shop")
        for name, mode in (("staging", "staging"), ("production", "production")):
            where = projects.create_environment(tx, log, SYSTEM, project, name=name, mode=mode, branch=None)
    return project, where


def review(db: Database, **asked: str | None) -> list[Row]:
    with db.read() as tx:
        return list(make_review(tx, Asked(**asked)).rows)  # type: ignore[arg-type]


def of(rows: list[Row], who: str, kind: str = "user") -> list[Row]:
    return [row for row in rows if row.who == who and row.kind == kind]


def give(db: Database, project: Project, holder: str, role: str, kind: str = "user", mode: str = "production") -> None:
    with db.begin() as tx:
        grants.set_grant(
            tx,
            holder_kind=kind,
            holder_id=holder,
            project=project.id,
            mode=mode,
            role=role,
            by="ada@example.com",
            expires_at=now() + timedelta(days=30),
        )


def newcomer(db: Database, name: str = "eve") -> str:
    with db.begin() as tx:
        return store.add_user(tx, id=f"usr_{name}", email=f"{name}@example.com", name=name).id


def test_owners_may_by_their_role_and_newcomers_may_not(
    db: Database, people: People, shop: tuple[Project, Environment]
) -> None:
    newcomer(db)
    rows = review(db)
    (ada,) = of(rows, people.admin.email)
    assert ada.reason == f"being {people.admin.role} of the organization"
    assert ada.place == "shop/production"
    assert of(rows, "eve@example.com") == []


def test_a_grant_says_by_whom_since_when_and_until_when(db: Database, shop: tuple[Project, Environment]) -> None:
    give(db, shop[0], newcomer(db), "deployer")
    (row,) = of(review(db), "eve@example.com")
    assert row.reason == "role deployer by a grant for production in this project"
    assert row.by == "ada@example.com"
    assert row.since is not None
    assert row.expires_at is not None
    assert row.expires_at - row.since > timedelta(days=29)
    assert of(review(db, mode="staging"), "eve@example.com") == []


def test_a_grant_of_a_team_names_the_team(db: Database, shop: tuple[Project, Environment]) -> None:
    eve = newcomer(db)
    with db.begin() as tx:
        above = teams.add_team(tx, name="company", title="", parent=None)
        team = teams.add_team(tx, name="payments", title="Payments", parent=above.id)
        teams.add_member(tx, team.id, eve)
    give(db, shop[0], above.id, "manager", kind="team")
    (row,) = of(review(db), "eve@example.com")
    assert row.reason == "role manager by the team company for production in this project"


@pytest.mark.parametrize("role", ["viewer", "none"])
def test_a_role_without_the_permission_is_no_reason(db: Database, shop: tuple[Project, Environment], role: str) -> None:
    give(db, shop[0], newcomer(db), role)
    assert of(review(db), "eve@example.com") == []


def test_whoever_is_deactivated_is_not_in_it(db: Database, shop: tuple[Project, Environment]) -> None:
    eve = newcomer(db)
    give(db, shop[0], eve, "deployer")
    with db.begin() as tx:
        store.update_user(tx, eve, active=False)
    assert of(review(db), "eve@example.com") == []


def test_tokens_with_the_scope_stand_below_their_owner(
    db: Database, people: People, shop: tuple[Project, Environment]
) -> None:
    rows = review(db)
    tokens = of(rows, people.admin.email, "token")
    assert [row.id.partition("_")[0] for row in tokens] == ["tok"]
    assert "being" in tokens[0].reason
    assert tokens[0].by == people.admin.email


@pytest.fixture
def deployed(db: Database, log: EventLog, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, datetime], None]:
    def deploy(who: str, at: datetime) -> None:
        monkeypatch.setattr("highroad.events.store.now", lambda: at)
        decided = Decided("deployment:write", ORGANIZATION, "role:deployer")
        actor = Actor("usr_x", who, "user", "cli", token="tok_x", decisions=Decisions(decided))
        event = Event(DEPLOYMENT_QUEUED, "dep_1", project="shop", service="web", environment="production")
        with db.begin() as tx:
            log.append(tx, event, actor)

    return deploy


def test_the_last_use_is_found_and_a_long_silence_is_hinted_at(
    db: Database, people: People, shop: tuple[Project, Environment], deployed: Callable[[str, datetime], None]
) -> None:
    assert of(review(db), people.admin.email)[0].last_used is None
    long_ago = now() - timedelta(days=100)
    deployed(people.admin.email, long_ago - timedelta(days=5))
    deployed(people.admin.email, long_ago)
    (row,) = of(review(db), people.admin.email)
    assert row.last_used == long_ago
    assert row.hint == "not used for 100 days"
    deployed(people.admin.email, now())
    assert of(review(db), people.admin.email)[0].hint == ""
    assert of(review(db, mode="staging"), people.admin.email)[0].last_used is None


def test_actions_without_a_place_are_asked_of_the_organization(db: Database, people: People) -> None:
    (row,) = of(review(db, action="policy:write"), people.admin.email)
    assert row.place == "the organization"


@pytest.mark.parametrize("asked", [{"action": "no:such"}, {"mode": "moon"}, {"project": "none"}])
def test_what_there_is_not_cannot_be_reviewed(db: Database, asked: dict[str, str]) -> None:
    with pytest.raises(BadReview):
        review(db, **asked)


def test_over_http_it_is_a_document_and_a_table(api: Api) -> None:
    api.admin.post("/projects", json={"name": "shop"})
    api.admin.post("/projects/shop/environments", json={"name": "production", "mode": "production"})
    found = api.admin.get("/audit/access-review").json()
    table = api.admin.get("/audit/access-review/csv")
    assert found["items"][0]["place"] == "shop/production"
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(table.text.splitlines()) == len(found["items"]) + 1
    assert api.member.get("/audit/access-review").status_code == 403
    assert api.admin.get("/audit/access-review", params={"action": "x"}).status_code == 422
    told = api.admin.get("/audit/events", params={"type": "access.reviewed"}).json()["items"]
    assert len(told) == 2, "what is asked again within minutes is recorded once"
