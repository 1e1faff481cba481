"""Every action somebody can take, and the one rule that decides. Roles replace `_rule`; nothing else decides.

Verbs call `require` before they write; lists are filtered by the same rule.
"""

from __future__ import annotations

from highroad.access.model import Actor
from highroad.errors import Forbidden, Unauthenticated

ACTIONS: dict[str, tuple[str, str]] = {
    # action: (scope that a token needs, meaning)
    "self:read": ("", "See who you are and your own tokens."),
    "self:write": ("write", "Change your own password, create and revoke your own tokens."),
    "user:read": ("read", "See the users."),
    "user:write": ("admin", "Invite, change and deactivate users."),
    "project:read": ("read", "See projects with their environments, services, runs, deployments and events."),
    "project:write": ("write", "Create and delete projects."),
    "environment:write": ("write", "Create, change and delete environments."),
    "service:write": ("write", "Create, change and delete services and their host names."),
    "variable:read": ("read", "See configuration values."),
    "variable:write": ("write", "Change configuration."),
    "repository:read": ("git", "Fetch from a repository."),
    "repository:write": ("git", "Push to a repository; starts a pipeline run."),
    "run:write": ("write", "Start and cancel pipeline runs."),
    "deployment:write": ("write", "Deploy, roll back, scale, restart, stop and cancel deployments."),
    "command:write": ("write", "Run a one-off command inside an environment."),
    "log:read": ("read", "Read the logs of apps."),
    "event:read": ("read", "Read and follow the event log."),
}

ADMIN_ONLY = frozenset({"user:write"})


class NotAllowed(Forbidden):
    code = "not-allowed"


class NotSignedIn(Unauthenticated):
    code = "not-signed-in"


def allowed(actor: Actor, action: str) -> bool:
    return _refusal(actor, action) is None


def require(actor: Actor, action: str) -> None:
    """Return when `actor` may do `action`; raise `NotAllowed` saying what is missing and who can give it."""
    refusal = _refusal(actor, action)
    if refusal is not None:
        detail, next_step = refusal
        raise NotAllowed(detail, next_step=next_step, extra={"action": action})


def _refusal(actor: Actor, action: str) -> tuple[str, str] | None:
    scope, meaning = ACTIONS[action]
    # First: no token of theirs can have the scope, so asking for one would send them round in a circle.
    if action in ADMIN_ONLY and not actor.admin:
        return (f"Only administrators may do this: {meaning}", "Ask an administrator of this installation.")
    if scope and scope not in actor.scopes:
        return (
            f"This token does not have the scope {scope!r}, which {action} needs ({meaning})",
            f"Create a token with it: highroad tokens create --scope {scope}",
        )
    return None
