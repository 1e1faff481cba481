"""How risky a deployment looks, as a figure from 0 to 100 with the reasons that make it up. Pure.

It is a sum of stated points and nothing more: what is often behind a failed deployment, weighed by hand. It is shown to
whoever approves, and policies may ask for it; it predicts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Level = Literal["low", "medium", "high"]
MEDIUM, HIGH = 30, 60
_MIGRATIONS = re.compile(r"(^|/)(migrations?|alembic|db/migrate|flyway|liquibase)(/|$)|\.sql$", re.IGNORECASE)
_DEPENDENCIES = re.compile(
    r"(^|/)(requirements[^/]*\.(txt|in)|pyproject\.toml|uv\.lock|poetry\.lock|Pipfile(\.lock)?|package(-lock)?\.json|"
    r"pnpm-lock\.yaml|yarn\.lock|go\.(mod|sum)|Gemfile(\.lock)?|Cargo\.(toml|lock)|pom\.xml|build\.gradle(\.kts)?|"
    r"Dockerfile)$"
)
_SETTINGS = re.compile(
    r"(^|/)(highroad\.ya?ml|score\.ya?ml|Procfile|compose\.ya?ml|docker-compose\.ya?ml|[^/]*\.(ini|toml|cfg|conf)|"
    r"\.env[^/]*|config/[^/]+)$"
)


@dataclass(frozen=True, slots=True)
class Change:
    """What is known of a deployment. `lines` are those added and removed; None stands for unknown: what ran before, or
    the commits in between, cannot be had. `failures` are failed deployments here within the last thirty days, of
    `recent` that ended."""

    files: Sequence[str] | None
    lines: int | None
    commits: int | None
    configuration: int = 0
    since_last: timedelta | None = None
    failures: int = 0
    recent: int = 0
    tests: Literal["passed", "failed", "none"] = "none"
    backward: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    points: int
    words: str


@dataclass(frozen=True, slots=True)
class Risk:
    score: int
    reasons: tuple[Reason, ...]

    @property
    def level(self) -> Level:
        return "high" if self.score >= HIGH else "medium" if self.score >= MEDIUM else "low"


def risk_of(change: Change) -> Risk:
    reasons = [*_size(change), *_touched(change), *_history(change)]
    if change.tests != "passed":
        words = "its tests failed" if change.tests == "failed" else "no tests were run"
        reasons.append(Reason(25 if change.tests == "failed" else 15, words))
    if change.backward:
        reasons.append(Reason(-10, "it goes back to a release that ran here"))
    reasons.sort(key=lambda each: -each.points)
    return Risk(max(0, min(100, sum(each.points for each in reasons))), tuple(reasons))


def _size(change: Change) -> list[Reason]:
    if change.lines is None or change.files is None:
        return [Reason(20, "how much it changes is not known")]
    if not change.files:
        return []
    size = f"{_count(change.lines, 'line')} in {_count(len(change.files), 'file')}"
    points = next((points for most, points in ((20, 0), (100, 5), (400, 12), (1500, 20)) if change.lines <= most), 30)
    points += 5 if len(change.files) > 30 else 0
    found = [Reason(points, f"it changes {size}")]
    if change.commits is not None and change.commits > 10:
        found.append(Reason(8, f"{change.commits} commits at once"))
    return found


def _touched(change: Change) -> list[Reason]:
    found = []
    for pattern, points, what in (
        (_MIGRATIONS, 20, "the database's schema"),
        (_DEPENDENCIES, 10, "dependencies"),
        (_SETTINGS, 8, "how it is run or configured"),
    ):
        names = [path for path in change.files or () if pattern.search(path)]
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            found.append(Reason(points, f"it touches {what}: {names[0][:100]}{more}"))
    if change.configuration:
        found.append(Reason(10, f"{_count(change.configuration, 'variable')} of the configuration changed"))
    return found


def _history(change: Change) -> list[Reason]:
    found = []
    if change.since_last is None:
        found.append(Reason(10, "nothing was deployed here before"))
    elif change.since_last > timedelta(days=30):
        found.append(Reason(10, f"the last deployment here is {change.since_last.days} days old"))
    elif change.since_last < timedelta(minutes=30):
        found.append(Reason(5, "the last deployment here is less than half an hour old"))
    if change.failures:
        points = 20 if change.failures * 3 >= change.recent else 10
        found.append(Reason(points, f"{change.failures} of the last {change.recent} deployments here failed"))
    return found


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
