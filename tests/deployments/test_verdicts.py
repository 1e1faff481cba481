"""Approving, refusing and breaking the glass: who may, what counts, and who comes too late; on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from highroad.access import store as accounts
from highroad.access import teams
from highroad.access.permissions import NotAllowed
from highroad.access.policy.engine import Company, compile_policies
from highroad.deployments import verdicts
from highroad.deployments.actions import DeploymentHasEnded
from highroad.deployments.verdicts import (
    NotAnApprover,
    NothingToApprove,
    NotWaiting,
    PlanChanged,
    ReasonMissing,
    SelfApproval,
)
from highroad.gates import store as gates
from highroad.gates.store import Pass
from highroad.pipelines import store as pipelines
from tests.deployments.guarded import Guarded, guarded


@pytest.fixture
def yard(tmp_path: Path, database_url: str) -> Iterator[Guarded]:
    with guarded(tmp_path / "data", database_url) as made:
        yield made


def test_whoever_asked_does_not_approve(yard: Guarded) -> None:
    yard.rule()
    asked = yard.ask("ann", release=yard.stage.release())
    with pytest.raises(SelfApproval) as refused:
        yard.approve("ann", asked)
    assert "team payments or owner" in refused.value.next_step


def test_whoever_has_the_commit_in_it_does_not_approve(yard: Guarded) -> None:
    yard.rule()
    release = yard.stage.release()
    with yard.stage.platform.context.db.begin() as tx:
        tx.execute(pipelines.releases.update().values(author="Eve <EVE@example.com>"))
    asked = yard.ask("ann", release=release)
    with pytest.raises(SelfApproval):
        yard.approve("eve", asked)


def test_whoever_pushed_it_does_not_approve(yard: Guarded) -> None:
    yard.rule()
    release = yard.stage.release()
    with yard.stage.platform.context.db.begin() as tx:
        tx.execute(pipelines.runs.update().values(actor="bob@example.com"))
    asked = yard.ask("ann", release=release)
    with pytest.raises(SelfApproval):
        yard.approve("bob", asked)


def test_an_author_approves_where_the_rule_allows_it(yard: Guarded) -> None:
    yard.rule("1 of team payments", not_author=False)
    asked = yard.ask("ann", release=yard.stage.release())
    assert yard.approve("ann", asked).state == "running"


def test_who_is_not_among_the_approvers_is_told_so(yard: Guarded) -> None:
    yard.rule()
    yard.person("zoe", team="billing")
    asked = yard.ask(release=yard.stage.release())
    with pytest.raises(NotAnApprover, match="2 of team payments or 1 of owner"):
        yard.approve("zoe", asked)


def test_who_has_no_permission_neither_approves_nor_refuses_nor_passes(yard: Guarded) -> None:
    yard.rule()
    yard.person("stranger", team=None)
    asked = yard.ask(release=yard.stage.release())
    for word in ("approve", "refuse", "pass"):
        with pytest.raises(NotAllowed):
            yard.say("stranger", word, asked, "because")
    with pytest.raises(NotAllowed):
        yard.say("bob", "pass", asked, "a deployer does not break the glass")


def test_an_approval_is_for_the_plan_that_was_looked_at(yard: Guarded) -> None:
    yard.rule("1 of team payments")
    asked = yard.ask(release=yard.stage.release())
    seen = yard.wait(asked).seen
    yard.stage.configure(COLOUR="red")
    with pytest.raises(PlanChanged, match="COLOUR"):
        yard.say("bob", "approve", asked, seen=seen)
    assert yard.now(asked).state == "waiting"
    assert yard.approve("bob", asked).state == "running"


def test_approving_twice_is_approving_once(yard: Guarded) -> None:
    yard.rule("2 of team payments")
    asked = yard.ask(release=yard.stage.release())
    yard.approve("bob", asked)
    assert yard.approve("bob", asked).state == "waiting"
    assert yard.events().count("approval.given") == 1


def test_a_team_that_somebody_left_does_not_count_them(yard: Guarded) -> None:
    yard.rule("2 of team payments")
    asked = yard.ask(release=yard.stage.release())
    yard.approve("bob", asked)
    with yard.stage.platform.context.db.begin() as tx:
        team = teams.team_by_name(tx, "payments")
        assert team is not None
        teams.remove_member(tx, team.id, yard.people["bob"].id)
    assert yard.approve("eve", asked).state == "waiting"


def test_a_deleted_approver_does_not_count(yard: Guarded) -> None:
    yard.rule("2 of team payments")
    asked = yard.ask(release=yard.stage.release())
    yard.approve("bob", asked)
    with yard.stage.platform.context.db.begin() as tx:
        tx.execute(accounts.users.delete().where(accounts.users.c.id == yard.people["bob"].id))
    assert yard.approve("eve", asked).reason == "Waiting for 1 of 2 approvals of team payments"


def test_a_member_of_a_team_below_counts(yard: Guarded) -> None:
    yard.rule("1 of team payments")
    yard.person("sub", team="cards")
    with yard.stage.platform.context.db.begin() as tx:
        above, below = teams.team_by_name(tx, "payments"), teams.team_by_name(tx, "cards")
        assert above is not None
        assert below is not None
        teams.update_team(tx, below.id, parent_id=above.id)
    asked = yard.ask(release=yard.stage.release())
    assert yard.approve("sub", asked).state == "running"


def test_old_approvals_count_no_more(yard: Guarded) -> None:
    yard.rule("2 of team payments")
    asked = yard.ask(release=yard.stage.release())
    yard.approve("bob", asked)
    yard.clock.turn(hours=25)
    assert yard.approve("eve", asked).reason == "Waiting for 1 of 2 approvals of team payments"


# Refusing


def test_a_refusal_ends_it_with_the_reason(yard: Guarded) -> None:
    yard.rule()
    asked = yard.ask(release=yard.stage.release())
    ended = yard.say("bob", "refuse", asked, "not on a Friday")
    assert (ended.state, ended.reason) == ("refused", "Refused by bob@example.com: not on a Friday")
    assert "approval.refused" in yard.events()
    with pytest.raises(DeploymentHasEnded):
        yard.approve("eve", asked)


def test_a_refusal_says_why(yard: Guarded) -> None:
    yard.rule()
    asked = yard.ask(release=yard.stage.release())
    with pytest.raises(ReasonMissing):
        yard.say("bob", "refuse", asked, "  ")
    assert yard.now(asked).state == "waiting"


# Too late, and at once


def test_an_approval_after_the_end_is_refused(yard: Guarded) -> None:
    yard.rule("1 of team payments")
    asked = yard.ask(release=yard.stage.release())
    seen = yard.wait(asked).seen
    yard.clock.turn(days=7)
    with pytest.raises(DeploymentHasEnded, match="expired"):
        yard.say("bob", "approve", asked, seen=seen)
    assert yard.now(asked).state == "expired"


def test_an_approval_of_what_was_cancelled_is_refused(yard: Guarded) -> None:
    yard.rule("1 of team payments")
    asked = yard.ask(release=yard.stage.release())
    yard.stage.cancel(asked)
    with pytest.raises(DeploymentHasEnded, match="cancelled"):
        yard.approve("bob", asked)


def test_an_approval_of_what_runs_is_refused(yard: Guarded) -> None:
    asked = yard.ask(release=yard.stage.release())
    with pytest.raises(NotWaiting):
        yard.say("bob", "approve", asked, seen="1-x")


def at_once(*acts: Callable[[], object]) -> list[BaseException]:
    """All of these in threads that begin together; what they raised."""
    barrier, raised = threading.Barrier(len(acts)), list[BaseException]()

    def run(act: Callable[[], object]) -> None:
        barrier.wait(10)
        try:
            act()
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return raised


def test_of_two_approvers_at_once_both_count_and_it_goes_once(yard: Guarded) -> None:
    yard.rule("2 of team payments")
    asked = yard.ask(release=yard.stage.release())
    raised = at_once(lambda: yard.approve("bob", asked), lambda: yard.approve("eve", asked))
    assert raised == []
    assert yard.now(asked).state == "running"
    assert yard.events().count("approval.given") == 2
    yard.stage.work()
    assert yard.now(asked).state == "succeeded"


def test_of_an_approval_and_a_cancellation_at_once_one_wins(yard: Guarded) -> None:
    yard.rule("1 of team payments")
    asked = yard.ask(release=yard.stage.release())
    raised = at_once(lambda: yard.approve("bob", asked), lambda: yard.stage.cancel(asked))
    ended = yard.now(asked)
    if ended.state == "cancelled":
        assert [type(each) for each in raised] == [DeploymentHasEnded]
    else:
        assert ended.state == "running"
        yard.stage.work()
        assert yard.now(asked).state in ("cancelled", "succeeded")
    assert yard.stage.placement().active_id is None


def test_of_an_approval_and_a_refusal_at_once_one_wins(yard: Guarded) -> None:
    yard.rule("1 of team payments")
    asked = yard.ask(release=yard.stage.release())
    raised = at_once(lambda: yard.approve("bob", asked), lambda: yard.say("eve", "refuse", asked, "no"))
    assert len(raised) == 1
    assert yard.now(asked).state in ("running", "refused")


# Breaking the glass


def test_the_glass_is_broken_with_a_reason_and_loudly(yard: Guarded) -> None:
    yard.rule()
    yard.freeze()
    asked = yard.ask(release=yard.stage.release())
    gone = yard.say("olga", "pass", asked, "customers cannot pay")
    assert gone.state == "running"
    assert "broke the glass: customers cannot pay" in yard.stage.said(asked)
    assert "gate.passed" in yard.events()
    with yard.stage.platform.context.db.read() as tx:
        made = gates.pass_of(tx, asked.id)
    assert made is not None
    assert {each.kind for each in made.closed} == {"approvals", "freeze"}
    yard.stage.work()
    assert yard.now(asked).state == "succeeded"


def test_the_glass_is_not_broken_without_a_reason(yard: Guarded) -> None:
    yard.freeze()
    asked = yard.ask(release=yard.stage.release())
    with pytest.raises(ReasonMissing):
        yard.say("olga", "pass", asked, "")


def test_what_closes_after_the_glass_was_broken_still_holds(yard: Guarded) -> None:
    yard.freeze()
    asked = yard.ask(release=yard.stage.release())
    yard.say("olga", "pass", asked, "customers cannot pay")
    yard.lock("ann", "wait, I am restoring the database")
    yard.stage.work()
    assert yard.now(asked).reason == "Locked by ann@example.com: wait, I am restoring the database"


def test_where_no_approval_is_asked_for_there_is_nothing_to_approve(yard: Guarded) -> None:
    yard.freeze()
    asked = yard.ask(release=yard.stage.release())
    with pytest.raises(NothingToApprove):
        yard.approve("bob", asked)


def test_a_broken_glass_is_for_the_plan_that_was_seen(yard: Guarded) -> None:
    yard.rule()
    yard.lock()
    asked = yard.ask(release=yard.stage.release())
    yard.stage.configure(KEY="2")
    with yard.stage.platform.context.db.begin() as tx:
        wait = gates.wait_of(tx, asked.id)
        assert wait is not None
        closed = wait.closed
        given = Pass(asked.id, wait.service_id, wait.environment_id, "olga", "now", closed, yard.clock())
        gates.add_pass(tx, given)
    yard.clock.turn(minutes=2)
    yard.look()
    assert yard.now(asked).state == "waiting"
    assert "for another plan" in yard.stage.said(asked)
    assert yard.say("olga", "pass", asked, "still now").state == "running"


def test_a_policy_about_a_service_holds_for_what_is_said_about_it(yard: Guarded) -> None:
    yard.rule("1 of team payments")
    asked = yard.ask("ann", release=yard.stage.release())
    text = """forbid (principal, action == Action::"deployment:approve", resource)
    when { resource has service && resource.service == "web" };"""
    bob = yard.actor("bob")
    assert bob.standing is not None
    forbidden = replace(bob.standing, policies=compile_policies(company=[Company("no-web", 1, text)]))
    bob = replace(bob, standing=forbidden)
    with pytest.raises(NotAllowed, match="no-web"):
        verdicts.said(yard.stage.platform.desk.keeper, bob, asked.id, "approve", text="", seen=yard.wait(asked).seen)
