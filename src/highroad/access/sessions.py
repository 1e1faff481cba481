"""Sessions of the portal as their owner sees them: listed, ended, given a new secret when they become more worth."""

from __future__ import annotations

import re

from highroad.access import store
from highroad.access.federation import store as federation
from highroad.access.model import Actor, Session
from highroad.access.permissions import require
from highroad.access.secrets import digest, new_secret
from highroad.access.user_actions import NoSuchUser, refuse_raising
from highroad.db.engine import Transaction
from highroad.errors import NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event

_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    (r"iPhone|iPad", "iOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh|Mac OS", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


class NoSuchSession(NotFound):
    code = "no-such-session"


def device(agent: str) -> str:
    """A User-Agent header in three words: `Firefox on Linux`. It is what the client says, and no proof of anything."""
    browser = next((name for mark, name in _BROWSERS if f"{mark}/" in agent or f"{mark}iOS/" in agent), None)
    system = next((name for pattern, name in _SYSTEMS if re.search(pattern, agent)), None)
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or (agent.split("/")[0][:40].strip() or "an unknown device")


def list_sessions(tx: Transaction, actor: Actor) -> list[Session]:
    """The actor's own, the one used last first."""
    require(actor, "self:read")
    return store.list_sessions(tx, actor.id)


def revoke(tx: Transaction, log: EventLog, actor: Actor, name: str) -> None:
    require(actor, "self:write")
    found = next((each for each in store.list_sessions(tx, actor.id) if each.name == name), None)
    if found is None:
        raise NoSuchSession("You have no such session, or it has ended.", next_step="highroad sessions list")
    _end(tx, log, actor, actor.id, found)


def revoke_all(tx: Transaction, log: EventLog, actor: Actor, *, own: bool = False) -> int:
    """End the actor's sessions everywhere, with `own` also the one that asks. How many ended."""
    require(actor, "self:write")
    found = [each for each in store.list_sessions(tx, actor.id) if own or each.id != actor.session]
    for each in found:
        _end(tx, log, actor, actor.id, each)
    return len(found)


def revoke_all_of(tx: Transaction, log: EventLog, actor: Actor, user_id: str) -> int:
    """End all sessions of somebody else."""
    require(actor, "user:write")
    user = store.user(tx, user_id)
    if user is None or user.kind != "user":
        raise NoSuchUser("There is no such user.", next_step="highroad users list")
    refuse_raising(actor, user, {})
    found = store.list_sessions(tx, user_id)
    for each in found:
        _end(tx, log, actor, user_id, each)
    return len(found)


def renew(tx: Transaction, id: str) -> str:
    """A new secret for a session that goes on, when its owner has just proved who he is once more: whoever knew the old
    one, perhaps because he planted it, is left behind. The old one is worth nothing from now on."""
    secret = new_secret()
    store.copy_session(tx, id, digest(secret))
    federation.move_session(tx, id, digest(secret))
    store.end_session(tx, id)
    return secret


def _end(tx: Transaction, log: EventLog, actor: Actor, user_id: str, session: Session) -> None:
    store.end_session(tx, session.id)
    log.append(tx, Event(events.SESSION_REVOKED, session.name, {"user": {"id": user_id}}), actor)
