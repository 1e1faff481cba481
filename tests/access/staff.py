"""People with roles in a real database, for tests of the verbs on access."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from highroad.access import grants, store, teams
from highroad.access.actions import actor_named
from highroad.access.granting import Holder
from highroad.access.model import Actor, User
from highroad.access.places import Place
from highroad.access.policy.roles import OrganizationRole
from highroad.access.teams import Team
from highroad.db.engine import Database
from highroad.events.model import Recorded
from highroad.events.store import latest
from highroad.kit.ids import new_id
from highroad.projects import store as projects
from tests.world import People


@pytest.fixture(name="migrated")
def sqlite_alone(sqlite_template: tuple[Path, People], tmp_path: Path) -> tuple[str, People]:
    """For tests of rules, in which no database has a part: `db` on SQLite alone, which is much quicker."""
    template, people = sqlite_template
    shutil.copyfile(template, tmp_path / "highroad.sqlite")
    return f"sqlite:///{tmp_path / 'highroad.sqlite'}", people


@dataclass(frozen=True, slots=True)
class Staff:
    """`shop` is a project with an environment of each name that tests use; nobody has a role in it yet."""

    db: Database
    shop: Place

    def user(self, name: str, role: OrganizationRole = "member") -> User:
        with self.db.begin() as tx:
            return store.add_user(tx, id=new_id("usr"), email=f"{name}@example.com", name=name, role=role)

    def team(self, name: str, *members: User, parent: Team | None = None) -> Team:
        with self.db.begin() as tx:
            team = teams.add_team(tx, name=name, title=name, parent=parent.id if parent else None)
            for member in members:
                teams.add_member(tx, team.id, member.id)
        return team

    def give(self, holder: User | Team, role: str, mode: str | None = None, *, everywhere: bool = False) -> str:
        """Written without asking anybody. Returns the id of the grant."""
        with self.db.begin() as tx:
            return grants.set_grant(
                tx,
                holder_kind="team" if isinstance(holder, Team) else "user",
                holder_id=holder.id,
                project=None if everywhere else self.shop.project,
                mode=mode,
                role=role,
                by="a test",
            ).id

    def actor(self, user: User) -> Actor:
        """As the user is now."""
        with self.db.read() as tx:
            return actor_named(tx, user.email, origin="api")

    def at(self, mode: str) -> Place:
        return Place(self.shop.project, "shop", None, mode, mode)

    def last_event(self) -> Recorded:
        with self.db.read() as tx:
            return latest(tx, limit=1)[0]


def holder(of: User | Team) -> Holder:
    return Holder("team", of.id, of.name) if isinstance(of, Team) else Holder("user", of.id, of.email)


def staff_of(db: Database) -> Staff:
    with db.begin() as tx:
        project = projects.add_project(tx, "shop")
        for mode in ("development", "staging", "production", "preview", "sandbox"):
            projects.add_environment(tx, project, name=mode, mode=mode, branch=None)
    return Staff(db, project.place)
