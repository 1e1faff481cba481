"""Tables of grants, custom roles and policies, and the `Standing` of an account that is made of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)

from highroad.access import teams
from highroad.access.policy.engine import Company, Policies, built_in, compile_policies, compile_token
from highroad.access.policy.roles import BUILT_IN, Role
from highroad.access.policy.standing import Grant, Standing
from highroad.db.engine import Transaction, metadata
from highroad.kit.clock import now, parse_rfc3339, rfc3339
from highroad.kit.ids import new_id

# An empty project_id or mode means all of them; NULL would escape the unique constraint.
grants = Table(
    "grants",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("holder_kind", String(8), nullable=False),
    Column("holder_id", String(40), nullable=False),
    Column("project_id", String(40), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("role", String(63), nullable=False),
    Column("since", String(32), nullable=False),
    Column("by", String(255), nullable=False),
    Column("expires_at", String(32)),
    UniqueConstraint("holder_id", "project_id", "mode"),
    Index("ix_grants_project", "project_id"),
)
roles = Table(
    "roles",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("description", String(500), nullable=False),
    Column("actions", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
)
policies = Table(
    "policies",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("in_force", Integer, nullable=False),  # the version; 0: none
    Column("created_at", String(32), nullable=False),
)
policy_versions = Table(
    "policy_versions",
    metadata,
    Column("policy_id", String(40), ForeignKey("policies.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("note", String(500), nullable=False),
    Column("author", String(255), nullable=False),
    Column("created_at", String(32), nullable=False),
)
# One row: what roles and policies amount to now, so that a request sees at one glance whether it knows them.
policy_state = Table(
    "policy_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("fingerprint", String(64), nullable=False),
)


@dataclass(frozen=True, slots=True)
class CompanyPolicy:
    """A policy that the company wrote, with the text of its version in force, or of its newest when none is."""

    id: str
    name: str
    in_force: int
    version: int
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    version: int
    text: str
    note: str
    author: str
    created_at: datetime


# Standing


def standing_of(tx: Transaction, user_id: str) -> Standing:
    """What this user or service account brings to decisions: three small queries, once per request."""
    mine = teams.teams_of(tx, user_id)
    return Standing(
        policies_in_force(tx),
        tuple(team.name for team in mine),
        tuple(live_grants(tx, user_id, [team.id for team in mine])),
    )


def standing_of_policy_token(tx: Transaction, text: str, name: str) -> Standing:
    return Standing(_token_policies(text, name, tuple(company(tx))))


@lru_cache(maxsize=256)
def _token_policies(text: str, name: str, forbidding: tuple[Company, ...]) -> Policies:
    return compile_token(text, name, forbidding)


def live_grants(tx: Transaction, user_id: str, team_ids: Sequence[str]) -> list[Grant]:
    held = or_(
        and_(grants.c.holder_kind == "user", grants.c.holder_id == user_id),
        and_(grants.c.holder_kind == "team", grants.c.holder_id.in_(team_ids)),
    )
    return [grant(row) for row in tx.execute(select(grants).where(held, _live())).mappings()]


MOST_COMPILED = 16
_compiled: dict[str, Policies] = {}


def policies_in_force(tx: Transaction) -> Policies:
    """Parsed once per content, whichever process or database it comes from."""
    fingerprint = tx.execute(select(policy_state.c.fingerprint)).scalar_one_or_none()
    if fingerprint is None:
        return built_in()
    known = _compiled.get(fingerprint)
    if known is None:
        own_roles, own_policies = custom_roles(tx), company(tx)
        known = compile_policies([*BUILT_IN, *own_roles], own_policies)
        if len(_compiled) > MOST_COMPILED:
            _compiled.clear()
        # Under what was read and not under what was asked for: a writing transaction on PostgreSQL sees what others
        # commit between its statements, and one content must never be known by the name of another.
        _compiled[_fingerprint(own_roles, own_policies)] = known
    return known


def refresh(tx: Transaction) -> None:
    """Roles or policies were changed in this transaction: from its commit on, everybody decides by them."""
    _set_fingerprint(tx, "")  # locks the row first: of two such transactions, the second then sees what the first did
    _set_fingerprint(tx, _fingerprint(custom_roles(tx), company(tx)))


def _set_fingerprint(tx: Transaction, fingerprint: str) -> None:
    statement = tx.insert(policy_state).values(id=1, fingerprint=fingerprint)
    tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"fingerprint": fingerprint}))


def _fingerprint(own_roles: Sequence[Role], own_policies: Sequence[Company]) -> str:
    content = json.dumps(
        [
            [[role.name, sorted(role.actions)] for role in own_roles],
            [[policy.name, policy.version, policy.text] for policy in own_policies],
        ]
    )
    return hashlib.sha256(content.encode()).hexdigest()


# Grants


def _live() -> ColumnElement[bool]:
    return or_(grants.c.expires_at.is_(None), grants.c.expires_at > rfc3339(now()))


def set_grant(
    tx: Transaction,
    *,
    holder_kind: str,
    holder_id: str,
    project: str | None,
    mode: str | None,
    role: str,
    by: str,
    expires_at: datetime | None = None,
) -> Grant:
    """Give `role`, in place of the one that the holder had there."""
    values = {
        "role": role,
        "since": rfc3339(now()),
        "by": by,
        "expires_at": rfc3339(expires_at) if expires_at else None,
    }
    where = {"holder_id": holder_id, "project_id": project or "", "mode": mode or ""}
    statement = tx.insert(grants).values(id=new_id("grt"), holder_kind=holder_kind, **where, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=list(where), set_=values))
    found = grant_at(tx, holder_id, project, mode)
    assert found is not None, "it was just written"
    return found


def grant_at(tx: Transaction, holder_id: str, project: str | None, mode: str | None) -> Grant | None:
    here = (grants.c.holder_id == holder_id, grants.c.project_id == (project or ""), grants.c.mode == (mode or ""))
    row = tx.execute(select(grants).where(*here)).mappings().first()
    return grant(row) if row else None


def grant_by_id(tx: Transaction, id: str) -> Grant | None:
    row = tx.execute(select(grants).where(grants.c.id == id)).mappings().first()
    return grant(row) if row else None


def list_grants(tx: Transaction, *, project: str | None = None, holder_id: str | None = None) -> list[Grant]:
    """With `project`: those that reach it, also those for all projects. Expired ones too."""
    statement = select(grants).order_by(grants.c.project_id, grants.c.holder_kind, grants.c.holder_id, grants.c.mode)
    if project is not None:
        statement = statement.where(grants.c.project_id.in_(["", project]))
    if holder_id is not None:
        statement = statement.where(grants.c.holder_id == holder_id)
    return [grant(row) for row in tx.execute(statement).mappings()]


def remove_grant(tx: Transaction, id: str) -> bool:
    return tx.execute(delete(grants).where(grants.c.id == id)).rowcount == 1


def forget_holder(tx: Transaction, holder_id: str) -> None:
    tx.execute(delete(grants).where(grants.c.holder_id == holder_id))


def forget_project(tx: Transaction, project_id: str) -> None:
    tx.execute(delete(grants).where(grants.c.project_id == project_id))


# Custom roles


def custom_roles(tx: Transaction) -> list[Role]:
    rows = tx.execute(select(roles).order_by(roles.c.name)).mappings()
    return [Role(row["name"], row["description"], frozenset(row["actions"].split())) for row in rows]


def save_role(tx: Transaction, role: Role) -> None:
    values = {"description": role.description, "actions": " ".join(sorted(role.actions))}
    statement = tx.insert(roles).values(name=role.name, created_at=rfc3339(now()), **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
    refresh(tx)


def remove_role(tx: Transaction, name: str) -> bool:
    removed = tx.execute(delete(roles).where(roles.c.name == name)).rowcount == 1
    refresh(tx)
    return removed


def role_in_use(tx: Transaction, name: str) -> int:
    return len(tx.execute(select(grants.c.id).where(grants.c.role == name)).all())


# The company's policies


def company(tx: Transaction) -> list[Company]:
    """Those in force, by name."""
    statement = (
        select(policies.c.name, policy_versions.c.version, policy_versions.c.text)
        .join(
            policy_versions,
            and_(policy_versions.c.policy_id == policies.c.id, policy_versions.c.version == policies.c.in_force),
        )
        .order_by(policies.c.name)
    )
    return [Company(row.name, row.version, row.text) for row in tx.execute(statement)]


def add_policy(tx: Transaction, name: str) -> str:
    """The id of a policy without a version yet. Raises IntegrityError when the name is taken."""
    id = new_id("pol")
    tx.execute(insert(policies).values(id=id, name=name, in_force=0, created_at=rfc3339(now())))
    return id


def add_policy_version(tx: Transaction, policy_id: str, *, text: str, note: str, author: str) -> int:
    """Its number, the next after the newest; the row of the policy is locked, so that two never draw the same."""
    tx.execute(select(policies.c.id).where(policies.c.id == policy_id).with_for_update())
    version = len(policy_history(tx, policy_id)) + 1
    tx.execute(
        insert(policy_versions).values(
            policy_id=policy_id, version=version, text=text, note=note, author=author, created_at=rfc3339(now())
        )
    )
    return version


def put_in_force(tx: Transaction, policy_id: str, version: int) -> None:
    """`version` 0 switches the policy off."""
    tx.execute(update(policies).where(policies.c.id == policy_id).values(in_force=version))
    refresh(tx)


def remove_policy(tx: Transaction, policy_id: str) -> None:
    tx.execute(delete(policies).where(policies.c.id == policy_id))
    refresh(tx)


def policy(tx: Transaction, name: str) -> CompanyPolicy | None:
    return next((each for each in list_policies(tx) if each.name == name), None)


def list_policies(tx: Transaction) -> list[CompanyPolicy]:
    """All, also those not in force, by name."""
    found = []
    for row in tx.execute(select(policies).order_by(policies.c.name)).mappings():
        history = policy_history(tx, row["id"])
        if not history:
            continue
        shown = next((each for each in history if each.version == row["in_force"]), history[0])
        created = parse_rfc3339(row["created_at"])
        found.append(CompanyPolicy(row["id"], row["name"], row["in_force"], shown.version, shown.text, created))
    return found


def policy_history(tx: Transaction, policy_id: str) -> list[PolicyVersion]:
    """Newest first."""
    statement = select(policy_versions).where(policy_versions.c.policy_id == policy_id)
    rows = tx.execute(statement.order_by(policy_versions.c.version.desc())).mappings()
    return [
        PolicyVersion(row["version"], row["text"], row["note"], row["author"], parse_rfc3339(row["created_at"]))
        for row in rows
    ]


def grant(row: RowMapping) -> Grant:
    return Grant(
        row["id"],
        row["holder_kind"],
        row["holder_id"],
        row["project_id"] or None,
        row["mode"] or None,
        row["role"],
        parse_rfc3339(row["since"]),
        row["by"],
        parse_rfc3339(row["expires_at"]) if row["expires_at"] else None,
    )
