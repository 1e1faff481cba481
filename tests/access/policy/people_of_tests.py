"""Actors with the grants that a test gives them, without a database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import count

from highroad.access.model import SCOPES, Actor, Origin
from highroad.access.places import Place
from highroad.access.policy.engine import Company, Policies, built_in, compile_policies
from highroad.access.policy.roles import BUILT_IN, OrganizationRole, Role
from highroad.access.policy.standing import MODES, Grant, Standing
from highroad.kit.clock import now

SHOP = Place("prj_shop", "shop", "payments")
BLOG = Place("prj_blog", "blog")
_numbers = count()


def at(mode: str, project: Place = SHOP, *, service: str | None = None) -> Place:
    """The environment of `project` that has the name of its mode."""
    return Place(project.project, project.project_name, project.team, mode, mode, service)


def held(
    role: str,
    mode: str | None = None,
    *,
    project: Place | None = SHOP,
    team: str | None = None,
    expires_at: datetime | None = None,
) -> Grant:
    """A grant of the test's own user, or of `team`."""
    where = project.project if project else None
    return Grant(
        f"grt_{next(_numbers)}",
        "team" if team else "user",
        team or "usr_ben",
        where,
        mode,
        role,
        now(),
        "ada@example.com",
        expires_at,
    )


def everywhere(role: str) -> list[Grant]:
    return [held(role, mode) for mode in MODES]


def somebody(
    *grants: Grant,
    role: OrganizationRole = "member",
    policies: Policies | None = None,
    teams: Iterable[str] = (),
    scopes: Iterable[str] = tuple(SCOPES),
    origin: Origin = "api",
    name: str = "ben@example.com",
) -> Actor:
    standing = Standing(policies or built_in(), tuple(teams), grants)
    return Actor("usr_ben", name, "user", origin, role, frozenset(scopes), standing=standing)


def under(*texts: str, roles: Iterable[Role] = ()) -> Policies:
    """What holds where a company has written these policies, named p1, p2, ..."""
    company = [Company(f"p{number}", 1, text) for number, text in enumerate(texts, start=1)]
    return compile_policies([*BUILT_IN, *roles], company)
