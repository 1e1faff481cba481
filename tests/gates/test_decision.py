"""Which gates are closed for a deployment, in which words, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from highroad.gates.approvals import Situation, alternatives
from highroad.gates.calendar import calendar
from highroad.gates.decision import Asked, closed_gates, describe, expires_after, is_closed
from highroad.gates.model import (
    EVERYWHERE,
    ApprovalRule,
    Closed,
    Freeze,
    Gate,
    Lock,
    Rule,
    Where,
    Window,
    in_words,
    keys_of,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)  # a Saturday
WEEKEND = calendar("Europe/Berlin", ["fri 16:00 - mon 08:00"])
OFFICE = calendar("Europe/Berlin", ["mon-fri 09:00-17:00"])
HERE = Where("prj_1", "shop", "env_1", "production")


def gate(rule: Rule, *passes: str, where: Where = HERE, name: str = "year-end") -> Gate:
    return Gate(f"gate_{name}", where, name, rule, frozenset(passes), NOW, "ada@example.com")


def asked(kind: str = "deploy", at: datetime = NOW, passed: frozenset[str] = frozenset()) -> Asked:
    return Asked(kind, "production", Situation((), {}, frozenset(), 1, at), passed)


def told(*gates: Gate, kind: str = "deploy", at: datetime = NOW) -> str:
    return in_words(closed_gates(gates, asked(kind, at)))


def test_a_freeze_says_until_when_and_why() -> None:
    assert told(gate(Freeze(WEEKEND, "year-end"))) == "Production is frozen until Mon 08:00 Europe/Berlin: year-end"
    assert told(gate(Freeze(WEEKEND)), at=NOW + timedelta(days=3)) == ""


def test_a_rollback_passes_a_freeze_that_says_so() -> None:
    freeze = gate(Freeze(WEEKEND), "rollback", "stop")
    assert told(freeze)
    assert not told(freeze, kind="rollback")
    assert not told(freeze, kind="stop")


def test_outside_of_the_windows_the_next_opening_is_told() -> None:
    words = told(gate(Window(OFFICE), name="office hours"))
    assert words == (
        "Production is outside of its deployment windows, the next one opens Mon 09:00 Europe/Berlin: office hours"
    )


def test_windows_at_one_place_add_up_and_at_several_each_has_to_be_open() -> None:
    saturday = gate(Window(calendar("UTC", ["sat"])), name="saturdays")
    office = gate(Window(OFFICE), name="office")
    assert told(office, saturday) == ""
    everywhere = gate(Window(OFFICE), where=EVERYWHERE, name="company")
    assert "company" in told(everywhere, saturday)


def test_passing_one_closed_window_of_a_place_passes_all_of_them() -> None:
    gates = [gate(Window(OFFICE), name="office"), gate(Window(calendar("UTC", ["sun"])), name="sundays")]
    closed = closed_gates(gates, asked())
    assert [bool(each.words) for each in closed] == [True, False]
    assert closed_gates(gates, asked(passed=frozenset(each.gate_id for each in closed))) == ()


def test_a_lock_says_who_and_why_and_ends() -> None:
    lock = gate(Lock("migration", NOW + timedelta(hours=1)))
    assert told(lock) == "Locked by ada@example.com: migration"
    assert closed_gates([lock], asked())[0].until == NOW + timedelta(hours=1)
    assert told(lock, at=NOW + timedelta(hours=1)) == ""


def test_all_that_is_closed_is_told_approvals_first() -> None:
    rule = ApprovalRule(alternatives("2 of team payments"))
    words = told(gate(Lock("migration")), gate(Freeze(WEEKEND, "year-end")), gate(rule))
    assert words.startswith("Waiting for 2 of 2 approvals of team payments; production is frozen until")
    assert words.endswith("; locked by ada@example.com: migration")


def test_the_strictest_rule_says_how_long_a_deployment_waits() -> None:
    rules = [gate(ApprovalRule(alternatives("1 of owner"), expires=timedelta(days=days))) for days in (7, 2)]
    assert expires_after(rules, timedelta(days=9)) == timedelta(days=2)
    assert expires_after([gate(Freeze(WEEKEND))], timedelta(days=9)) == timedelta(days=9)


@pytest.mark.parametrize(
    ("rule", "closed", "words"),
    [
        (Freeze(WEEKEND), True, "closed until Mon 08:00 Europe/Berlin"),
        (Freeze(OFFICE), False, "open; closes Mon 09:00 Europe/Berlin"),
        (Freeze(calendar("UTC", ["2020-01-01"])), False, "open; over"),
        (Window(OFFICE), True, "closed until Mon 09:00 Europe/Berlin"),
        (Window(WEEKEND), False, "open until Mon 08:00 Europe/Berlin"),
        (Window(calendar("UTC", ["2020-01-01"])), True, "closed; no further window"),
        (Lock("migration"), True, "locked by ada@example.com: migration"),
        (
            ApprovalRule(alternatives("2 of team payments or 1 of owner")),
            None,
            "2 of team payments or 1 of owner, not the author, not older than 24 h, void when the plan changes",
        ),
    ],
)
def test_each_gate_describes_itself(rule: Rule, closed: bool | None, words: str) -> None:
    assert describe(gate(rule), NOW) == words
    assert is_closed(gate(rule), NOW) is closed


def test_a_gate_is_found_from_every_environment_that_it_guards() -> None:
    keys = keys_of("env_1", "prj_1", "production")
    for where in (
        HERE,
        Where("prj_1", "shop", mode="production"),
        Where("prj_1"),
        Where(mode="production"),
        EVERYWHERE,
    ):
        assert where.key in keys
    for where in (Where("prj_2"), Where(mode="staging"), Where("prj_1", mode="staging")):
        assert where.key not in keys


def test_places_are_told_as_people_name_them() -> None:
    assert str(HERE) == "shop/production"
    assert str(Where("prj_1", "shop", mode="production")) == "all production environments of shop"
    assert str(EVERYWHERE) == "all environments"


def test_nothing_closed_is_nothing_to_tell() -> None:
    assert in_words(()) == ""
    assert in_words([Closed("g", "window", "")]) == ""
