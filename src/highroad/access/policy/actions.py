"""Every action somebody can take: which scope a token needs for it, where it happens, and what it is called to people.

Roles, the Cedar schema, the reference documentation and every permission check are made from this table.
"""

from __future__ import annotations

from typing import NamedTuple

from highroad.access.places import PlaceKind

_ORGANIZATION: tuple[PlaceKind, ...] = ("organization",)
_PROJECT: tuple[PlaceKind, ...] = ("organization", "project", "service")
_ANYWHERE: tuple[PlaceKind, ...] = ("organization", "project", "service", "environment")


class Action(NamedTuple):
    """`scope` is what a token needs, empty: nothing. `places` are the kinds of place where it can be asked.

    `somewhere`: in a project or service, a role in any one environment mode is enough; otherwise it has to be held in
    all modes, because what is changed there reaches every environment.
    """

    scope: str
    meaning: str
    places: tuple[PlaceKind, ...]
    somewhere: bool = False


ACTIONS: dict[str, Action] = {
    "self:read": Action("", "See who you are and your own tokens.", _ORGANIZATION),
    "self:write": Action("write", "Change your own password, create and revoke your own tokens.", _ORGANIZATION),
    "user:read": Action("read", "See the users.", _ORGANIZATION),
    "user:write": Action("admin", "Invite, change and deactivate users.", _ORGANIZATION),
    "team:read": Action("read", "See teams and their members.", _ORGANIZATION),
    "team:write": Action("admin", "Create, change and delete teams.", _ORGANIZATION),
    "access:read": Action("read", "See who has which role where.", _PROJECT, somewhere=True),
    "access:write": Action("write", "Grant and withdraw roles.", _PROJECT),
    "role:write": Action("admin", "Define custom roles.", _ORGANIZATION),
    "policy:read": Action("read", "See the policies in force.", _ORGANIZATION),
    "policy:write": Action("admin", "Write, change and take back policies.", _ORGANIZATION),
    "account:write": Action("admin", "Create service accounts and policy tokens, and end them.", _ORGANIZATION),
    "federation:read": Action("read", "See sign-in providers and trust rules.", _ORGANIZATION),
    "federation:write": Action("admin", "Change sign-in providers and trust rules.", _ORGANIZATION),
    "directory:write": Action("admin", "Provision users and teams from a directory, by SCIM.", _ORGANIZATION),
    "audit:read": Action("read", "Search, export and verify the audit log.", _ORGANIZATION),
    "audit:write": Action("admin", "Change what is kept of the audit log, and where it is sent.", _ORGANIZATION),
    "sealing:write": Action("admin", "Rotate the keys that secrets are encrypted with.", _ORGANIZATION),
    "vault:read": Action("read", "See the external secret stores.", _ORGANIZATION),
    "vault:write": Action("admin", "Connect and disconnect external secret stores.", _ORGANIZATION),
    "project:create": Action("write", "Create projects; whoever does becomes their manager.", _ORGANIZATION),
    "project:read": Action(
        "read", "See a project with its environments, services, runs and deployments.", _ANYWHERE, somewhere=True
    ),
    "project:write": Action("write", "Change and delete a project.", _PROJECT),
    "environment:write": Action("write", "Create, change and delete environments.", _ANYWHERE),
    "service:write": Action("write", "Create, change and delete services and their host names.", _ANYWHERE),
    "variable:read": Action("read", "See configuration values.", _ANYWHERE),
    "variable:write": Action("write", "Change configuration.", _ANYWHERE),
    "secret:read": Action("write", "Reveal the value of a secret.", _ANYWHERE),
    "secret:write": Action("write", "Set, change and remove secrets.", _ANYWHERE),
    "repository:read": Action("git", "Fetch from a repository.", _PROJECT, somewhere=True),
    "repository:write": Action("git", "Push to a repository; starts a pipeline run.", _PROJECT, somewhere=True),
    "run:write": Action("write", "Start and cancel pipeline runs.", _PROJECT, somewhere=True),
    "deployment:write": Action(
        "write", "Deploy, roll back, scale, restart, stop and cancel deployments.", ("organization", "environment")
    ),
    "deployment:approve": Action(
        "write", "Approve and refuse deployments that wait for approval.", ("organization", "environment")
    ),
    "gate:pass": Action("write", "Pass a closed gate in an emergency, with a reason.", ("organization", "environment")),
    "gate:write": Action("write", "Change approval rules, freezes and deployment windows.", _ANYWHERE),
    "lock:write": Action("write", "Lock and unlock an environment.", ("organization", "environment")),
    "command:write": Action("write", "Run a one-off command inside an environment.", ("organization", "environment")),
    "log:read": Action("read", "Read the logs of apps.", ("organization", "environment")),
    "event:read": Action("read", "Read and follow the events of what one may see.", _PROJECT, somewhere=True),
}

VERBS: dict[str, str] = {
    "deploy": "deployment:write",
    "rollback": "deployment:write",
    "restart": "deployment:write",
    "scale": "deployment:write",
    "approve": "deployment:approve",
    "break-glass": "gate:pass",
    "lock": "lock:write",
    "freeze": "gate:write",
    "push": "repository:write",
    "pull": "repository:read",
    "see": "project:read",
    "logs": "log:read",
    "run": "command:write",
    "configure": "variable:write",
    "reveal": "secret:read",
    "grant": "access:write",
}
"""What people call an action in `highroad can-i VERB`; the action's own name works as well."""
