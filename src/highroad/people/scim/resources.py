"""Users and teams as SCIM resources, and SCIM resources as what `access.directory_actions` is to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from highroad.access import directory, store, teams
from highroad.access.directory import SOURCE, Entry
from highroad.access.directory_actions import WantedTeam, WantedUser
from highroad.access.model import User
from highroad.access.teams import Team
from highroad.db.engine import Transaction
from highroad.kit.clock import rfc3339
from highroad.people.scim.failures import BadValue, NoSuchResource
from highroad.people.scim.schemas import GROUP, USER

ALWAYS = frozenset({"id", "schemas"})
"""What no request can leave out of an answer."""


def users(tx: Transaction, base: str, only: str | None = None) -> list[dict[str, Any]]:
    """All people whom the directory has not deleted, or the one with the id, in the order that they came."""
    entries = directory.entries(tx)
    found = [each for each in store.list_users(tx) if only is None or each.id == only]
    found = [each for each in found if each.id not in entries or not entries[each.id].deleted]
    everyone = {each.id: each for each in teams.list_teams(tx)}
    direct = teams.direct_teams(tx)
    made = [
        _user(each, entries.get(each.id) or Entry(each.email), everyone, direct.get(each.id, ()), base)
        for each in sorted(found, key=lambda each: (each.created_at, each.id))
    ]
    return [_with_version(each) for each in made]


def user(tx: Transaction, id: str, base: str) -> dict[str, Any]:
    found = users(tx, base, id)
    if not found:
        raise NoSuchResource(f"There is no user {id[:80]!r}.")
    return found[0]


def groups(tx: Transaction, base: str, only: str | None = None) -> list[dict[str, Any]]:
    known = directory.groups(tx)
    everyone = teams.list_teams(tx)
    made = []
    for each in everyone:
        if only is not None and each.id != only:
            continue
        people = [member for member in teams.members(tx, each.id) if SOURCE in member.sources]
        below = [child for child in everyone if child.parent == each.id and child.id in known]
        members = [
            *({"value": one.user, "type": "User"} for one in people),
            *({"value": one.id, "type": "Group"} for one in below),
        ]
        document: dict[str, Any] = {"schemas": [GROUP], "id": each.id, "displayName": each.title}
        if each.external_id:
            document["externalId"] = each.external_id
        if members:
            document["members"] = [
                {**one, "$ref": f"{base}/{'Users' if one['type'] == 'User' else 'Groups'}/{one['value']}"}
                for one in members
            ]
        document["meta"] = {
            "resourceType": "Group",
            "created": rfc3339(each.created_at),
            "lastModified": rfc3339(known.get(each.id) or each.created_at),
            "location": f"{base}/Groups/{each.id}",
        }
        made.append(_with_version(document))
    return sorted(made, key=lambda each: (each["meta"]["created"], each["id"]))


def everything(tx: Transaction, base: str) -> list[dict[str, Any]]:
    return users(tx, base) + groups(tx, base)


def group(tx: Transaction, id: str, base: str) -> dict[str, Any]:
    found = groups(tx, base, id)
    if not found:
        raise NoSuchResource(f"There is no group {id[:80]!r}.")
    return found[0]


def _user(user: User, entry: Entry, everyone: Mapping[str, Team], direct: Sequence[str], base: str) -> dict[str, Any]:
    document: dict[str, Any] = {"schemas": [USER], "id": user.id, "userName": entry.user_name}
    if entry.external_id:
        document["externalId"] = entry.external_id
    name = {"givenName": entry.given_name, "familyName": entry.family_name}
    if any(name.values()):
        document["name"] = {key: value for key, value in name.items() if value}
    if user.name != user.email:
        document["displayName"] = user.name
    email = {"value": user.email, "type": entry.email_type, "primary": entry.email_primary}
    document["emails"] = [{key: value for key, value in email.items() if value is not None}]
    document["active"] = user.active
    inside = _upward(everyone, direct)
    if inside:
        document["groups"] = [
            {
                "value": id,
                "$ref": f"{base}/Groups/{id}",
                "display": everyone[id].title,
                "type": "direct" if id in direct else "indirect",
            }
            for id in inside
        ]
    document["meta"] = {
        "resourceType": "User",
        "created": rfc3339(user.created_at),
        "lastModified": rfc3339(entry.modified_at or user.created_at),
        "location": f"{base}/Users/{user.id}",
    }
    return document


def _upward(everyone: Mapping[str, Team], ids: Iterable[str]) -> list[str]:
    found: list[str] = []
    for id in ids:
        at: str | None = id
        while at is not None and at not in found and at in everyone:
            found.append(at)
            at = everyone[at].parent
    return found


def _with_version(document: dict[str, Any]) -> dict[str, Any]:
    content = {key: value for key, value in document.items() if key != "meta"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
    document["meta"]["version"] = f'W/"{digest}"'
    return document


# What a client wants


def wanted_user(resource: Mapping[str, Any], present: Mapping[str, Any] | None = None) -> WantedUser:
    """`present` is the user as it was. Raises `BadValue` for a user without a name or an address."""
    user_name = str(resource.get("userName") or "").strip()
    if not user_name:
        raise BadValue("userName must be given.")
    email = _email(resource.get("emails") or [], user_name, present["emails"][0] if present else None)
    name = resource.get("name") or {}
    given, family = str(name.get("givenName") or "").strip(), str(name.get("familyName") or "").strip()
    return WantedUser(
        user_name,
        str(email["value"]),
        str(resource.get("displayName") or "").strip(),
        given,
        family,
        resource.get("externalId"),
        resource.get("active") is not False,
        email.get("type"),
        email.get("primary"),
    )


def named(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A whole new resource with a display name, made of the parts of the name where none was sent."""
    name = wanted.get("name") or {}
    parts = [str(name.get(part) or "").strip() for part in ("givenName", "familyName")]
    made = " ".join(part for part in parts if part)
    return {**wanted, "displayName": wanted.get("displayName") or made or None}


def _email(emails: Sequence[Mapping[str, Any]], user_name: str, present: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The one that counts of those for work, or of all: the primary one, else the one that was named last; one that the
    client put beside the present one rather than that."""
    work = [each for each in emails if str(each.get("type") or "work").lower() == "work"] or list(emails)
    fresh = [each for each in work if each != present] or work
    chosen = next((each for each in reversed(fresh) if each.get("primary")), fresh[-1] if fresh else None)
    if chosen is not None and chosen.get("value"):
        return chosen
    if "@" not in user_name:
        raise BadValue("An email address must be given: in emails, or as userName.")
    return {"value": user_name, "type": "work", "primary": True}


def wanted_team(resource: Mapping[str, Any], known_teams: Iterable[str]) -> WantedTeam:
    title = str(resource.get("displayName") or "").strip()
    if not title or len(title) > 120:
        raise BadValue("displayName is a text of 1 to 120 characters.")
    members = dict.fromkeys(
        str(each.get("value") or str(each.get("$ref") or "").rpartition("/")[2])
        for each in resource.get("members") or []
    )
    below = set(known_teams) & members.keys()
    return WantedTeam(
        title,
        tuple(each for each in members if each not in below),
        tuple(each for each in members if each in below),
        resource.get("externalId"),
    )


# What an answer shows


def shown(document: Mapping[str, Any], attributes: Sequence[str], excluded: Sequence[str]) -> dict[str, Any]:
    """The resource with only the attributes that were asked for, or without those that were not wanted."""
    if attributes:
        wanted = [_plain(each) for each in attributes]
        return {key: kept for key, value in document.items() if (kept := _kept(key, value, wanted)) is not None}
    unwanted = [_plain(each) for each in excluded]
    return {key: kept for key, value in document.items() if (kept := _without(key, value, unwanted)) is not None}


def _plain(name: str) -> str:
    """`urn:…:User:name.givenName` as `name.givenname`."""
    return name.strip().rpartition(":")[2].lower()


def _kept(key: str, value: Any, wanted: Sequence[str]) -> Any:
    low = key.lower()
    if low in ALWAYS or low in wanted:
        return value
    parts = {each.partition(".")[2] for each in wanted if each.startswith(f"{low}.")}
    if not parts:
        return None
    return _map(value, lambda name: name.lower() in parts)


def _without(key: str, value: Any, unwanted: Sequence[str]) -> Any:
    low = key.lower()
    if low in ALWAYS:
        return value
    if low in unwanted:
        return None
    parts = {each.partition(".")[2] for each in unwanted if each.startswith(f"{low}.")}
    return _map(value, lambda name: name.lower() not in parts) if parts else value


def _map(value: Any, keep: Any) -> Any:
    if isinstance(value, list):
        return [_map(each, keep) for each in value]
    if isinstance(value, Mapping):
        return {name: part for name, part in value.items() if keep(name)}
    return value
