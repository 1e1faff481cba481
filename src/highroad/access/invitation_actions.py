"""Inviting somebody: a link with a role and teams, open for a week, which becomes a user when it is accepted.

Until then nobody is there: no role counts, no team has a further member. Highroad sends no mail; who invites passes the
link on. A sign-in provider that answers for the address accepts as well as the link does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from highroad.access import invitations, store, teams
from highroad.access.actions import NewSession, require_password, start_session
from highroad.access.invitations import Invitation
from highroad.access.model import Actor, User
from highroad.access.permissions import NotSignedIn, require
from highroad.access.secrets import digest, hash_password, new_secret
from highroad.access.team_actions import find as find_team
from highroad.access.teams import MANUAL
from highroad.access.user_actions import UserExists, clean_address, establish, given_role
from highroad.db.engine import Database, Transaction
from highroad.errors import Conflict, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.clock import now

LIFE = timedelta(days=7)


class BadInvitation(NotSignedIn):
    code = "bad-invitation"
    title = "The invitation cannot be used"


class InvitedAlready(Conflict):
    code = "invited-already"
    title = "They are invited already"


class NoSuchInvitation(NotFound):
    code = "no-such-invitation"
    title = "There is no such invitation"


def invite(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    *,
    email: str,
    name: str = "",
    role: str = "member",
    into: Sequence[str] = (),
) -> tuple[Invitation, str]:
    """The invitation and the secret of its link. `into` are names of teams."""
    require(actor, "user:write")
    address = clean_address(email)
    wanted = given_role(actor, role)
    if into:
        require(actor, "team:write")
    names = list(dict.fromkeys(find_team(tx, each).name for each in into))
    if store.user_by_email(tx, address) is not None:
        raise UserExists(f"{address} is a user already.", next_step="highroad users list")
    secret = new_secret()
    try:
        with tx.connection.begin_nested():
            made = invitations.add(
                tx,
                email=address,
                name=name.strip()[:120],
                role=wanted,
                teams=names,
                digest=digest(secret),
                made_by=actor.name,
                maker_id=actor.id,
                expires_at=now() + LIFE,
            )
    except IntegrityError as error:
        raise InvitedAlready(
            f"{address} has an invitation.", next_step=f"For a new link: highroad users resend {address}"
        ) from error
    content = {"email": address, "role": wanted, "teams": names}
    log.append(tx, Event(events.INVITATION_CREATED, made.id, content), actor)
    return made, secret


def listed(tx: Transaction, actor: Actor) -> list[Invitation]:
    require(actor, "user:read")
    return invitations.everyone(tx)


def resend(tx: Transaction, log: EventLog, actor: Actor, id_or_email: str) -> tuple[Invitation, str]:
    """A new link for another week; the one before opens nothing any more. It is the actor's invitation from then on."""
    require(actor, "user:write")
    invitation = _find(tx, id_or_email)
    given_role(actor, invitation.role)  # whoever holds the link gets that role
    secret = new_secret()
    invitations.renew(
        tx, invitation.id, digest=digest(secret), expires_at=now() + LIFE, made_by=actor.name, maker_id=actor.id
    )
    log.append(tx, Event(events.INVITATION_RENEWED, invitation.id, {"email": invitation.email}), actor)
    return _find(tx, invitation.id), secret


def withdraw(tx: Transaction, log: EventLog, actor: Actor, id_or_email: str) -> Invitation:
    require(actor, "user:write")
    invitation = _find(tx, id_or_email)
    if not invitations.remove(tx, invitation.id):
        raise _gone(id_or_email)
    log.append(tx, Event(events.INVITATION_WITHDRAWN, invitation.id, {"email": invitation.email}), actor)
    return invitation


def _find(tx: Transaction, id_or_email: str) -> Invitation:
    found = invitations.find(tx, id_or_email) or invitations.by_address(tx, id_or_email.strip().lower())
    if found is None:
        raise _gone(id_or_email)
    return found


def _gone(id_or_email: str) -> NoSuchInvitation:
    return NoSuchInvitation(
        f"{id_or_email[:80]!r} has no open invitation: it was accepted, withdrawn, or never made.",
        next_step="highroad users invitations",
    )


# Accepting


def look(tx: Transaction, secret: str) -> Invitation:
    """The invitation that a link opens. Raises `BadInvitation`."""
    found = invitations.by_digest(tx, digest(secret))
    if found is None or found.expired:
        raise BadInvitation(
            "It was accepted or withdrawn, or a week has passed.", next_step="Ask whoever invited you for a new link."
        )
    return found


def accept(
    db: Database, log: EventLog, secret: str, *, name: str, password: str, address: str, agent: str = ""
) -> NewSession:
    """The new user, signed in. It opens its own transactions, because hashing takes too long to hold one open."""
    with db.read() as tx:
        look(tx, secret)  # else whoever likes could have passwords hashed
    require_password(password)
    hashed = hash_password(password)
    with db.begin() as tx:
        user = _become(tx, log, look(tx, secret), name)
        store.update_user(tx, user.id, password=hashed)
        return start_session(tx, log, user, address=address, agent=agent)


def accept_by_address(tx: Transaction, log: EventLog, email: str, *, name: str) -> User | None:
    """The new user, for a caller who has proof that the address is theirs; None when nobody invited it."""
    found = invitations.by_address(tx, email)
    return None if found is None or found.expired else _become(tx, log, found, name)


def invited_role(tx: Transaction, email: str) -> str | None:
    """The role that the address was invited to; None when nobody invited it."""
    found = invitations.by_address(tx, email)
    return None if found is None or found.expired else found.role


def _become(tx: Transaction, log: EventLog, invitation: Invitation, name: str) -> User:
    if not invitations.remove(tx, invitation.id):  # somebody was quicker
        raise BadInvitation("It was just accepted or withdrawn.", next_step="Sign in, or ask for a new link.")
    who = Actor("unknown", invitation.email, "user", "portal")
    user = establish(tx, log, who, email=invitation.email, name=name.strip() or invitation.name, role=invitation.role)
    who = Actor(user.id, user.email, "user", "portal", user.role)
    joined = []
    for each in invitation.teams:
        team = teams.team_by_name(tx, each)
        if team is not None:
            teams.add_member(tx, team.id, user.id, MANUAL)
            joined.append(team.name)
    content = {"email": user.email, "role": user.role, "teams": joined, "invited_by": invitation.made_by}
    log.append(tx, Event(events.INVITATION_ACCEPTED, invitation.id, content), who)
    return user
