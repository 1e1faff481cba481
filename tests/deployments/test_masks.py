"""No secret in what a deployment or a command says: journal, reason, events, plan, the control plane's log."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest

from highroad.access.model import SYSTEM
from highroad.app.log_format import Discreet
from highroad.deployments.model import Deployment
from highroad.errors import Permanent
from highroad.events import store as event_store
from highroad.pipelines import store as pipelines
from highroad.projects import variable_store
from highroad.workload.model import Health
from tests.deployments.stage import WEB, Stage
from tests.deployments.test_commands import all_commands, ended

SECRET = "hunter2-is-long"
CHECKED = replace(WEB, health=Health("command", command="check", grace=0.3, interval=0.01))


@pytest.fixture(autouse=True)
def secret(stage: Stage) -> None:
    set_secret(stage, SECRET)


def set_secret(stage: Stage, value: str) -> None:
    place = variable_store.Place(stage.service.project_id, stage.environment.id)
    with stage.platform.context.db.begin() as tx:
        variable_store.set_variable(tx, place, "PASSWORD", value, kind="secret", file="", by="ada")


def said(stage: Stage, subject: str) -> str:
    lines, _ = stage.platform.journal.read(subject)
    return "\n".join(line.text for line in lines)


def everything_kept(stage: Stage, deployment: Deployment) -> str:
    """All that is stored of a deployment in words, with all events."""
    with stage.platform.context.db.read() as tx:
        events = event_store.read(tx, limit=1000)
    plan = stage.deployment(deployment.id).plan
    words = [deployment.reason, deployment.next_step, repr(plan), said(stage, deployment.id)]
    return "\n".join([*words, *(json.dumps(dict(each.data)) for each in events)])


def test_an_instance_is_started_with_what_it_must_not_show(stage: Stage) -> None:
    stage.do("deploy", stage.release())
    assert [spec.secrets for spec in stage.driver.specs.values()] == [(SECRET,)]


def test_each_instance_keeps_its_own_after_a_rotation(stage: Stage) -> None:
    release = stage.release()
    stage.do("deploy", release)
    set_secret(stage, "after-the-rotation")
    stage.do("restart")
    (new,) = stage.driver.specs.values() if len(stage.driver.specs) == 1 else [list(stage.driver.specs.values())[-1]]
    assert new.secrets == ("after-the-rotation",)


def test_what_a_release_command_prints_is_masked(stage: Stage) -> None:
    stage.script("migrate", says=(f"connecting with {SECRET}", "\x1b[1mhunter2\x1b[0m-is-long"), exit_code=1)
    deployment = stage.do("deploy", stage.release(WEB, release_command="migrate"))
    assert deployment.state == "failed"
    assert "connecting with ***" in said(stage, deployment.id)
    assert SECRET not in everything_kept(stage, deployment)


def test_why_a_check_failed_is_masked_everywhere(stage: Stage) -> None:
    stage.script("serve", unhealthy=f"it says {SECRET}", says=(f"started with {SECRET}",))
    deployment = stage.do("deploy", stage.release(CHECKED))
    assert "it says ***" in deployment.reason
    assert SECRET not in everything_kept(stage, deployment)


def test_an_error_of_the_driver_is_masked_everywhere(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.driver.failures["start"].append(Permanent(f"cannot start with PASSWORD={SECRET}"))
    deployment = stage.do("deploy", stage.release())
    assert "PASSWORD=***" in deployment.reason
    assert SECRET not in everything_kept(stage, deployment) + caplog.text


def test_a_plan_shows_no_secret_that_the_repository_holds(stage: Stage) -> None:
    command = f"serve --password {SECRET}"
    deployment = stage.do("deploy", stage.release(replace(WEB, command=command)))
    assert deployment.plan is not None
    assert any("--password ***" in change.detail for change in deployment.plan.changes)
    assert [spec.command for spec in stage.driver.specs.values()] == [command]


def test_a_one_off_command_and_its_output_are_masked(stage: Stage) -> None:
    stage.do("deploy", stage.release())
    stage.script(f"echo {SECRET}", says=(SECRET,))
    command = ended(stage, stage.platform.commands.run(SYSTEM, stage.service, stage.environment, f"echo {SECRET}"))
    assert said(stage, command.id) == "***"
    assert [each.command for each in all_commands(stage)] == ["echo ***"]


def test_a_run_hides_secrets_of_where_its_branch_is_deployed_and_no_others(stage: Stage) -> None:
    with stage.platform.context.db.begin() as tx:
        runs = {
            branch: pipelines.add_run(
                tx, stage.service.id, commit="c" * 40, branch=branch, message="", author="", actor="ann"
            )
            for branch in (stage.environment.branch or "main", "feature")
        }
    for run in runs.values():
        stage.platform.journal.write(run.id, "build", f"guess {SECRET}")
    assert [said(stage, run.id) for run in runs.values()] == ["guess ***", f"guess {SECRET}"]


def test_a_reason_given_by_the_engine_is_masked_and_so_is_its_log(stage: Stage) -> None:
    deployment = stage.ask("deploy", stage.release())
    stage.platform.journal.write(deployment.id, "deploy", "it begins")
    record = logging.LogRecord("x", logging.ERROR, "", 1, "%s was lost: %s", (deployment.id, SECRET), None)
    assert SECRET not in Discreet(stage.platform.masks.recent).format(record)
