"""What an approver sees: commits and patch of real repositories, tests, history; and a push that ends at a gate."""

from __future__ import annotations

import asyncio

import pytest

from highroad.access.model import SYSTEM
from highroad.deployments.evidence import Evidence, evidence_of, facts_of
from highroad.deployments.follow import Follower, lines_of
from highroad.deployments.model import Deployment
from highroad.gates import actions as gate_actions
from highroad.gates import store as gates
from tests.deployments.stage import Stage
from tests.pipelines.yard import PROCFILE, Yard, git


@pytest.fixture
def guarded(yard: Yard) -> Yard:
    """A first release serves; from now on an owner has to approve."""
    yard.push(PROCFILE)
    yard.work()
    stage, context = yard.stage, yard.stage.platform.context
    with context.db.begin() as tx:
        where = gate_actions.of_environment(stage.environment)
        gate_actions.add_approval_rule(tx, context.log, SYSTEM, where, rule="1 of owner")
    return yard


def waiting(stage: Stage) -> Deployment:
    [found] = stage.deployments("waiting")
    return found


def evidence(stage: Stage) -> Evidence:
    keeper = stage.platform.desk.keeper
    with stage.platform.context.db.read() as tx:
        wait = gates.wait_of(tx, waiting(stage).id)
        assert wait is not None
        facts = facts_of(tx, keeper, wait)
    return evidence_of(keeper, facts)


def test_a_push_ends_at_a_closed_gate_and_says_how_to_open_it(guarded: Yard) -> None:
    run = guarded.push({**PROCFILE, "a.txt": "1"})
    guarded.work()
    follower = Follower(guarded.stage.platform.context.db, guarded.stage.platform.journal)

    async def told() -> list[str]:
        return [text async for text in lines_of(lambda cursor: follower.run(run.id, cursor, SYSTEM), follower.journal)]

    lines = asyncio.run(asyncio.wait_for(told(), 10))
    assert lines[-2:] == [
        "-----> Waiting for 1 approval of owner",
        f"       Approve: highroad approve {waiting(guarded.stage).id}",
    ]
    assert guarded.run(run).state == "succeeded"


def test_the_commits_and_the_patch_since_what_runs_are_shown(guarded: Yard) -> None:
    guarded.push({**PROCFILE, "a.txt": "one\n"}, message="First")
    guarded.push({**PROCFILE, "schema.sql": "create\n"}, message="Second")
    guarded.work()
    found = evidence(guarded.stage)
    assert (found.direction, found.more) == ("forward", False)
    assert [each.subject for each in found.commits] == ["Second", "First"]
    assert found.comparison is not None
    assert [(each.path, each.added, each.removed) for each in found.comparison.files] == [
        ("a.txt", 1, 0),
        ("schema.sql", 1, 0),
    ]
    assert "+create" in found.comparison.patch
    assert any("the database's schema: schema.sql" in each.words for each in found.risk.reasons)


def test_every_author_of_what_is_new_is_known_co_authors_too(guarded: Yard) -> None:
    message = "Pair\n\nCo-authored-by: Eve <Eve@Example.com>"
    guarded.push({**PROCFILE, "a.txt": "one\n"}, message=message)
    git(guarded.clone, "commit", "--quiet", "--allow-empty", "--message", "x", "--author", "Zoe <zoe@example.com>")
    guarded.push({**PROCFILE, "b.txt": "two\n"})
    guarded.work()
    with guarded.stage.platform.context.db.read() as tx:
        wait = gates.wait_of(tx, waiting(guarded.stage).id)
    assert wait is not None
    assert {"ann@example.com", "eve@example.com", "zoe@example.com"} <= wait.authors


def test_going_back_shows_what_is_taken_back(guarded: Yard) -> None:
    stage, context = guarded.stage, guarded.stage.platform.context
    with context.db.begin() as tx:
        [rule] = gates.list_gates(tx, "approvals")
        gates.remove_gate(tx, rule.id)
    guarded.push({**PROCFILE, "a.txt": "one\n"}, message="Second")
    guarded.work()
    with context.db.begin() as tx:
        where = gate_actions.of_environment(stage.environment)
        gate_actions.add_approval_rule(tx, context.log, SYSTEM, where, rule="1 of owner")
    stage.ask("rollback")
    found = evidence(stage)
    assert found.direction == "back"
    assert [each.subject for each in found.commits] == ["Second"]
    assert any("goes back" in each.words for each in found.risk.reasons)


def test_the_same_commit_is_no_change(guarded: Yard) -> None:
    guarded.stage.ask("restart")
    found = evidence(guarded.stage)
    assert (found.direction, found.commits) == ("same", ())


def test_without_the_repository_it_says_that_it_does_not_know(guarded: Yard) -> None:
    guarded.push({**PROCFILE, "a.txt": "one\n"})
    guarded.work()
    guarded.stage.platform.repository_of(guarded.stage.service.id).delete()
    found = evidence(guarded.stage)
    assert (found.direction, found.comparison) == ("unknown", None)
    assert any("is not known" in each.words for each in found.risk.reasons)


def test_the_first_deployment_shows_the_newest_commits(yard: Yard) -> None:
    stage, context = yard.stage, yard.stage.platform.context
    with context.db.begin() as tx:
        gate_actions.add_approval_rule(
            tx, context.log, SYSTEM, gate_actions.of_environment(stage.environment), rule="1 of owner"
        )
    yard.push(PROCFILE, message="Begin")
    yard.work()
    found = evidence(stage)
    assert (found.direction, [each.subject for each in found.commits]) == ("first", ["Begin"])
