"""What tests of coming in share: a token made, an actor of its secret, the types of the events so far."""

from __future__ import annotations

from highroad.access import actions, token_actions
from highroad.access.model import Actor, User
from highroad.db.engine import Database
from highroad.events import store as events
from highroad.events.log import EventLog

PASSWORD = "correct horse battery"


def came_in(db: Database, secret: str) -> Actor:
    with db.read() as tx:
        return actions.authenticate(tx, secret, origin="cli", address="127.0.0.1")


def types(db: Database) -> list[str]:
    with db.read() as tx:
        return [each.type.split(".", 2)[2] for each in events.read(tx, limit=500)]


def issue(db: Database, log: EventLog, user: User, *scopes: str, days: int | None = 90) -> tuple[str, str]:
    """A new token: its id and its secret."""
    with db.begin() as tx:
        token, secret = token_actions.issue_token(
            tx, log, user, name="laptop", scopes=scopes or ("read", "write"), days=days, origin="cli"
        )
    return token.id, secret
