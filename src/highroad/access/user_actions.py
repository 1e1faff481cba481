"""What administrators do with users: create them, change them, lock them out. Nobody raises himself, gives more than he
has, or changes somebody above him; the last owner stays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from sqlalchemy.exc import IntegrityError

from highroad.access import invitations, store
from highroad.access.model import Actor, User
from highroad.access.permissions import NotAllowed, require
from highroad.access.policy.roles import ORGANIZATION_ROLES, OrganizationRole
from highroad.db.engine import Transaction
from highroad.errors import Conflict, FieldError, Invalid, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.ids import new_id

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
_RANK: dict[str, int] = {"member": 0, "auditor": 1, "admin": 2, "owner": 3}


class UserExists(Conflict):
    code = "user-exists"


class LastOwner(Conflict):
    code = "last-owner"


class NotYours(NotAllowed):
    """What `user:write` alone does not give: it would let people raise themselves."""

    code = "not-yours-to-change"


class NoSuchUser(NotFound):
    code = "no-such-user"


def find(tx: Transaction, id_or_email: str) -> User:
    """A person, also one who is deactivated."""
    user = store.user(tx, id_or_email)
    if user is None:
        named = store.user_by_email(tx, id_or_email.strip().lower())
        user = named[0] if named else None
    if user is None or user.kind != "user":
        raise NoSuchUser("There is no such user.", next_step="highroad users list")
    return user


def create_user(tx: Transaction, log: EventLog, actor: Actor, *, email: str, name: str, role: str = "member") -> User:
    require(actor, "user:write")
    return establish(tx, log, actor, email=email, name=name, role=given_role(actor, role))


def establish(
    tx: Transaction, log: EventLog, actor: Actor, *, email: str, name: str, role: OrganizationRole = "member"
) -> User:
    """As `create_user`, for a caller that has asked for the permission itself."""
    email = clean_address(email)
    called = (name.strip() or email)[:120]
    try:
        with tx.connection.begin_nested():
            user = store.add_user(tx, id=new_id("usr"), email=email, name=called, role=role)
    except IntegrityError as error:
        raise UserExists(f"{email} is a user already.", next_step="highroad users list") from error
    log.append(tx, Event(events.USER_CREATED, user.id, {"email": email, "role": role}), actor)
    invited = invitations.by_address(tx, email)
    if invited is not None and invitations.remove(tx, invited.id):  # nobody can accept it any more
        log.append(tx, Event(events.INVITATION_WITHDRAWN, invited.id, {"email": email}), actor)
    return user


def clean_address(email: str) -> str:
    """An email address as it is kept, in small letters. Raises `Invalid` for what is none."""
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email) or not email.isprintable():
        raise Invalid(
            f"{email[:80]!r} is not an email address.",
            next_step="Pass one like ada@example.com.",
            errors=[FieldError("/email", "is not an email address")],
        )
    return email


def given_role(actor: Actor, role: str) -> OrganizationRole:
    """`role` as one that `actor` can give: nobody gives more than he has."""
    if role not in ORGANIZATION_ROLES:
        raise Invalid(
            f"There is no organization role {role[:40]!r}.",
            next_step=f"Choose one of {', '.join(ORGANIZATION_ROLES)}.",
            errors=[FieldError("/role", f"one of {', '.join(ORGANIZATION_ROLES)}")],
        )
    if _RANK[role] > _RANK[actor.role]:
        raise NotYours(
            f"You are {actor.role} of the organization and cannot make somebody {role}.",
            next_step="Ask an owner: highroad users list",
        )
    return cast(OrganizationRole, role)


def change_user(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    id: str,
    *,
    name: str | None = None,
    role: str | None = None,
    active: bool | None = None,
    email: str | None = None,
) -> User:
    """Change what is not None. Deactivation ends the user's sessions, tokens, links and open invitations in the same
    transaction."""
    require(actor, "user:write")
    owners = store.active_owners(tx)
    user = store.user(tx, id)
    if user is None or user.kind != "user":
        raise NoSuchUser("There is no such user.", next_step="highroad users list")
    values = _differing(user, name=name, role=role, active=active, email=clean_address(email) if email else None)
    if not values:
        return user
    refuse_raising(actor, user, values)
    _keep_an_owner(owners, user, values)
    return apply(tx, log, actor, user, values)


def _differing(user: User, **wanted: object) -> dict[str, object]:
    return {key: value for key, value in wanted.items() if value is not None and getattr(user, key) != value}


def refuse_raising(actor: Actor, user: User, values: Mapping[str, object]) -> None:
    """Raise `NotYours` when `actor` is below `user`, or would give a role that is not his to give."""
    if "role" in values:
        given_role(actor, str(values["role"]))
        if actor.id == user.id:
            raise NotYours("Nobody changes their own role.", next_step="Ask another owner or administrator.")
    if "email" in values and actor.id == user.id and actor.role != "owner":  # policies name people by it
        raise NotYours("Nobody but an owner changes their own address.", next_step="Ask another administrator.")
    if _RANK[user.role] > _RANK[actor.role]:
        raise NotYours(
            f"{user.email} is {user.role} of the organization, and you are {actor.role}.",
            next_step="Ask an owner: highroad users list",
        )


def _keep_an_owner(owners: list[str], user: User, values: Mapping[str, object]) -> None:
    if owners == [user.id] and ("role" in values or values.get("active") is False):
        raise LastOwner("This is the last active owner.", next_step="Make somebody else an owner first.")


def lock_out(tx: Transaction, log: EventLog, actor: Actor, user: User) -> User:
    """Deactivate somebody, whoever he is, apart from the last owner: for a caller that has asked for the permission
    itself. A directory says who has left the company, owners too, and what it takes away raises nobody."""
    owners = store.active_owners(tx)
    present = store.user(tx, user.id)
    if present is None or not present.active:
        return present or user
    values: dict[str, object] = {"active": False}
    _keep_an_owner(owners, present, values)
    return apply(tx, log, actor, present, values)


def apply(tx: Transaction, log: EventLog, actor: Actor, user: User, values: Mapping[str, object]) -> User:
    """Write `values`, which were checked, with all that follows from them and the event."""
    try:
        with tx.connection.begin_nested():
            store.update_user(tx, user.id, **values)
    except IntegrityError as error:
        raise UserExists(f"{values.get('email')} is a user already.", next_step="highroad users list") from error
    diff = {key: (getattr(user, key), value) for key, value in values.items()}
    if "active" in values:  # what came in during the deactivation does not live again with the account either
        _end_everything(tx, user)
    changed = store.user(tx, user.id)
    assert changed is not None, "it was there a moment ago, in the same transaction"
    log.append(tx, Event(events.USER_MODIFIED, user.id, {"changed": sorted(values)}, diff=diff), actor)
    if "role" in values or not changed.active:
        _withdraw_invitations(tx, log, actor, changed)
    return changed


def _end_everything(tx: Transaction, user: User) -> None:
    store.end_sessions_of(tx, user.id)
    store.revoke_tokens_of(tx, user.id)
    store.drop_links(tx, user.id)


def _withdraw_invitations(tx: Transaction, log: EventLog, actor: Actor, user: User) -> None:
    """Those that the user made and could not make now: else a way in that he kept the link of would stay open."""
    for each in invitations.made_by(tx, user.id):
        if not user.active or not user.admin or _RANK[each.role] > _RANK[user.role]:
            invitations.remove(tx, each.id)
            log.append(tx, Event(events.INVITATION_WITHDRAWN, each.id, {"email": each.email}), actor)
