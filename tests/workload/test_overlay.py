"""What highroad.yaml says wins, what it leaves out stays as it was detected."""

from __future__ import annotations

import pytest

from highroad.workload.config import BadConfig, parse_config
from highroad.workload.model import Build, Health, Limits, Process, Test, Workload
from highroad.workload.overlay import overlay

FOUND = Workload(
    processes=(
        Process("web", "serve", http=True, limits=Limits(memory=1, cpu=1.0)),
        Process("worker", "work", health=Health(kind="none")),
    ),
    build=Build(language="python", version="3.11", manager="pip", commands=("a",)),
    test=Test("pytest", junit="$HIGHROAD_JUNIT", needs=("pytest",)),
    release_command="old",
)


def laid(text: str, found: Workload = FOUND) -> Workload:
    return overlay(found, parse_config("highroad.yaml", text))


def process(workload: Workload, name: str) -> Process:
    return next(each for each in workload.processes if each.name == name)


def test_an_empty_file_changes_nothing() -> None:
    assert laid("") == FOUND


def test_a_process_keeps_what_is_not_said_of_it() -> None:
    web = process(laid("processes: {web: {count: 2, variables: {A: b}}}"), "web")
    assert (web.command, web.http, web.count, web.variables) == ("serve", True, 2, {"A": "b"})


def test_a_new_process_is_added_and_web_listens() -> None:
    workload = laid("processes: {web: run, clock: tick}", Workload(processes=()))
    assert [(each.name, each.http, each.health.kind) for each in workload.processes] == [
        ("web", True, "tcp"),
        ("clock", False, "none"),
    ]


def test_a_new_process_needs_a_command() -> None:
    with pytest.raises(BadConfig, match=r"highroad\.yaml:1: processes\.clock: needs a command"):
        laid("processes: {clock: {count: 2}}")


def test_a_schedule_takes_a_process_off_the_network() -> None:
    web = process(laid("processes: {web: {schedule: '0 3 * * *'}}"), "web")
    assert (web.http, web.schedule, web.health.kind) == (False, "0 3 * * *", "none")


def test_a_process_made_to_listen_is_checked_by_connecting() -> None:
    worker = process(laid("processes: {worker: {http: true}}"), "worker")
    assert (worker.http, worker.health.kind) == (True, "tcp")


def test_the_health_at_the_top_is_that_of_the_listening_process() -> None:
    workload = laid("health: /up")
    assert process(workload, "web").health == Health(kind="http", path="/up")
    assert process(workload, "worker").health.kind == "none"


def test_a_process_of_its_own_health_keeps_it() -> None:
    workload = laid("health: /up\nprocesses: {web: {health: /own}}")
    assert process(workload, "web").health.path == "/own"


def test_limits_go_from_the_general_to_the_particular() -> None:
    workload = laid("limits: {memory: 1Ki, processes: 9}\nprocesses: {worker: {limits: {memory: 2Ki}}}")
    assert process(workload, "web").limits == Limits(memory=1024, cpu=1.0, processes=9)
    assert process(workload, "worker").limits == Limits(memory=2048, processes=9)


def test_a_plain_pytest_is_asked_for_its_report_and_keeps_what_it_needs() -> None:
    test = laid("test: pytest -q").test
    assert test == Test('pytest -q --junitxml="$HIGHROAD_JUNIT"', junit="$HIGHROAD_JUNIT", needs=("pytest",))


def test_another_command_is_left_as_it_is() -> None:
    test = laid("test: make test && echo done").test
    assert (test and test.command, test and test.junit) == ("make test && echo done", None)


def test_detected_tests_can_be_made_optional() -> None:
    test = laid("test: {required: false}").test
    assert (test and test.command, test and test.required) == ("pytest", False)


def test_optional_tests_without_any_are_refused() -> None:
    with pytest.raises(BadConfig, match="no tests were detected"):
        laid("test: {required: false}", Workload(processes=()))


def test_tests_and_release_can_be_switched_off() -> None:
    workload = laid("test: false\nrelease: false")
    assert (workload.test, workload.release_command) == (None, None)


def test_no_build_commands_replace_the_detected_ones() -> None:
    build = laid("build: {commands: [], version: '3.12'}").build
    assert (build.commands, build.version, build.manager) == ((), "3.12", "pip")


def test_every_change_has_a_reason_with_its_line() -> None:
    reasons = laid("release: new\nvariables: {A: b}\npaths: [x]\n").reasons
    assert [reason.because for reason in reasons] == ["highroad.yaml:2", "highroad.yaml:3", "highroad.yaml:1"]
