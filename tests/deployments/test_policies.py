"""What a company's policies are told of the release that is to be deployed."""

from __future__ import annotations

import pytest

from highroad.access import company_policies
from highroad.access.grants import policies_in_force
from highroad.access.model import SCOPES, SYSTEM, Actor
from highroad.access.permissions import NotAllowed
from highroad.access.policy.standing import Standing
from highroad.builds.junit import TestCase, TestRun
from highroad.deployments import actions
from highroad.pipelines import store as pipelines
from highroad.pipelines.model import Release
from tests.deployments.stage import Stage


def forbid(stage: Stage, condition: str) -> None:
    text = f'forbid(principal, action == Action::"deployment:write", resource) {condition};'
    with stage.platform.context.db.begin() as tx:
        company_policies.apply(tx, stage.platform.context.log, SYSTEM, name="guard", text=text)


def deploy(stage: Stage, release: Release | None) -> None:
    context = stage.platform.context
    with context.db.begin() as tx:
        standing = Standing(policies_in_force(tx))
        owner = Actor("usr_1", "ada@example.com", "user", "api", "owner", frozenset(SCOPES), standing=standing)
        about: dict[str, object] = {"kind": "deploy", "release": release, "counts": {}, "start": stage.start}
        place = (stage.service, stage.environment)
        actions.ask(tx, context.log, owner, *place, keeper=stage.platform.desk.keeper, **about)  # type: ignore[arg-type]


def record_tests(stage: Stage, release: Release, outcome: str) -> None:
    with stage.platform.context.db.begin() as tx:
        case = TestCase("suite", "case", 0.1, outcome, "")  # type: ignore[arg-type]  # one of its outcomes
        pipelines.set_tests(tx, release.run_id, TestRun((case,)))


def test_a_policy_on_branches_holds_also_when_no_release_is_named(stage: Stage) -> None:
    release = stage.release()
    forbid(stage, 'when { context has branch && context.branch == "main" }')
    for named in (release, None):
        with pytest.raises(NotAllowed, match="guard"):
            deploy(stage, named)


@pytest.mark.parametrize("outcome", ["failed", "error"])
def test_a_policy_refuses_a_release_whose_tests_were_red_and_takes_it_once_they_are_green(
    stage: Stage, outcome: str
) -> None:
    release = stage.release()
    forbid(stage, "unless { context has tests_passed && context.tests_passed }")
    with pytest.raises(NotAllowed, match="guard"):
        deploy(stage, release)
    record_tests(stage, release, outcome)
    with pytest.raises(NotAllowed, match="guard"):
        deploy(stage, None)
    record_tests(stage, release, "passed")
    deploy(stage, release)
