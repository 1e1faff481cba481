"""Trust rules: which CI jobs get a token of which service account. Pure: what holds is decided here, and told why not.

A rule says from which issuer, for which audience and with which claims a job's identity token must come; all must hold.
There is no rule that every job in the world fulfils: each names a repository, a project, an owner or a subject, because
GitHub and GitLab sign the tokens of all their customers with the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from highroad.access.trust import patterns

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
LONGEST_MINUTES = 15
SCOPES = ("read", "write", "git")
MOST_CONDITIONS = 20
LONGEST_VALUE = 2000

# A claim that tells whose the job is, and whether a pattern for it may have wildcards behind the first part.
_BINDING: dict[str, bool] = {
    "sub": True,
    "repository": True,
    "project_path": True,
    "job_workflow_ref": True,
    "repository_id": False,
    "repository_owner": False,
    "repository_owner_id": False,
    "project_id": False,
    "namespace_path": True,
    "namespace_id": False,
}
TELLING = (
    "sub",
    "repository",
    "ref",
    "environment",
    "workflow_ref",
    "job_workflow_ref",
    "event_name",
    "actor",
    "run_id",
    "run_attempt",
    "project_path",
    "ref_path",
    "ref_protected",
    "pipeline_id",
    "pipeline_source",
    "job_id",
    "user_login",
)
"""Claims that stand in events, beside those that the rule asks about. None is a secret."""


@dataclass(frozen=True, slots=True)
class Condition:
    claim: str
    pattern: str

    def __str__(self) -> str:
        return f"{self.claim}={self.pattern}"


@dataclass(frozen=True, slots=True)
class TrustRule:
    """`account` is the id of a service account, `account_name` its name. A token lives `minutes` and not past the job's
    own; with `once` each of the job's tokens is exchanged a single time."""

    id: str
    name: str
    issuer: str
    audience: str
    conditions: tuple[Condition, ...]
    account: str
    account_name: str
    scopes: tuple[str, ...]
    minutes: int
    once: bool
    active: bool
    created_at: datetime
    last_used_at: datetime | None


def unmet(rule: TrustRule, claims: Mapping[str, Any]) -> list[str]:
    """The conditions that do not hold, as text; an empty list when all do."""
    return [str(each) for each in rule.conditions if not _holds(each, claims.get(each.claim))]


def _holds(condition: Condition, value: Any) -> bool:
    listed = value if isinstance(value, list) else [value]
    return any(patterns.matches(condition.pattern, text) for each in listed if (text := _text(each)) is not None)


def _text(value: Any) -> str | None:
    """A claim as patterns see it: GitHub and GitLab write numbers and truth as text, others as such."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) and len(value) <= LONGEST_VALUE else None


def binds(conditions: Sequence[Condition]) -> bool:
    """Whether some condition says whose the jobs are: literally, or by a pattern whose first part is literal."""
    return any(_binds(each) for each in conditions)


def _binds(condition: Condition) -> bool:
    wild_allowed = _BINDING.get(condition.claim)
    if wild_allowed is None:
        return False
    if patterns.is_literal(condition.pattern):
        return True
    start = patterns.literal_start(condition.pattern)
    first, slash, _ = start.partition("/")
    owner = first.rpartition(":")[2]  # of `repo:acme/`, and of `project_path:acme/`
    return wild_allowed and bool(slash) and bool(owner)


def told(claims: Mapping[str, Any], rule: TrustRule | None = None) -> dict[str, str]:
    """The claims for an event: who the job is, never the token."""
    names = [*TELLING, *(each.claim for each in (rule.conditions if rule else ()))]
    found = {name: str(claims[name])[:200] for name in dict.fromkeys(names) if name in claims}
    return {name: value for name, value in found.items() if value.isprintable()}
