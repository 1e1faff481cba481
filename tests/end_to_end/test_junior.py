"""A junior developer creates and tests branches and previews, and cannot deploy to production: out of the box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from highroad.access import store, teams
from highroad.access.model import User
from highroad.access.token_actions import issue_token
from highroad.client.api import Client
from highroad.client.problems import ApiProblem
from highroad.db.engine import Database, Transaction
from highroad.events.log import EventLog
from highroad.kit.bell import Bell
from highroad.kit.ids import new_id
from tests.end_to_end.apps import web
from tests.end_to_end.installation import Developer, Installation, wait

JUNIOR = "jun@example.com"


@dataclass(frozen=True, slots=True)
class Junior:
    """Somebody of the team `juniors`, at a machine of their own with a token of their own."""

    senior: Developer
    token: str

    @property
    def installation(self) -> Installation:
        return self.senior.installation

    def highroad(self, *words: str, code: int = 0) -> str:
        env = {"HIGHROAD_URL": self.installation.url, "HIGHROAD_TOKEN": self.token}
        return self.installation.run("highroad", *words, code=code, env=env)

    def push(self, version: str, branch: str) -> str:
        self.senior.commit(web(version))
        address = f"http://jun:{self.token}@localhost:{self.installation.port}/git/shop/{self.senior.service}.git"
        return self.senior.git("push", address, f"HEAD:refs/heads/{branch}")

    def api(self) -> Client:
        return Client(self.installation.url, self.token)


def colleague(tx: Transaction) -> User:
    """The junior, in the team of juniors."""
    known = store.user_by_email(tx, JUNIOR)
    if known is not None:
        return known[0]
    user = store.add_user(tx, id=new_id("usr"), email=JUNIOR, name="Jun")
    teams.add_member(tx, teams.add_team(tx, name="juniors", title="Juniors", parent=None).id, user.id)
    return user


@pytest.fixture
def junior(installation: Installation) -> Iterator[Junior]:
    """The seed example as the how-to has it: a team, and one command."""
    senior = installation.developer(web("one"), name="junior")
    database = Database(installation.settings.database_url)
    with database.begin() as tx:
        log, scopes = EventLog(installation.url, Bell()), ("read", "write", "git")
        user = colleague(tx)
        _, token = issue_token(tx, log, user, name="laptop", scopes=scopes, days=1, origin="portal")
    database.close()
    senior.highroad("access", "grant", "--team", "juniors", "-p", "shop", "--preset", "junior-developer")
    yield Junior(senior, token)
    for environment in senior.ask("environments", "-p", "shop")["items"]:
        if environment["name"] != "production":
            senior.highroad("environments", "delete", environment["name"], "-y")


def test_a_junior_previews_a_branch_in_an_environment_of_their_own(junior: Junior) -> None:
    junior.highroad("environments", "create", "try", "--mode", "preview", "--branch", "try-it", "-p", "shop")
    said = junior.push("tried", "try-it")
    assert "is live in try at" in said
    host = f"{junior.senior.service}.try.shop.localhost"
    wait(lambda: junior.installation.get(host) == (200, "tried"))
    assert junior.senior.answers("one"), "and production is as it was"


def test_what_a_junior_pushes_to_main_waits_for_somebody_who_may(junior: Junior) -> None:
    admin = junior.installation.ask("whoami")["email"]
    said = junior.push("two", "main")
    assert f"Not deployed to production: {JUNIOR} may not deploy there." in said
    assert f"{admin} can: highroad deploy --branch main" in said
    assert junior.senior.last_run()["state"] == "succeeded", "the release is made"
    assert junior.senior.get() == (200, "one")
    junior.senior.highroad("deploy", "--branch", "main")
    assert junior.senior.get() == (200, "two")


def test_asking_agrees_with_doing(junior: Junior) -> None:
    yes = junior.highroad("can-i", "push", "shop")
    assert yes.startswith("yes: repository:write in shop.")
    no = junior.highroad("can-i", "deploy", "shop/production", code=1)
    assert "You are viewer there; it takes deployer or manager." in no
    place = ("-p", "shop", "-s", junior.senior.service)
    refused = junior.highroad("restart", *place, code=1)
    assert "You are viewer there; it takes deployer or manager." in refused
    assert JUNIOR not in junior.senior.highroad("who-can", "deploy", "shop/production")
    assert JUNIOR in junior.senior.highroad("who-can", "see", "shop/production")


def test_a_junior_makes_nothing_into_production(junior: Junior) -> None:
    create = ("environments", "create", "mine", "--mode")
    assert "environment:write in shop/mine" in junior.highroad(*create, "production", "-p", "shop", code=1)
    junior.highroad(*create, "preview", "--branch", "x", "-p", "shop")
    with junior.api() as client:
        with pytest.raises(ApiProblem, match="environment:write in shop/mine"):
            client.patch("/projects/shop/environments/mine", {"mode": "production"})
        for change in ({"mode": "preview"}, {"branch": "try-*"}):
            with pytest.raises(ApiProblem, match="environment:write in shop/production"):
                client.patch("/projects/shop/environments/production", change)
        grant = {"kind": "user", "holder": JUNIOR, "project": "shop", "role": "manager"}
        with pytest.raises(ApiProblem, match="access:write in shop"):
            client.post("/access/grants", grant)
