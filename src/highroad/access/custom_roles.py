"""Roles that a company defines beside the built-in ones. Who may define them, and that nobody gains by doing so."""

from __future__ import annotations

from highroad.access import grants
from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed, lasting, require
from highroad.access.policy.roles import BUILT_IN, GRANTABLE, Role
from highroad.db.engine import Transaction
from highroad.errors import Conflict, FieldError, Invalid, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.names import require_label

MOST_ROLES = 100


class NoSuchRole(NotFound):
    code = "no-such-role"


class RoleExists(Conflict):
    code = "role-exists"
    title = "There is a role of this name"


class RoleInUse(Conflict):
    code = "role-in-use"
    title = "The role is granted to somebody"


class BadRole(Invalid):
    code = "bad-role"
    title = "The role cannot be defined"


class NotYoursToDefine(NotAllowed):
    code = "not-yours-to-define"


def find(tx: Transaction, name: str) -> Role:
    found = next((role for role in (*BUILT_IN, *grants.custom_roles(tx)) if role.name == name), None)
    if found is None:
        raise NoSuchRole(f"There is no role {name[:63]!r}.", next_step="highroad roles list")
    return found


def create(
    tx: Transaction, log: EventLog, actor: Actor, *, name: str, description: str, actions: frozenset[str]
) -> Role:
    require(actor, "role:write")
    require_label(name, field="name")
    known = [*BUILT_IN, *grants.custom_roles(tx)]
    if name in {role.name for role in known}:
        raise RoleExists(f"There is a role {name!r} already.", next_step="Choose another name, or change it.")
    if len(known) >= MOST_ROLES:
        raise BadRole(f"There are {MOST_ROLES} roles already.", next_step="Delete one that nobody holds.")
    role = _checked(Role(name, description.strip(), actions))
    _refuse_beyond(actor, role.actions)
    grants.save_role(tx, role)
    diff = {"actions": (None, sorted(role.actions)), "description": (None, role.description)}
    log.append(tx, Event(events.ROLE_CREATED, name, {"name": name}, diff=diff), actor)
    return role


def change(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    name: str,
    *,
    description: str | None = None,
    actions: frozenset[str] | None = None,
) -> Role:
    """Change what is not None. It holds at once for everybody who has the role."""
    require(actor, "role:write")
    old = _own(tx, name)
    new = _checked(
        Role(
            name,
            old.description if description is None else description.strip(),
            old.actions if actions is None else actions,
        )
    )
    if new == old:
        return old
    gained = new.actions - old.actions
    if gained and _holds_it(actor, name) and actor.role != "owner":
        raise NotYoursToDefine("Nobody widens a role that they hold.", next_step="Ask an owner.")
    _refuse_beyond(actor, gained)
    grants.save_role(tx, new)
    diff: dict[str, tuple[object, object]] = {}
    if new.actions != old.actions:
        diff["actions"] = (sorted(old.actions), sorted(new.actions))
    if new.description != old.description:
        diff["description"] = (old.description, new.description)
    log.append(tx, Event(events.ROLE_MODIFIED, name, {"name": name}, diff=diff), actor)
    return new


def delete(tx: Transaction, log: EventLog, actor: Actor, name: str) -> None:
    """Refused while somebody holds it."""
    require(actor, "role:write")
    old = _own(tx, name)
    held = grants.role_in_use(tx, name)
    if held:
        raise RoleInUse(
            f"{held} {'grants' if held > 1 else 'grant'} of {name} would be left without a role.",
            next_step=f"Withdraw or change them first: highroad access list --role {name}",
        )
    grants.remove_role(tx, name)
    diff = {"actions": (sorted(old.actions), None)}
    log.append(tx, Event(events.ROLE_DELETED, name, {"name": name}, diff=diff), actor)


def _own(tx: Transaction, name: str) -> Role:
    found = find(tx, name)
    if found.built_in:
        raise BadRole(f"{name} is built in and stays as it is.", next_step="Define a role of your own beside it.")
    return found


def _checked(role: Role) -> Role:
    unknown = sorted(role.actions - GRANTABLE)
    if unknown or not role.actions:
        what = f"These are no actions of a project: {', '.join(unknown)[:200]}." if unknown else "It has no action."
        raise BadRole(
            what,
            next_step="See the actions a role can consist of: highroad roles actions",
            errors=[FieldError("/actions", "actions of projects and environments")],
        )
    if len(role.description) > 500:
        raise BadRole("The description is longer than 500 characters.", next_step="Say it in a sentence.")
    # What cannot be seen cannot be worked with: without it, the holder would be told that nothing exists.
    return Role(role.name, role.description, role.actions | {"project:read"})


def _refuse_beyond(actor: Actor, actions: frozenset[str]) -> None:
    beyond = sorted(name for name in actions if not lasting(actor, name))
    if beyond:
        raise NotYoursToDefine(
            f"You cannot give what you do not have yourself: {', '.join(beyond[:5])}.", next_step="Ask an owner."
        )


def _holds_it(actor: Actor, name: str) -> bool:
    return actor.standing is not None and any(grant.role == name for grant in actor.standing.grants)
