"""The decision: one Cedar request. Policies are parsed once for each state of the database and shared by all requests.

A decision of Cedar takes 40 to 90 us, most of it for handing over the request. Decisions are therefore remembered by
what the policies in force can tell apart: with the built-in roles alone that is the action and the roles held, however
many projects, people and services there are. `Part.sees` says what a company's own policies look at beyond that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from cedarpy import Entities, PolicySet, is_authorized, policies_to_json_str

from highroad.access.places import Place
from highroad.access.policy.roles import BUILT_IN, Role, organization_statements, statements
from highroad.access.policy.schema import CIRCUMSTANCES
from highroad.access.policy.sight import ALL_OF_A_PLACE, Sees, Statement, what_they_see

Found = TypeVar("Found")

MOST_REMEMBERED = 50_000
ALL_CIRCUMSTANCES = CIRCUMSTANCES | {"origin"}
EVERYTHING = Sees(True, ALL_OF_A_PLACE, ALL_CIRCUMSTANCES, True, True)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
COMPANY = "company:"
"""How ids of a company's own statements begin: `company:NAME@VERSION#STATEMENT`."""


@dataclass(frozen=True, slots=True)
class Asking:
    """The principal of a decision. `roles` and `somewhere` are those at the place in question."""

    kind: str
    id: str
    name: str
    organization_role: str
    teams: tuple[str, ...]
    roles: frozenset[str]
    somewhere: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decision:
    """`policies` are the ids that decided: the permits, or the forbids; none when nothing permits it. `errors` are of
    policies that could not be evaluated: a permit then does not count, a forbid does."""

    allowed: bool
    policies: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def forbidden(self) -> bool:
        return not self.allowed and bool(self.policies)


@dataclass(frozen=True, slots=True)
class Company:
    """A policy that a company wrote: Cedar text of one or more statements, as saved in `version`."""

    name: str
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """The statements that can be about one action, ready to be asked, and what the company's among them look at."""

    parsed: PolicySet
    sees: Sees


@dataclass(slots=True)
class Policies:
    """A set of statements in force; `own` are the ids of those that a company or a policy token brought. Shared by
    threads: what is remembered is only ever added to or dropped as a whole, and found out twice at worst."""

    statements: Mapping[str, Statement]
    own: frozenset[str]
    _known: dict[tuple[object, ...], Decision] = field(default_factory=dict)
    _parts: dict[str, Part] = field(default_factory=dict)
    _around: dict[tuple[object, ...], Entities] = field(default_factory=dict)
    _lasting: Policies | None = None

    def about(self, action: str) -> Part:
        """What is to be asked about `action`: of all statements a tenth, and Cedar looks at each."""
        known = self._parts.get(action)
        if known is None:
            about = {id: each for id, each in self.statements.items() if _is_about(each, action)}
            sees = what_they_see([each for id, each in about.items() if id in self.own], ALL_CIRCUMSTANCES)
            parsed = _parsed({id: {**each, "action": {"op": "All"}} for id, each in about.items()})
            known = self._parts[action] = Part(parsed, sees)
        return known

    def decide(
        self,
        who: Asking,
        action: str,
        place: Place,
        circumstances: Mapping[str, object],
        at: datetime | None = None,
    ) -> Decision:
        """`circumstances` are those of `schema.Circumstances`, without what the clock says; `at` is now unless given,
        in UTC."""
        at = at or datetime.now(UTC)
        key = self._key(who, action, place, circumstances, at)
        known = self._known.get(key)
        if known is None:
            known = _remember(self._known, key, self.fresh(who, action, place, circumstances, at))
        return known

    def fresh(
        self,
        who: Asking,
        action: str,
        place: Place,
        circumstances: Mapping[str, object],
        at: datetime,
        *,
        whole: bool = False,
    ) -> Decision:
        """The decision at the instant `at`, asked of Cedar. It is told what the statements look at, for telling costs
        more than deciding; `whole` tells everything, and must come to the same."""
        part = self.about(action)
        sees = EVERYTHING if whole else part.sees
        resource, entities = self._entities(who, place, sees)
        request = {
            "principal": {"type": who.kind, "id": who.id},
            "action": {"type": "Action", "id": action},
            "resource": resource,
            "context": json.dumps(_context(circumstances, at, sees)),
        }
        found = is_authorized(request, part.parsed, entities)
        errors = tuple(found.diagnostics.errors)
        if found.allowed and (broken := self._broken(errors)):
            return Decision(False, broken, errors)
        return Decision(found.allowed, tuple(sorted(found.diagnostics.reasons)), errors)

    def forget(self) -> None:
        """Decide everything anew, as a control plane that has just started."""
        self._known.clear()

    def lasting(self) -> Policies:
        """These without the forbids that look at circumstances: what they say whatever a deployment is like."""
        if self._lasting is None:
            kept = {id: each for id, each in self.statements.items() if not _is_passing(each)}
            self._lasting = self if len(kept) == len(self.statements) else Policies(kept, self.own & kept.keys())
        return self._lasting

    def circumstances_of(self, ids: Iterable[str]) -> frozenset[str]:
        """Which circumstances these of its statements look at."""
        return what_they_see([self.statements[id] for id in ids], ALL_CIRCUMSTANCES).circumstances

    def _key(
        self, who: Asking, action: str, place: Place, circumstances: Mapping[str, object], at: datetime
    ) -> tuple[object, ...]:
        sees = self.about(action).sees
        return (
            action,
            place.kind,
            tuple([getattr(place, name) for name in sees.place]),
            who if sees.principal else (who.kind, who.organization_role, who.roles, who.somewhere),
            tuple([circumstances.get(name) for name in sees.circumstances]),
            int(at.timestamp() // (1 if sees.second else 60)) if sees.second or sees.minute else None,
        )

    def _entities(self, who: Asking, place: Place, sees: Sees) -> tuple[dict[str, str], Entities]:
        """The resource, and everything that it and the principal stand in. What many places share is parsed once."""
        resource, above, itself = _resource(place)
        if not sees.place:
            above, itself = [], None
        key = (who, place.project_name, place.team) if sees.place else (who,)
        around = self._around.get(key)
        if around is None:
            around = _remember(self._around, key, Entities.from_json_str(json.dumps([_principal(who), *above])))
        return resource, around.with_added_json_str(json.dumps([itself])) if itself else around

    def _broken(self, errors: tuple[str, ...]) -> tuple[str, ...]:
        """Forbids that could not be evaluated. Cedar leaves them out; but what may be forbidden is not allowed."""
        return tuple(
            id
            for id, statement in self.statements.items()
            if errors and statement["effect"] == "forbid" and any(f"`{id}`" in error for error in errors)
        )


def _is_passing(statement: Statement) -> bool:
    seen = what_they_see([statement], ALL_CIRCUMSTANCES)
    return statement["effect"] == "forbid" and bool(seen.circumstances or seen.minute or seen.second)


def _remember(known: dict[tuple[object, ...], Found], key: tuple[object, ...], found: Found) -> Found:
    if len(known) >= MOST_REMEMBERED:
        known.clear()
    known[key] = found
    return found


def _is_about(statement: Statement, action: str) -> bool:
    scope = statement["action"]
    if scope["op"] == "All":
        return True
    named = scope["entities"] if "entities" in scope else [scope["entity"]]
    return any(each["id"] == action for each in named)


def _principal(who: Asking) -> dict[str, Any]:
    if who.kind == "PolicyToken":
        return {"uid": {"type": who.kind, "id": who.id}, "attrs": {"name": who.name}, "parents": []}
    parents = [
        *(("Team", name) for name in who.teams),
        ("OrganizationRole", who.organization_role),
        *(("Role", name) for name in who.roles),
        *(("Somewhere", name) for name in who.somewhere),
    ]
    named = "email" if who.kind == "User" else "name"
    return {
        "uid": {"type": who.kind, "id": who.id},
        "attrs": {named: who.name, "organization_role": who.organization_role},
        "parents": [{"type": kind, "id": id} for kind, id in parents],
    }


def _resource(place: Place) -> tuple[dict[str, str], list[dict[str, Any]], dict[str, Any] | None]:
    """The resource, the entities above it, and itself if it is not among those."""
    organization = {"type": "Organization", "id": "organization"}
    if place.project is None:
        return organization, [_entity(organization)], None
    team = {"team": {"__entity": {"type": "Team", "id": place.team}}} if place.team else {}
    project = {"type": "Project", "id": place.project_name}
    above = [_entity(organization), _entity(project, organization, name=place.project_name, **team)]
    inside: dict[str, Any] = {"project": place.project_name, **team}
    if place.environment is not None:
        resource = {"type": "Environment", "id": f"{place.project_name}/{place.environment}"}
        if place.service is not None:
            inside["service"] = place.service
        return resource, above, _entity(resource, project, name=place.environment, mode=place.mode, **inside)
    if place.service is not None:
        resource = {"type": "Service", "id": f"{place.project_name}/{place.service}"}
        return resource, above, _entity(resource, project, name=place.service, **inside)
    return project, above, None


def _entity(uid: dict[str, str], *parents: dict[str, str], **attributes: object) -> dict[str, Any]:
    return {"uid": uid, "attrs": attributes, "parents": list(parents)}


def _context(circumstances: Mapping[str, object], at: datetime, sees: Sees) -> dict[str, object]:
    found = {name: value for name, value in circumstances.items() if name in sees.circumstances}
    if sees.minute or sees.second:
        found |= {"weekday": _WEEKDAYS[at.weekday()], "hour": at.hour, "minute": at.minute}
    if sees.second:
        found["now"] = {"__extn": {"fn": "datetime", "arg": at.strftime("%Y-%m-%dT%H:%M:%SZ")}}
    return found


# Putting policies together


def compile_policies(roles: Iterable[Role] = BUILT_IN, company: Iterable[Company] = ()) -> Policies:
    """The statements of all roles and of the company's policies, as one set. The texts were validated when saved."""
    own = {id: statement for policy in company for id, statement in company_statements(policy).items()}
    made: dict[str, Statement] = {**organization_statements(), **own}
    for role in roles:
        made |= statements(role)
    return _policies(made, own)


def compile_token(text: str, name: str, company: Iterable[Company] = ()) -> Policies:
    """What a policy token may do: its own statements and nothing else, within what the company's forbid."""
    own = company_statements(Company(name, 1, text), prefix="token:")
    forbids = {
        id: statement
        for policy in company
        for id, statement in company_statements(policy).items()
        if statement["effect"] == "forbid"
    }
    seeing_itself = {"everybody": organization_statements()["everybody"]}
    return _policies(own | forbids | seeing_itself, own | forbids)


@cache
def built_in() -> Policies:
    """What holds where a company has defined nothing, and what no policy takes from an owner."""
    return compile_policies()


def company_statements(policy: Company, prefix: str = COMPANY) -> dict[str, Statement]:
    """Cedar text as statements by id, numbered from 1 in the order of the text."""
    from_text = json.loads(policies_to_json_str(policy.text))["staticPolicies"]
    ordered = sorted(from_text, key=lambda id: int(id.removeprefix("policy")))
    return {
        f"{prefix}{policy.name}@{policy.version}#{number}": from_text[id] for number, id in enumerate(ordered, start=1)
    }


def _policies(made: Mapping[str, Statement], own: Mapping[str, Statement]) -> Policies:
    return Policies(made, frozenset(own))


def _parsed(made: Mapping[str, Statement]) -> PolicySet:
    return PolicySet.from_json_str(json.dumps({"staticPolicies": made, "templates": {}, "templateLinks": []}))
