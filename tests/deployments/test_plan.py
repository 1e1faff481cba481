"""Plans, as pure values: what is there and what is wanted, against what will be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from highroad.deployments.model import Instance, Kind, Plan
from highroad.deployments.plan import MOST_INSTANCES, Now, Wanted, counts_with, plan_deployment
from highroad.drivers.contract import Abilities, InstanceSpec
from highroad.kit.clock import parse_rfc3339
from highroad.projects.references import Delivered
from highroad.workload.model import Build, Limits, Process, ResourceRequest, Workload

PROCESSES = Abilities("process", images=False, isolation=("users",), warnings=("no memory limits here",))
AT = parse_rfc3339("2026-11-01T10:00:00Z")
WEB = Process(name="web", command="serve", http=True)
WORKER = Process(name="worker", command="work")
NIGHTLY = Process(name="nightly", command="tidy", schedule="0 3 * * *")
LARGEST = Limits(memory=4 * 1024**3, cpu=2.0, processes=4096, disk=2 * 1024**3)
HOSTS = ("web.production.shop.localhost",)


def instance(process: str, index: int) -> Instance:
    id = f"ins_{process}{index}"
    spec = InstanceSpec(id=id, stream="s", label=f"{process}.{index}", command="serve", artifact="/a")
    return Instance(id, "dep_1", "svc_1", "env_1", process, index, True, 20_000, "serving", spec, 30.0, AT, AT)


def plan(
    *processes: Process,
    kind: Kind = "deploy",
    present: tuple[Instance, ...] = (),
    counts: Mapping[str, int] | None = None,
    before: Mapping[str, str] | None = None,
    after: Mapping[str, str] | None = None,
    **workload: Any,
) -> Plan:
    now = Now(None, Delivered(before), present, HOSTS if present else ())
    whole = Workload(processes=processes or (WEB,), **workload)
    wanted = Wanted(kind, "release 2 (abc)", whole, None, Delivered(after), counts or {}, HOSTS)
    return plan_deployment(now, wanted, PROCESSES, LARGEST)


def lines(made: Plan, kind: str) -> list[str]:
    return [f"{each.subject}: {each.detail}" for each in made.changes if each.kind == kind]


def test_a_deploy_replaces_every_instance() -> None:
    made = plan(WEB, WORKER, present=(instance("web", 1),))
    assert [each.label for each in made.start] == ["web.1", "worker.1"]
    assert (made.keep, made.stop) == ((), ("ins_web1",))
    assert made.summary == "Deploy release 2 (abc): start 2, stop 1"


def test_a_scale_keeps_what_it_can_and_fills_the_gaps() -> None:
    made = plan(kind="scale", present=(instance("web", 2),), counts={"web": 3})
    assert made.keep == ("ins_web2",)
    assert [each.index for each in made.start] == [1, 3]
    assert made.stop == ()


def test_a_scale_down_stops_the_last_ones() -> None:
    made = plan(kind="scale", present=(instance("web", 1), instance("web", 2)), counts={"web": 1})
    assert (made.keep, made.stop, made.start) == (("ins_web1",), ("ins_web2",), ())


def test_a_scheduled_process_has_no_standing_instance() -> None:
    made = plan(WEB, NIGHTLY)
    assert [each.process for each in made.start] == ["web"]
    assert "nightly: runs on schedule 0 3 * * * (UTC): tidy" in lines(made, "start")


def test_a_scheduled_process_cannot_be_scaled() -> None:
    assert "runs on a schedule" in plan(WEB, NIGHTLY, kind="scale", counts={"nightly": 2}).problems[0].detail


def test_names_of_changed_values_are_told_and_never_the_values() -> None:
    made = plan(before={"A": "secret-1", "B": "same", "C": "gone"}, after={"A": "secret-2", "B": "same", "D": "new"})
    assert lines(made, "configure") == ["A: changed", "C: unset", "D: set"]
    assert "secret" not in repr(made)


def test_a_foreign_image_needs_a_container_target() -> None:
    made = plan(replace(WEB, image="nginx"), image="nginx")
    assert "runs processes only" in made.problems[0].detail
    assert made.problems[0].next_step


def test_a_resource_without_a_provisioner_is_a_problem() -> None:
    made = plan(resources=(ResourceRequest("db", "postgres"),))
    assert "db of type postgres" in made.problems[0].detail


def test_too_many_instances_are_refused() -> None:
    assert plan(kind="scale", counts={"web": MOST_INSTANCES}).problems == ()
    assert plan(kind="scale", counts={"web": MOST_INSTANCES + 1}).problems
    assert plan(kind="scale", counts={"web": -1}).problems


@pytest.mark.parametrize(
    ("limits", "told", "setting"),
    [
        (Limits(memory=2**40), "1048576 MiB (memory); an instance gets 4096 MiB", "largest_memory"),
        (Limits(disk=3 * 1024**3), "3072 MiB (disk); an instance gets 2048 MiB", "largest_disk"),
        (Limits(processes=4097), "4097 (processes); an instance gets 4096", "largest_processes"),
        (Limits(cpu=2.5), "2.5 cores (cpu); an instance gets 2 cores", "largest_cpu"),
        (Limits(cpu=float("nan")), "nan cores", "largest_cpu"),
    ],
)
def test_limits_above_what_the_installation_grants_are_refused(limits: Limits, told: str, setting: str) -> None:
    for process in (replace(WEB, limits=limits), replace(NIGHTLY, limits=limits)):
        [problem] = plan(process).problems
        assert told in problem.detail
        assert setting in problem.next_step
    assert plan(replace(WEB, limits=limits), kind="stop").problems == ()


def test_limits_up_to_what_the_installation_grants_are_fine() -> None:
    assert plan(replace(WEB, limits=LARGEST)).problems == ()


def test_a_stop_ends_all_and_starts_nothing() -> None:
    made = plan(WEB, kind="stop", present=(instance("web", 1), instance("old", 1)))
    assert set(made.stop) == {"ins_web1", "ins_old1"}
    assert (made.start, made.release_command) == ((), None)


def test_a_release_command_runs_for_deploys_and_not_for_rollbacks() -> None:
    assert plan(release_command="migrate").release_command == "migrate"
    assert plan(release_command="migrate", kind="rollback").release_command is None
    assert plan(release_command="migrate", kind="restart").release_command is None


def test_a_worker_alone_has_no_route() -> None:
    assert plan(WORKER).hosts == ()
    assert plan(WEB).hosts == HOSTS


def test_the_targets_warnings_are_in_the_plan() -> None:
    assert plan().warnings == ("no memory limits here",)


def test_a_mistyped_web_that_takes_the_service_offline_is_refused() -> None:
    [problem] = plan(replace(WORKER, name="wbe"), present=(instance("web", 1),)).problems
    assert "There is no process named `web`. web.production.shop.localhost is served now" in problem.detail
    assert problem.next_step.startswith("Rename 'wbe' to 'web'")


def test_a_service_without_a_listener_may_be_gone_back_to_and_is_warned_of() -> None:
    made = plan(WORKER, kind="rollback", present=(instance("web", 1),))
    assert made.problems == ()
    assert made.warnings[0].startswith("There is no process named `web`. Nothing answers at web.production")


def test_a_first_deployment_without_a_listener_is_warned_of() -> None:
    made = plan(replace(WORKER, name="wbe"))
    assert made.problems == ()
    assert made.warnings[0].endswith("Did you mean `web` instead of `wbe`?")
    assert "Did you mean" not in plan(WORKER).warnings[0]


def test_counts_of_processes_that_are_gone_are_forgotten() -> None:
    counts = counts_with({"old": 3, "web": 2}, {"web": 1}, Workload(processes=(WEB,)))
    assert counts == {"web": 1}


def test_a_mistyped_process_is_told_its_neighbour() -> None:
    [problem] = plan(kind="scale", counts={"wbe": 2}).problems
    assert problem.detail == "There is no process 'wbe' (there are: web); did you mean 'web'?"


def test_a_static_site_is_served_and_not_started() -> None:
    site = Workload(processes=(), build=Build(language="static", publish="."))
    verbs: dict[Kind, str] = {"deploy": "Deploy", "restart": "Restart"}
    for kind, verb in verbs.items():
        wanted = Wanted(kind, "release 2 (abc)", site, "/site", Delivered(), {}, HOSTS)
        made = plan_deployment(Now(None, Delivered(), (), ()), wanted, PROCESSES, LARGEST)
        assert made.summary == f"{verb} release 2 (abc): serve files"
        assert "files: of the site are served as they are; nothing runs" in lines(made, "start") + lines(made, "keep")
