"""Tests of a workload, really run in the sandbox against a real artifact."""

from __future__ import annotations

from pathlib import Path

import pytest

from highroad.builds import failures
from highroad.builds.junit import TestCase, TestRun
from highroad.builds.testing import CopyFailed, Tested, hidden, run_tests
from highroad.builds.trees import remove
from highroad.kit.disguises import Mask
from highroad.workload.model import Build, Test, Workload
from tests.builds.yard import PIP, Yard, never

PLAIN = Build(language="other")
GREEN = '<testsuite name="s"><testcase name="a" time="0.5"/></testsuite>'
PYTEST = 'python -m pytest -p no:cacheprovider --junitxml="$HIGHROAD_JUNIT"'


def run(yard: Yard, files: dict[str, str], test: Test, build: Build = PLAIN) -> Tested:
    artifact = yard.build(files, build)
    tested = run_tests(yard.builder, artifact, Workload((), build=build, test=test), yard.lines.append, cancelled=never)
    assert list(yard.work.iterdir()) == []
    return tested


def test_green_tests_pass_with_their_report(yard: Yard) -> None:
    tested = run(yard, {"r.xml": GREEN}, Test('cp r.xml "$HIGHROAD_JUNIT"', junit="$HIGHROAD_JUNIT"))
    assert (tested.passed, tested.why) == (True, "")
    assert tested.run is not None
    assert tested.run.summary == "1 passed"
    assert "Tests: 1 passed in" in yard.lines[-1]


def test_red_tests_are_a_result_and_no_error(yard: Yard) -> None:
    tested = run(yard, {"a": ""}, Test("echo no; exit 4"))
    assert (tested.passed, tested.why, tested.run) == (False, "exit code 4", None)


def test_a_report_may_lie_in_the_source(yard: Yard) -> None:
    tested = run(yard, {"r.xml": GREEN}, Test("mkdir reports; mv r.xml reports/junit.xml", junit="reports/junit.xml"))
    assert tested.run is not None


@pytest.mark.parametrize(
    ("command", "note"),
    [
        ("true", "left no report"),
        ("ln -s /etc/passwd $HIGHROAD_JUNIT", "left no report"),
        ("echo broken > $HIGHROAD_JUNIT", "not JUnit XML"),
    ],
)
def test_a_report_that_cannot_be_read_is_noted(yard: Yard, command: str, note: str) -> None:
    tested = run(yard, {"a": ""}, Test(command, junit="$HIGHROAD_JUNIT"))
    assert tested.run is None
    assert note in tested.note


def test_tests_write_into_a_copy_and_never_into_the_artifact(yard: Yard) -> None:
    artifact = yard.build({"a": "1"}, PLAIN)
    workload = Workload((), test=Test(f"echo 2 > a; echo 3 > b; ! touch {artifact.directory}/c"))
    assert run_tests(yard.builder, artifact, workload, yard.lines.append, cancelled=never).passed
    assert [(path.name, path.read_text()) for path in Path(artifact.directory).iterdir()] == [("a", "1")]


def test_tests_get_no_credentials_of_a_registry(yard: Yard) -> None:
    run(yard, {"a": ""}, Test("env"))
    assert not any("UV_FIND_LINKS" in line for line in yard.lines)


def test_cancelled_tests_are_an_error(yard: Yard) -> None:
    artifact = yard.build({"a": ""}, PLAIN)
    workload = Workload((), test=Test("echo go; sleep 60"))
    with pytest.raises(failures.BuildCancelled):
        run_tests(yard.builder, artifact, workload, yard.lines.append, cancelled=lambda: "       go" in yard.lines)


def test_needs_are_installed_beside_the_same_versions(yard: Yard) -> None:
    yard.wheel("tiny", "1.0")
    yard.wheel("checker")
    files = {
        "requirements.txt": "tiny\n",
        "dev.txt": "checker\n",
        "t.py": "import checker, tiny; assert tiny.VERSION == '1.0'",
    }
    test = Test("python t.py", needs=("-r dev.txt",))
    artifact = yard.build(files, PIP)
    yard.wheel("tiny", "2.0")
    workload = Workload((), build=PIP, test=test)
    for heading in ("Installing test dependencies: -r dev.txt", "Test dependencies: -r dev.txt (cached)"):
        assert run_tests(yard.builder, artifact, workload, yard.lines.append, cancelled=never).passed
        assert f"-----> {heading}" in yard.lines


def test_pytest_is_installed_when_nobody_asked_for_it(online: Yard) -> None:
    files = {"app.py": "X = 1", "requirements.txt": "", "test_app.py": "import app\ndef test_x(): assert app.X == 2\n"}
    tested = run(online, files, Test(PYTEST, junit="$HIGHROAD_JUNIT"), PIP)
    assert not tested.passed
    assert tested.run is not None
    assert [(case.name, case.outcome) for case in tested.run.cases] == [("test_x", "failed")]


@pytest.mark.parametrize("build", [PLAIN, PIP])
def test_a_service_in_a_subdirectory_is_tested_there_beside_its_siblings(yard: Yard, build: Build) -> None:
    files = {"api/app.py": "", "api/requirements.txt": "", "shared/b.txt": "shared"}
    artifact = yard.build(files, build, subdirectory="api")
    test = Test("test -f app.py && grep -q shared ../shared/b.txt && touch here ../shared/there")
    workload = Workload((), build=build, test=test)
    assert run_tests(yard.builder, artifact, workload, yard.lines.append, cancelled=never).passed, yard.lines


def test_a_copy_that_fails_is_no_failure_of_the_tests(yard: Yard) -> None:
    artifact = yard.build({"a": "x" * 1000}, PLAIN)
    workload = Workload((), build=PLAIN, test=Test("true"))
    remove(Path(artifact.directory))
    Path(artifact.directory).mkdir()
    Path(artifact.directory, "unreadable").mkdir(mode=0o700)
    with pytest.raises(CopyFailed, match="unreadable"):
        run_tests(yard.builder, artifact, workload, yard.lines.append, cancelled=never)


def test_no_word_of_the_tests_shows_a_secret() -> None:
    case = TestCase("suite hunter2", "test[hunter2]", 0.1, "failed", "got hunter2")
    shown = hidden(Tested(False, "hunter2 failed", 1.0, TestRun((case,)), "no hunter2"), Mask(["hunter2"]))
    assert "hunter2" not in repr(shown)
    assert shown.run is not None
    assert (shown.run.cases[0].message, shown.why) == ("got ***", "*** failed")
