"""Which job fulfils which rule."""

from __future__ import annotations

from typing import Any

import pytest

from highroad.access.trust.model import Condition, TrustRule, binds, told, unmet
from highroad.kit.clock import now
from tests.access.trust.jobs import GITHUB_CLAIMS, GITLAB_CLAIMS


def rule(*conditions: str) -> TrustRule:
    listed = tuple(Condition(*each.split("=", 1)) for each in conditions)
    return TrustRule("t", "t", "i", "a", listed, "usr", "ci", ("read",), 15, True, True, now(), None)


@pytest.mark.parametrize(
    ("claims", "conditions"),
    [
        (GITHUB_CLAIMS, ["repository=octo-org/octo-repo", "ref=refs/heads/main", "environment=prod"]),
        (GITHUB_CLAIMS, ["sub=repo:octo-org/octo-repo:environment:prod"]),
        (GITHUB_CLAIMS, ["job_workflow_ref=octo-org/octo-automation/.github/workflows/*@refs/heads/main"]),
        (GITHUB_CLAIMS, ["repository_id=74", "repository_owner=octo-org"]),
        (GITLAB_CLAIMS, ["project_path=my-group/*", "ref_path=refs/heads/feature-*", "ref_protected=true"]),
        (GITLAB_CLAIMS, ["namespace_id=72", "runner_id=1", "groups_direct=mygroup/mysubgroup"]),
    ],
)
def test_a_rule_whose_conditions_all_hold_is_fulfilled(claims: dict[str, Any], conditions: list[str]) -> None:
    assert unmet(rule(*conditions), claims) == []


def test_every_condition_that_does_not_hold_is_named() -> None:
    wanted = rule("repository=octo-org/octo-repo", "ref=refs/heads/release", "environment=staging", "made_up=*")
    assert unmet(wanted, GITHUB_CLAIMS) == ["ref=refs/heads/release", "environment=staging", "made_up=*"]


@pytest.mark.parametrize("value", [None, {"a": 1}, [], [None], 1.5])
def test_a_claim_that_is_no_text_fulfils_nothing(value: object) -> None:
    assert unmet(rule("repository=**"), {"repository": value}) == ["repository=**"]


@pytest.mark.parametrize(
    "conditions",
    [
        ["repository=acme/shop"],
        ["repository=acme/*"],
        ["sub=repo:acme/*:ref:refs/heads/main"],
        ["sub=exactly-this"],
        ["project_path=acme/**"],
        ["repository_owner=acme"],
        ["ref=refs/heads/main", "namespace_id=7"],
    ],
)
def test_a_rule_that_says_whose_the_jobs_are_binds(conditions: list[str]) -> None:
    assert binds(rule(*conditions).conditions)


@pytest.mark.parametrize(
    "conditions",
    [
        ["ref=refs/heads/main"],
        ["repository=*"],
        ["repository=**"],
        ["repository=acme*"],
        ["repository=*/shop"],
        ["repository=/*"],
        ["sub=**"],
        ["sub=repo:*/shop"],
        ["sub=repo:/*"],
        ["repository_owner=acme*"],
        ["actor=ada", "environment=production"],
        [],
    ],
)
def test_a_rule_that_a_stranger_could_fulfil_does_not(conditions: list[str]) -> None:
    assert not binds(rule(*conditions).conditions)


def test_an_event_tells_who_the_job_was_and_nothing_else() -> None:
    shown = told(GITHUB_CLAIMS | {"ref": "x" * 900, "actor": "a\nb"}, rule("repository_visibility=private"))
    assert (shown["repository"], shown["repository_visibility"]) == ("octo-org/octo-repo", "private")
    assert len(shown["ref"]) == 200
    assert not {"jti", "actor", "sha"} & shown.keys()
