"""Only a plain call of pytest is changed."""

from __future__ import annotations

import pytest

from highroad.workload.testing import with_junit


@pytest.mark.parametrize("command", ["pytest", "pytest -q tests", "python -m pytest -x"])
def test_a_plain_pytest_is_asked_for_its_report(command: str) -> None:
    assert with_junit(command) == (f'{command} --junitxml="$HIGHROAD_JUNIT"', "$HIGHROAD_JUNIT")


@pytest.mark.parametrize("command", ["make test", "pytest | tee log", "pytest && x", "tox", "pytest --junitxml=a.xml"])
def test_any_other_command_stays_as_it_is(command: str) -> None:
    assert with_junit(command) == (command, None)


def test_a_command_that_names_the_file_is_believed() -> None:
    assert with_junit("make test REPORT=$HIGHROAD_JUNIT")[1] == "$HIGHROAD_JUNIT"
