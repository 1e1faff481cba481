"""The Cedar schema, generated from our nouns: what a company's policies may ask about. They are checked against it.

Names are ids in policies (`Project::"shop"`, `Team::"payments"`, `Environment::"shop/production"`), because policies
are written and read by people.
"""

from __future__ import annotations

from functools import cache

from cedarpy import Schema

from highroad.access.policy.actions import ACTIONS

_NOUNS = """\
// Who acts. Teams are nested: a member of a team is in the teams above it. Role and Somewhere are held at the resource
// in question: Role::"manager" there (for a project: in all its modes), Somewhere::"manager" in one mode at least.
entity Team in [Team];
entity OrganizationRole;
entity Role;
entity Somewhere;
entity User in [Team, OrganizationRole, Role, Somewhere] = { email: String, organization_role: String };
entity ServiceAccount in [Team, OrganizationRole, Role, Somewhere] = { name: String, organization_role: String };
entity PolicyToken = { name: String };

// Where. `team` owns the project. `mode` is development, staging, production, preview or sandbox.
entity Organization;
entity Project in [Organization] = { name: String, team?: Team };
entity Environment in [Project] = { name: String, project: String, mode: String, team?: Team, service?: String };
entity Service in [Project] = { name: String, project: String, team?: Team };

// Under which circumstances. Times are in UTC; weekday is "mon" to "sun". What is known of a deployment comes with the
// actions on deployments: `has` asks whether it is known.
type Circumstances = {
  now: datetime, weekday: String, hour: Long, minute: Long,
  origin: String,
  kind?: String, branch?: String, tests_passed?: Bool, scans_passed?: Bool, risk?: Long, approvals?: Long,
  break_glass?: Bool
};
"""
_ENTITY = {
    "organization": "Organization",
    "project": "Project",
    "environment": "Environment",
    "service": "Service",
}
CIRCUMSTANCES = frozenset({"kind", "branch", "tests_passed", "scans_passed", "risk", "approvals", "break_glass"})
"""What a caller may say of a deployment."""


@cache
def schema_text() -> str:
    """The schema in Cedar's own notation."""
    lines = [_NOUNS]
    for name, action in ACTIONS.items():
        where = ", ".join(_ENTITY[kind] for kind in action.places)
        lines.append(f"// {action.meaning}")
        lines.append(
            f'action "{name}" appliesTo {{ principal: [User, ServiceAccount, PolicyToken], resource: [{where}], '
            "context: Circumstances };"
        )
    return "\n".join(lines) + "\n"


@cache
def schema() -> Schema:
    return Schema.from_str(schema_text())
