"""Policies that a company writes: saved in versions, in force or not, and every version can be put back.

Nobody loosens a policy that binds them in particular, owners apart: an administrator whom a policy forbids something
asks an owner. Owners are never kept from mending policies (`permissions.NEVER_TAKEN_FROM_OWNERS`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cedarpy import PolicySet, is_authorized
from sqlalchemy.exc import IntegrityError

from highroad.access import grants
from highroad.access.grants import CompanyPolicy, PolicyVersion
from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed, require
from highroad.access.policy.checking import require_policy
from highroad.access.policy.engine import Company, company_statements
from highroad.access.policy.sight import what_they_see
from highroad.db.engine import Transaction
from highroad.errors import Conflict, FieldError, Invalid, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.names import require_label

MOST_POLICIES = 100
MOST_VERSIONS = 1000
LONGEST_NOTE = 500
RESERVED = frozenset({"schema", "check"})
"""Names that addresses of the API have for something else."""


class NoSuchPolicy(NotFound):
    code = "no-such-policy"


class NoSuchVersion(NotFound):
    code = "no-such-policy-version"


class TooManyPolicies(Conflict):
    code = "too-many-policies"


class PolicyExists(Conflict):
    code = "policy-exists"


class BadNote(Invalid):
    code = "bad-note"


class BindsYou(NotAllowed):
    """Somebody would free themselves of a policy that is made for them."""

    code = "policy-binds-you"


def find(tx: Transaction, actor: Actor, name: str) -> CompanyPolicy:
    require(actor, "policy:read")
    return _find(tx, name)


def visible(tx: Transaction, actor: Actor) -> list[CompanyPolicy]:
    require(actor, "policy:read")
    return grants.list_policies(tx)


def history(tx: Transaction, actor: Actor, name: str) -> list[PolicyVersion]:
    """Newest first."""
    return grants.policy_history(tx, find(tx, actor, name).id)


def apply(tx: Transaction, log: EventLog, actor: Actor, *, name: str, text: str, note: str = "") -> CompanyPolicy:
    """Save `text` as the newest version of the policy, and put it in force. Raises `BadPolicy` with lines."""
    require(actor, "policy:write")
    if name in RESERVED:
        raise Invalid(f"A policy cannot be called {name}.", next_step="Choose another name.")
    require_label(name, field="name")
    require_policy(text, field="text")
    if len(note) > LONGEST_NOTE:
        raise BadNote(
            f"The note is longer than {LONGEST_NOTE} characters.",
            next_step="Say in a sentence why.",
            errors=[FieldError("/note", f"at most {LONGEST_NOTE} characters")],
        )
    known = grants.policy(tx, name)
    if known is not None and known.in_force and known.text == text:
        return known
    _require_room(tx, known)
    old = _in_force(known)
    _refuse_loosening(actor, name, old, text)
    id = known.id if known else _new(tx, name)
    version = grants.add_policy_version(tx, id, text=text, note=note.strip(), author=actor.name)
    grants.put_in_force(tx, id, version)
    content = {"name": name, "version": version, "note": note.strip()}
    log.append(tx, Event(events.POLICY_APPLIED, id, content, diff={"text": (old, text)}), actor)
    return _find(tx, name)


def revert(tx: Transaction, log: EventLog, actor: Actor, *, name: str, version: int) -> CompanyPolicy:
    """Put a version in force that was saved before; also one of a policy that is switched off."""
    require(actor, "policy:write")
    known = _find(tx, name)
    wanted = next((each for each in grants.policy_history(tx, known.id) if each.version == version), None)
    if wanted is None:
        raise NoSuchVersion(
            f"The policy {name} has no version {version}.", next_step=f"highroad policies history {name}"
        )
    if known.in_force == version:
        return known
    require_policy(wanted.text, field="text")  # the schema may have grown stricter since
    old = _in_force(known)
    _refuse_loosening(actor, name, old, wanted.text)
    grants.put_in_force(tx, known.id, version)
    diff = {"text": (old, wanted.text), "version": (known.in_force or None, version)}
    log.append(tx, Event(events.POLICY_APPLIED, known.id, {"name": name, "version": version}, diff=diff), actor)
    return _find(tx, name)


def disable(tx: Transaction, log: EventLog, actor: Actor, *, name: str) -> CompanyPolicy:
    """It decides nothing from now on; its versions stay."""
    require(actor, "policy:write")
    known = _find(tx, name)
    if not known.in_force:
        return known
    _refuse_loosening(actor, name, known.text, "")
    grants.put_in_force(tx, known.id, 0)
    diff = {"text": (known.text, None), "version": (known.in_force, None)}
    log.append(tx, Event(events.POLICY_DISABLED, known.id, {"name": name}, diff=diff), actor)
    return _find(tx, name)


def delete(tx: Transaction, log: EventLog, actor: Actor, *, name: str) -> None:
    """The policy with its history; what it said last stays in the event."""
    require(actor, "policy:write")
    known = _find(tx, name)
    _refuse_loosening(actor, name, _in_force(known), "")
    grants.remove_policy(tx, known.id)
    event = Event(events.POLICY_DELETED, known.id, {"name": name}, diff={"text": (known.text, None)})
    log.append(tx, event, actor)


def with_candidate(tx: Transaction, name: str, text: str | None) -> tuple[Company, ...]:
    """The company's policies as they would be with `text` in the place of the policy `name`; None: without it."""
    others = [each for each in grants.company(tx) if each.name != name]
    if text is None:
        return tuple(others)
    known = grants.policy(tx, name)
    version = len(grants.policy_history(tx, known.id)) + 1 if known else 1
    return (*others, Company(name, version, text))


def _new(tx: Transaction, name: str) -> str:
    try:
        with tx.connection.begin_nested():
            return grants.add_policy(tx, name)
    except IntegrityError as error:
        raise PolicyExists(f"Somebody wrote {name} at this moment.", next_step="Look at it, then decide.") from error


def _find(tx: Transaction, name: str) -> CompanyPolicy:
    found = grants.policy(tx, name)
    if found is None:
        raise NoSuchPolicy(f"There is no policy {name[:63]!r}.", next_step="highroad policies list")
    return found


def _in_force(policy: CompanyPolicy | None) -> str | None:
    return policy.text if policy is not None and policy.in_force else None


def _require_room(tx: Transaction, known: CompanyPolicy | None) -> None:
    if known is None and len(grants.list_policies(tx)) >= MOST_POLICIES:
        raise TooManyPolicies(f"There are {MOST_POLICIES} policies already.", next_step="Delete one that is off.")
    if known is not None and len(grants.policy_history(tx, known.id)) >= MOST_VERSIONS:
        raise TooManyPolicies(
            f"{known.name} has {MOST_VERSIONS} versions already.", next_step="Go on under another name."
        )


# Who is bound


def _refuse_loosening(actor: Actor, name: str, old: str | None, new: str) -> None:
    """Raise `BindsYou` when a forbid that is aimed at some, the actor among them, would be gone or be another."""
    if old is None or actor.role == "owner" or actor.kind == "system":
        return
    kept = [_plain(each) for each in company_statements(Company(name, 1, new)).values()] if new else []
    for statement in company_statements(Company(name, 1, old)).values():
        if statement["effect"] == "forbid" and _plain(statement) not in kept and _binds(actor, statement):
            raise BindsYou(
                f"The policy {name} binds you in particular, so only an owner changes or ends it.",
                next_step="Ask an owner: highroad users list",
                extra={"action": "policy:write"},
            )


def aimed_at_some(tx: Transaction) -> str | None:
    """The name of a policy in force that forbids something to some and not to others; None when there is none."""
    for policy in grants.company(tx):
        for statement in company_statements(policy).values():
            if statement["effect"] == "forbid" and what_they_see([statement], frozenset()).principal:
                return policy.name
    return None


def _plain(statement: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in statement.items() if key != "annotations"}, sort_keys=True)


def _binds(actor: Actor, statement: Mapping[str, Any]) -> bool:
    """Whether a statement looks at who asks, and the actor is one whom its head means. What its conditions say of who
    asks is not worked out: it might mean the actor."""
    if not what_they_see([statement], frozenset()).principal:
        return False
    scope = statement["principal"]
    if scope["op"] == "All":
        return True
    if scope["op"] == "is" and "in" not in scope:
        return False  # all people, or all programs, alike
    head = {"effect": "permit", "principal": scope, "conditions": []}
    head |= {"action": {"op": "All"}, "resource": {"op": "All"}}
    policies = PolicySet.from_json_str(
        json.dumps({"staticPolicies": {"head": head}, "templates": {}, "templateLinks": []})
    )
    teams = actor.standing.teams if actor.standing else ()
    uid = {"type": "ServiceAccount" if actor.kind == "service" else "User", "id": actor.name}
    parents = [{"type": "Team", "id": team} for team in teams] + [{"type": "OrganizationRole", "id": actor.role}]
    somewhere = {"type": "Organization", "id": "organization"}
    request = {"principal": uid, "action": {"type": "Action", "id": "self:read"}, "resource": somewhere, "context": {}}
    return bool(is_authorized(request, policies, [{"uid": uid, "attrs": {}, "parents": parents}]).allowed)
