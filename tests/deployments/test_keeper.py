"""Deployments wait at closed gates, durably, and go when these have opened."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from highroad.access import company_policies
from highroad.access import store as accounts
from highroad.access.model import SYSTEM
from highroad.deployments import removal, store
from highroad.deployments.actions import WORKFLOW
from highroad.gates import store as gates
from highroad.gates.model import Where
from highroad.projects import actions as projects
from highroad.projects import store as project_store
from tests.deployments.guarded import Guarded, guarded
from tests.deployments.stage import WEB, bare_run
from tests.world import People


@pytest.fixture
def yard(tmp_path: Path, sqlite_template: tuple[Path, People]) -> Iterator[Guarded]:
    shutil.copyfile(sqlite_template[0], tmp_path / "highroad.sqlite")
    with guarded(tmp_path / "data", f"sqlite:///{tmp_path}/highroad.sqlite") as made:
        yield made


def test_without_gates_nothing_waits(yard: Guarded) -> None:
    assert yard.ask(release=yard.stage.release()).state == "running"


def test_a_deployment_waits_for_approvals_with_its_plan_and_goes_when_they_are_given(yard: Guarded) -> None:
    yard.rule()
    asked = yard.ask(release=yard.stage.release())
    assert (asked.state, asked.step) == ("waiting", "")
    assert asked.reason == "Waiting for 2 of 2 approvals of team payments or 1 approval of owner"
    assert asked.next_step == f"Approve: highroad approve {asked.id}"
    assert "start 1" in store.plan_of_text(yard.wait(asked).plan).summary
    assert "-----> Waiting for 2 of 2 approvals" in yard.stage.said(asked)
    assert yard.approve("bob", asked).reason.startswith("Waiting for 1 of 2 approvals")
    assert yard.approve("eve", asked).state == "running"
    yard.stage.work()
    assert yard.now(asked).state == "succeeded"
    yard.stage.require_sound()


def test_the_old_version_serves_while_a_new_one_waits(yard: Guarded) -> None:
    yard.stage.do(release=yard.stage.release())
    yard.rule()
    yard.ask(release=yard.stage.release())
    assert yard.stage.placement().active_id is None
    yard.stage.require_sound()


def test_a_freeze_ends_by_itself(yard: Guarded) -> None:
    yard.freeze("fri 16:00 - mon 08:00")
    asked = yard.ask(release=yard.stage.release())
    assert asked.reason == "Production is frozen until Mon 08:00 UTC: weekend"
    yard.clock.turn(hours=43)
    yard.look()
    assert yard.now(asked).state == "waiting"
    yard.clock.turn(hours=1)
    yard.look()
    assert yard.now(asked).state == "running"


def test_a_window_opens_by_itself(yard: Guarded) -> None:
    yard.window("mon-fri 09:00-17:00")
    asked = yard.ask(release=yard.stage.release())
    assert "the next one opens Mon 09:00 UTC" in asked.reason
    yard.clock.turn(days=2)
    yard.look()
    assert yard.now(asked).state == "running"


def test_only_what_is_due_is_looked_at_and_what_the_clock_left_behind_too(yard: Guarded) -> None:
    yard.freeze("fri 16:00 - mon 08:00")
    asked = yard.ask(release=yard.stage.release())
    first = yard.wait(asked).looked_at
    yard.clock.turn(seconds=30)
    yard.look()
    assert yard.wait(asked).looked_at == first
    yard.clock.turn(days=-28)  # a machine whose clock was wrong
    yard.look()
    assert yard.wait(asked).looked_at == yard.clock.at


def test_a_clock_that_leaps_over_a_window_opens_nothing(yard: Guarded) -> None:
    yard.window("mon-fri 09:00-17:00")
    asked = yard.ask(release=yard.stage.release())
    yard.clock.turn(days=2, hours=6)  # Monday, 18:00
    yard.look()
    assert "opens Tue 09:00 UTC" in yard.now(asked).reason


def test_a_lock_holds_until_it_is_taken_away(yard: Guarded) -> None:
    yard.lock("ann", "migration")
    asked = yard.ask("bob", release=yard.stage.release())
    assert asked.reason == "Locked by ann@example.com: migration"
    yard.unlock()
    yard.look()
    assert yard.now(asked).state == "running"


def test_a_lock_ends_in_time(yard: Guarded) -> None:
    yard.lock("ann", until=yard.clock.at + timedelta(hours=1))
    asked = yard.ask("bob", release=yard.stage.release())
    yard.clock.turn(hours=1)
    yard.look()
    assert yard.now(asked).state == "running"


def test_gates_of_the_mode_and_of_the_organization_hold_too(yard: Guarded) -> None:
    yard.rule("1 of owner", where=Where(mode="production"))
    yard.freeze("sat", where=Where(mode="staging"))
    asked = yard.ask(release=yard.stage.release())
    assert asked.reason == "Waiting for 1 approval of owner"


def test_a_stop_and_a_rollback_pass_a_freeze_that_lets_them(yard: Guarded) -> None:
    first, second = yard.stage.release(), yard.stage.release()
    yard.stage.do(release=first)
    yard.stage.do(release=second)
    yard.freeze(passes=["rollback", "stop"])
    assert yard.ask(kind="rollback").state == "running"
    yard.stage.work()
    assert yard.ask(kind="restart").state == "waiting"
    assert yard.ask(kind="stop").state == "running"


def test_a_newer_deployment_supersedes_one_that_waits(yard: Guarded) -> None:
    yard.rule()
    older = yard.ask(release=yard.stage.release())
    newer = yard.ask(release=yard.stage.release())
    assert yard.now(older).state == "superseded"
    assert yard.wait(older).recheck_at is None
    assert newer.state == "waiting"


def test_what_waits_can_be_withdrawn(yard: Guarded) -> None:
    yard.rule()
    asked = yard.ask(release=yard.stage.release())
    yard.stage.cancel(asked)
    assert yard.now(asked).state == "cancelled"
    yard.look()
    assert yard.now(asked).state == "cancelled"


def test_what_waits_too_long_expires(yard: Guarded) -> None:
    yard.rule(expires=timedelta(days=2))
    asked = yard.ask(release=yard.stage.release())
    yard.clock.turn(days=2)
    yard.look()
    ended = yard.now(asked)
    assert ended.state == "expired"
    assert ended.reason.startswith("It waited too long: waiting for 2 of 2")
    assert "approval.expired" in yard.events()


def test_what_waits_holds_up_nobody(yard: Guarded) -> None:
    yard.stage.do(release=yard.stage.release())
    yard.rule(passes=["restart"])
    yard.ask(release=yard.stage.release())
    restarted = yard.ask(kind="restart")
    yard.stage.work()
    assert yard.now(restarted).state == "succeeded"


def test_a_plan_that_cannot_be_carried_out_waits_for_nobody(yard: Guarded) -> None:
    yard.rule()
    asked = yard.ask(release=yard.stage.release(replace(WEB, count=200)))
    yard.stage.work()
    ended = yard.now(asked)
    assert ended.state == "failed"
    assert "200 instances" in ended.reason


# The plan changes


def test_approvals_are_void_when_the_configuration_changes(yard: Guarded) -> None:
    yard.rule()
    asked = yard.ask(release=yard.stage.release())
    yard.approve("bob", asked)
    yard.stage.configure(DATABASE_URL="postgresql://elsewhere")
    yard.clock.turn(seconds=60)
    yard.look()
    waiting = yard.now(asked)
    assert waiting.reason.startswith("Waiting for 2 of 2")
    assert yard.wait(asked).voided == "the configuration changed (DATABASE_URL)"
    assert "The approvals of bob@example.com are void" in yard.stage.said(asked)
    assert "elsewhere" not in yard.stage.said(asked)
    assert "approval.voided" in yard.events()


def test_approvals_are_void_when_another_release_runs_there_by_now(yard: Guarded) -> None:
    yard.stage.do(release=yard.stage.release())
    yard.rule(passes=["rollback", "configure"])
    asked = yard.ask(release=yard.stage.release())
    yard.approve("bob", asked)
    with yard.stage.platform.context.db.begin() as tx:
        placement = store.placement(tx, asked.service_id, asked.environment_id)
        store.update_placement(tx, placement.identity, release_id=asked.release_id)
    yard.clock.turn(seconds=60)
    yard.look()
    assert yard.wait(asked).voided == "another release runs there by now"


def test_nothing_is_void_while_nothing_changes(yard: Guarded) -> None:
    yard.stage.configure(COLOUR="green")
    yard.rule()
    asked = yard.ask(release=yard.stage.release())
    yard.approve("bob", asked)
    for _ in range(3):
        yard.clock.turn(seconds=60)
        yard.look()
    assert (yard.wait(asked).round, yard.wait(asked).voided) == (1, "")


# Its turn


def test_a_gate_that_closes_before_its_turn_sends_it_back(yard: Guarded) -> None:
    working = yard.ask(release=yard.stage.release())
    queued = yard.ask("bob", kind="deploy", release=yard.stage.release())
    assert (working.state, queued.state) == ("running", "queued")
    yard.lock()
    yard.stage.work()
    assert yard.now(working).state == "waiting"
    assert yard.now(queued).state == "waiting"
    assert yard.stage.placement().active_id is None
    assert yard.now(working).work.endswith("+2")
    yard.unlock()
    yard.look()
    yard.stage.work()
    assert yard.now(working).state == "succeeded"
    assert yard.now(queued).state == "succeeded"
    yard.stage.require_sound()


def test_an_approved_plan_that_is_another_at_its_turn_waits_again_and_says_so(yard: Guarded) -> None:
    yard.rule("1 of team payments")
    asked = yard.ask(release=yard.stage.release())
    yard.approve("bob", asked)
    assert yard.now(asked).state == "running"
    yard.stage.configure(COLOUR="red")
    yard.stage.work()
    again = yard.now(asked)
    assert again.state == "waiting"
    assert "the configuration changed (COLOUR)" in yard.stage.said(asked)
    yard.approve("bob", asked)
    yard.stage.work()
    assert yard.now(asked).state == "succeeded"


def test_an_approver_who_was_deactivated_counts_no_more_at_its_turn(yard: Guarded) -> None:
    yard.rule("1 of team payments")
    asked = yard.ask(release=yard.stage.release())
    yard.approve("bob", asked)
    deactivate(yard, "bob")
    yard.stage.work()
    assert yard.now(asked).state == "waiting"
    assert yard.approve("eve", asked).state == "running"


def test_what_waits_does_not_go_for_somebody_who_may_no_longer_deploy(yard: Guarded) -> None:
    yard.rule()
    asked = yard.ask(release=yard.stage.release())
    deactivate(yard, "ann")
    yard.approve("bob", asked)
    assert yard.approve("eve", asked).state == "refused"
    assert yard.now(asked).reason == "ann@example.com, who asked for it, may not deploy here any more."
    yard.stage.work()
    assert (yard.now(asked).state, yard.stage.placement().release_id) == ("refused", None)


def test_a_policy_is_told_how_many_approved(yard: Guarded) -> None:
    yard.rule("1 of team payments")
    asked = yard.ask(release=yard.stage.release())
    text = """forbid(principal, action == Action::"deployment:write", resource)
        when { context has approvals && context.approvals < 2 };"""
    context = yard.stage.platform.context
    with context.db.begin() as tx:
        company_policies.apply(tx, context.log, SYSTEM, name="four-eyes", text=text)
    assert yard.approve("bob", asked).state == "refused"


def deactivate(yard: Guarded, name: str) -> None:

    with yard.stage.platform.context.db.begin() as tx:
        accounts.update_user(tx, yard.people[name].id, active=False)


def test_a_workflow_that_died_before_it_recorded_that_it_was_sent_back_does_nothing(yard: Guarded) -> None:
    asked = yard.ask(release=yard.stage.release())
    yard.lock()
    yard.stage.work()

    yard.stage.platform.deployer(bare_run(WORKFLOW, asked.id), asked.id)
    assert yard.now(asked).state == "waiting"


def test_an_environment_can_be_deleted_while_something_waits_in_it(yard: Guarded) -> None:
    yard.rule()
    asked = yard.ask(release=yard.stage.release())
    context = yard.stage.platform.context

    with context.db.begin() as tx:
        removal.delete_environment(tx, context.log, SYSTEM, yard.stage.environment, yard.stage.start)
    assert yard.now(asked).state == "cancelled"


def test_a_gate_goes_with_its_project(yard: Guarded) -> None:
    gate = yard.rule()
    context = yard.stage.platform.context

    with context.db.begin() as tx:
        found = projects.find_project(tx, SYSTEM, "shop")
        for each in project_store.service_ids(tx, found.id):
            project_store.remove_service(tx, each)
        project_store.remove_environment(tx, yard.stage.environment.id)
        assert gates.gate(tx, gate.id) is None
