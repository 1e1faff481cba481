"""All that can happen at gates, in a short life: for the tests of the event log's vocabulary."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from highroad.access import store as accounts
from highroad.access.actions import actor_named
from highroad.access.model import SYSTEM, Actor
from highroad.deployments import verdicts
from highroad.deployments.keeper import Keeper
from highroad.deployments.model import Deployment
from highroad.gates import actions
from highroad.gates import store as gates
from highroad.gates.calendar import calendar
from highroad.kit.clock import now
from highroad.kit.ids import new_id
from tests.deployments.stage import Stage


def meet_gates(stage: Stage) -> None:
    """Approvals are asked, given, voided, refused and expire; calendars and locks come and go; the glass is broken."""
    context, keeper = stage.platform.context, stage.platform.desk.keeper
    _plan_times(stage)
    owner = _owner(stage)
    with context.db.begin() as tx:
        where = actions.of_environment(stage.environment)
        rule = actions.add_approval_rule(tx, context.log, SYSTEM, where, rule="2 of owner")
    release = stage.release()
    refused = stage.ask(release=release)
    _say(stage, keeper, owner, refused, "approve")
    stage.configure(SHADE="dark")
    with context.db.begin() as tx:
        keeper.weigh(tx, refused.id)
    _say(stage, keeper, owner, refused, "refuse")
    expired = stage.ask(release=release)
    later = replace(keeper, clock=lambda: now() + timedelta(days=8))
    with context.db.begin() as tx:
        later.weigh(tx, expired.id)
    _say(stage, keeper, owner, stage.ask(release=release), "pass")
    stage.work()
    with context.db.begin() as tx:
        actions.remove_gate(tx, context.log, SYSTEM, rule)


def _plan_times(stage: Stage) -> None:
    context = stage.platform.context
    with context.db.begin() as tx:
        where, log = actions.of_environment(stage.environment), context.log
        past = calendar("UTC", ["2020-01-01"])
        freeze = actions.add_freeze(tx, log, SYSTEM, where, name="old", times=past)
        window = actions.add_window(tx, log, SYSTEM, where, name="always", times=calendar("UTC", ["daily"]))
        for gate in (freeze, window):
            actions.remove_gate(tx, log, SYSTEM, actions.except_times(tx, log, SYSTEM, gate, ["2020-01-02"]))
        actions.lock(tx, log, SYSTEM, stage.environment, why="migration", until=None, at=now())
        actions.unlock(tx, log, SYSTEM, stage.environment)


def _owner(stage: Stage) -> Actor:
    with stage.platform.context.db.begin() as tx:
        email = "olga@example.com"
        accounts.add_user(tx, id=new_id("usr"), email=email, name="Olga", role="owner", password=None)
        return actor_named(tx, email, origin="portal")


def _say(stage: Stage, keeper: Keeper, who: Actor, deployment: Deployment, word: verdicts.Word) -> None:
    with stage.platform.context.db.read() as tx:
        wait = gates.wait_of(tx, deployment.id)
    assert wait is not None
    verdicts.said(keeper, who, deployment.id, word, text="because", seen=wait.seen)
