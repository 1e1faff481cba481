"""The audit log in the words of OCSF 1.8.0 (schema.ocsf.io), for security systems that read that. Pure.

Every type of ours becomes one of six classes: what people do to sign in is Authentication, what happens to a person's
account is Account Change, roles are User Access Management, teams are Group Management, what an installation is made of
is Entity Management, and all other deeds are API Activity. Called by the export and by the destinations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from highroad import __version__
from highroad.audit.facts import content_of, custom_of, diff_of, place_of
from highroad.events.model import Recorded
from highroad.web.words import short_type

VERSION = "1.8.0"
Document = dict[str, Any]

CLASSES = {
    3001: ("Account Change", 3, "Identity & Access Management"),
    3002: ("Authentication", 3, "Identity & Access Management"),
    3004: ("Entity Management", 3, "Identity & Access Management"),
    3005: ("User Access Management", 3, "Identity & Access Management"),
    3006: ("Group Management", 3, "Identity & Access Management"),
    6003: ("API Activity", 6, "Application Activity"),
}
"""Caption, category and the category's caption by the class's number."""

OTHER = 99
_ENTITY = {"created": 1, "added": 1, "read": 2, "revealed": 2, "modified": 3, "changed": 3, "updated": 3, "deleted": 4}
_ENTITY |= {"removed": 4, "revoked": 4, "enabled": 8, "disabled": 9, "activated": 10, "deactivated": 11, "paused": 12}
_ENTITY |= {"applied": 3}
_ENTITY |= {"resumed": 13, "rotated": 3, "withdrawn": 4, "locked": 9, "unlocked": 8, "reverted": 3, "tested": OTHER}
_DEED = {"created": 1, "added": 1, "queued": 1, "deployed": 1, "started": 1, "read": 2, "exported": 2, "searched": 2}
_DEED |= {"reviewed": 2}
_DEED |= {"modified": 3, "changed": 3, "upgraded": 3, "rolledback": 3, "merged": 3, "deleted": 4, "removed": 4}
_ACCOUNT = {"created": 1, "enabled": 2, "activated": 2, "disabled": 5, "deactivated": 5, "deleted": 6, "removed": 6}
_GROUP = {"created": 6, "deleted": 5, "joined": 3, "left": 4}
_GROUP |= {"memberadded": 3, "memberremoved": 4}
_SIGN_IN = {"signedin": 1, "refused": 1, "signedout": 2, "exchanged": 1, "exchangerefused": 1}
_ACCESS = {"created": 1, "granted": 1, "added": 1, "deleted": 2, "revoked": 2, "withdrawn": 2, "removed": 2}

_FAILURES = frozenset({"user.refused", "secondfactor.refused", "token.exchangerefused", "access.refused"})
_LOUD = frozenset({"gate.passed"})
_ACCOUNTS = frozenset({"user", "account", "serviceaccount"})
_SIGNS_IN = _ACCOUNTS | {"token"}
_TEAMS = frozenset({"team", "group", "memberships"})
_GRANTS = frozenset({"access"})
_ENTITIES = frozenset(
    {"environment", "project", "repository", "token", "secret", "secrets", "variables", "domain", "policy", "role"}
    | {
        "provider",
        "signinprovider",
        "identity",
        "deploymentwindow",
        "trust",
        "trustrule",
        "federation",
        "rule",
        "approvalrule",
        "freeze",
        "window",
        "lock",
        "key",
    }
    | {
        "sealing",
        "keyring",
        "datakey",
        "masterkey",
        "auditkey",
        "vault",
        "destination",
        "retention",
        "witness",
        "invitation",
        "session",
        "factor",
        "scim",
    }
)
"""What an installation is made of, by the noun in the event's type."""

CAPTIONS = {
    3001: {1: "Create", 2: "Enable", 3: "Password Change", 5: "Disable", 6: "Delete"}
    | {10: "MFA Factor Enable", 11: "MFA Factor Disable"},
    3002: {1: "Logon", 2: "Logoff"},
    3004: {1: "Create", 2: "Read", 3: "Update", 4: "Delete", 8: "Enable", 9: "Disable", 10: "Activate"}
    | {11: "Deactivate", 12: "Suspend", 13: "Resume"},
    3005: {1: "Assign Privileges", 2: "Revoke Privileges"},
    3006: {3: "Add User", 4: "Remove User", 5: "Delete", 6: "Create"},
    6003: {1: "Create", 2: "Read", 3: "Update", 4: "Delete"},
}


@dataclass(frozen=True, slots=True)
class _Class:
    uid: int
    activity: int
    add: Callable[[Recorded], Document]


def ocsf_event(recorded: Recorded) -> Document:
    """The event as one OCSF document, which its class's JSON Schema accepts."""
    found = _classify(recorded)
    caption, category, category_caption = CLASSES[found.uid]
    activity = CAPTIONS[found.uid].get(found.activity, "Other")
    failed = _failed(recorded)
    return {
        "class_uid": found.uid,
        "class_name": caption,
        "category_uid": category,
        "category_name": category_caption,
        "activity_id": found.activity,
        "activity_name": activity,
        "type_uid": found.uid * 100 + found.activity,
        "type_name": f"{caption}: {activity}",
        "time": int(recorded.time.timestamp() * 1000),
        **_severity(recorded, failed=failed),
        "status_id": 2 if failed else 1,
        "status": "Failure" if failed else "Success",
        "message": _message(recorded),
        "metadata": _metadata(recorded),
        "actor": _actor(recorded),
        "src_endpoint": _endpoint(recorded),
        "unmapped": {"highroad": _unmapped(recorded)},
        **found.add(recorded),
    }


def _classify(recorded: Recorded) -> _Class:
    noun, _, verb = short_type(recorded.type).partition(".")
    if noun in _SIGNS_IN and verb in _SIGN_IN:
        return _Class(3002, _SIGN_IN[verb], _signing_in)
    if noun == "secondfactor":
        factor = _Class(
            3001, {"enabled": 10, "disabled": 11}.get(verb, OTHER), lambda each: {"user": _subject_user(each)}
        )
        return _Class(3002, 1, _signing_in) if verb == "refused" else factor
    if noun in _ACCOUNTS:
        return _Class(3001, _account_activity(recorded, verb), lambda each: {"user": _subject_user(each)})
    if noun in _TEAMS:
        return _Class(3006, _group_activity(recorded, verb), _group)
    if noun in _GRANTS and verb in _ACCESS:
        return _Class(3005, _ACCESS.get(verb, OTHER), _privileges)
    if noun in _ENTITIES:
        return _Class(3004, _ENTITY.get(verb, OTHER), _entity)
    return _Class(6003, _DEED.get(verb, OTHER), _deed)


def _account_activity(recorded: Recorded, verb: str) -> int:
    if verb in _ACCOUNT:
        return _ACCOUNT[verb]
    changed = content_of(recorded).get("changed")
    if changed == ["password"]:
        return 3
    after = diff_of(recorded).get("active", (None, None))[1]
    return {True: 2, False: 5}.get(after, OTHER) if isinstance(after, bool) else OTHER


def _group_activity(recorded: Recorded, verb: str) -> int:
    before, after = diff_of(recorded).get("membership", (None, None))
    if (before is None) == (after is None):
        return _GROUP.get(verb, OTHER)
    return 3 if before is None else 4


# What each class adds


def _signing_in(recorded: Recorded) -> Document:
    return {"user": _subject_user(recorded), "service": {"name": "Highroad"}}


def _subject_user(recorded: Recorded) -> Document:
    """The user that it is about, as far as the event says."""
    content, user = content_of(recorded), {"uid": recorded.subject}
    named = content.get("email") or content.get("name")
    if not named and recorded.subject == recorded.actor_id:
        named = recorded.actor
    return {**user, "name": str(named)} if named else user


def _group(recorded: Recorded) -> Document:
    content = content_of(recorded)
    group = {"uid": recorded.subject, "name": str(content.get("name") or recorded.subject), "type": "team"}
    if not content.get("member"):
        return {"group": group}
    user = {"name": str(content["member"])}
    return {"group": group, "user": {**user, "uid": str(content["user"])} if content.get("user") else user}


def _privileges(recorded: Recorded) -> Document:
    """A grant: to whom, which role, in which mode of which project."""
    content = content_of(recorded)
    where = recorded.project or "every project"
    return {
        "user": {"name": str(content.get("holder") or recorded.subject), "type": str(content.get("kind") or "user")},
        "privileges": [str(content.get("role") or "unknown")],
        "resources": [{"uid": recorded.subject, "name": f"{where}, {content.get('mode') or 'all'}", "type": "grant"}],
    }


def _entity(recorded: Recorded) -> Document:
    content, noun = content_of(recorded), short_type(recorded.type).partition(".")[0]
    name = content.get("name") or content.get("host") or recorded.subject
    return {"entity": {"uid": recorded.subject, "name": str(name), "type": noun}}


def _deed(recorded: Recorded) -> Document:
    noun = short_type(recorded.type).partition(".")[0]
    operation = recorded.action or short_type(recorded.type)
    request = {"request": {"uid": recorded.request}} if recorded.request else {}
    return {
        "api": {"operation": operation, "service": {"name": "Highroad"}, **request},
        "resources": [{"uid": recorded.subject, "type": noun, "name": place_of(recorded) or recorded.subject}],
    }


# What all have


def _metadata(recorded: Recorded) -> Document:
    return {
        "version": VERSION,
        "uid": recorded.id,
        "sequence": recorded.seq,
        "event_code": recorded.type,
        "log_name": "audit",
        "product": {"name": "Highroad", "vendor_name": "Highroad", "version": __version__},
        **({"correlation_uid": recorded.request} if recorded.request else {}),
    }


def _actor(recorded: Recorded) -> Document:
    if recorded.actor_kind == "system":
        return {"app_name": recorded.actor}
    kind = 4 if recorded.actor_kind not in ("", None, "user") else 1
    user: Document = {"name": recorded.actor, "type_id": kind}
    if recorded.actor_id:
        user["uid"] = recorded.actor_id
    actor: Document = {"user": user}
    if recorded.token:
        actor["session"] = {"credential_uid": recorded.token}
    if recorded.decision or recorded.policy:
        granted: Document = {"decision": recorded.decision} if recorded.decision else {}
        if recorded.policy:
            granted["policy"] = {"uid": recorded.policy, "name": recorded.policy}
        actor["authorizations"] = [granted]
    return actor


def _endpoint(recorded: Recorded) -> Document:
    """Where it came from: an address when it is one, and always the way it came by (portal, cli, ...)."""
    try:
        address = ip_address(recorded.address or "")
    except ValueError:
        return {"name": recorded.address or recorded.origin, "svc_name": recorded.origin}
    if address.version == 6 and address.scope_id:
        return {"name": str(address), "svc_name": recorded.origin}
    return {"ip": str(address), "svc_name": recorded.origin}


def _unmapped(recorded: Recorded) -> Document:
    named = {name: getattr(recorded, name) for name in ("project", "service", "environment", "action")}
    kept: Document = {name: value for name, value in named.items() if value}
    changes = diff_of(recorded)
    return {"origin": recorded.origin, **kept, **({"changed": _changed(changes)} if changes else {})}


def _severity(recorded: Recorded, *, failed: bool) -> Document:
    if short_type(recorded.type) in _LOUD:
        return {"severity_id": 3, "severity": "Medium"}
    return {"severity_id": 2, "severity": "Low"} if failed else {"severity_id": 1, "severity": "Informational"}


def _changed(changes: dict[str, tuple[object, object]]) -> Document:
    return {name: {"before": before, "after": after} for name, (before, after) in changes.items()}


def _message(recorded: Recorded) -> str:
    where = place_of(recorded)
    return f"{recorded.actor}: {short_type(recorded.type)}{f' in {where}' if where else ''}"


def _failed(recorded: Recorded) -> bool:
    if recorded.decision == "refused":
        return True
    if short_type(recorded.type) in _FAILURES:
        return True
    ended = content_of(recorded).get("outcome") or custom_of(recorded).get("state")
    return ended in ("failure", "error", "failed")
