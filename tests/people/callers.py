"""The API of the shared site as three callers see it: building an application for every test would take far longer."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.testclient import TestClient

from highroad.access import token_actions
from highroad.access.model import User
from highroad.db.engine import Database
from tests.portal.site import Site
from tests.world import caller


@dataclass(frozen=True, slots=True)
class Callers:
    """Paths are relative to `/api/v1`."""

    site: Site
    admin: TestClient
    member: TestClient
    nobody: TestClient

    @property
    def db(self) -> Database:
        return self.site.context.db

    def caller(self, token: str | None) -> TestClient:
        return caller(self.site.app, token)


def callers(site: Site) -> Callers:
    owner = site.user("ada@example.com", password=False)
    member = site.user("ben@example.com", role="member", password=False)
    return Callers(
        site,
        caller(site.app, _token(site, owner, ("read", "write", "git", "admin"))),
        caller(site.app, _token(site, member, ("read", "write", "git"))),
        caller(site.app, None),
    )


def _token(site: Site, user: User, scopes: tuple[str, ...]) -> str:
    with site.context.db.begin() as tx:
        issued = token_actions.issue_token(
            tx, site.context.log, user, name="of a test", scopes=scopes, days=90, origin="api"
        )
    return issued[1]
