"""The risk of a deployment is a sum of stated reasons."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as some

from highroad.gates.risk import Change, risk_of

SMALL = Change(["app.py"], 4, 1, since_last=timedelta(days=2), tests="passed")


def words(change: Change) -> str:
    return "; ".join(each.words for each in risk_of(change).reasons)


def test_a_small_tested_change_is_no_risk() -> None:
    assert risk_of(SMALL).level == "low"
    assert risk_of(SMALL).score == 0


def test_what_it_touches_is_named() -> None:
    files = ["db/migrations/0003_orders.py", "requirements.txt", "highroad.yaml", "app.py"]
    told = words(Change(files, 300, 3, configuration=2, since_last=timedelta(days=1), tests="passed"))
    for part in (
        "the database's schema: db/migrations/0003_orders.py",
        "dependencies: requirements.txt",
        "highroad.yaml",
    ):
        assert part in told
    assert "2 variables of the configuration changed" in told


def test_failures_and_missing_tests_weigh() -> None:
    shaky = Change(["app.py"], 900, 30, since_last=timedelta(days=60), failures=3, recent=5)
    assert risk_of(shaky).level == "high"
    assert "3 of the last 5 deployments here failed" in words(shaky)
    assert "no tests were run" in words(shaky)


def test_what_is_not_known_is_said_and_counts() -> None:
    assert "how much it changes is not known" in words(Change(None, None, None, tests="passed"))


def test_going_back_is_less_of_a_risk() -> None:
    forward = Change(["app.py"], 900, 2, since_last=timedelta(days=1), tests="passed")
    back = Change(["app.py"], 900, 2, since_last=timedelta(days=1), tests="passed", backward=True)
    assert risk_of(back).score == risk_of(forward).score - 10


@given(
    some.builds(
        Change,
        files=some.none() | some.lists(some.text(max_size=30), max_size=40),
        lines=some.none() | some.integers(0, 10**7),
        commits=some.none() | some.integers(0, 10**4),
        configuration=some.integers(0, 50),
        since_last=some.none() | some.timedeltas(timedelta(), timedelta(days=999)),
        failures=some.integers(0, 9),
        recent=some.integers(0, 9),
        tests=some.sampled_from(["passed", "failed", "none"]),
        backward=some.booleans(),
    )
)
def test_every_figure_lies_between_0_and_100_and_is_explained(change: Change) -> None:
    risk = risk_of(change)
    assert 0 <= risk.score <= 100
    assert risk.score == max(0, min(100, sum(each.points for each in risk.reasons)))
    assert all(each.words for each in risk.reasons)
