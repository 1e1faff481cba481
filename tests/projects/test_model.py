"""The pure rules of projects: which branch goes where, which value wins, which name cannot be set."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.projects.model import (
    LARGEST_VALUE,
    BadVariable,
    Environment,
    Variable,
    VariableScope,
    check_variables,
    resolve,
)

SCOPES: tuple[VariableScope, ...] = ("project", "environment", "service", "service-environment")


@pytest.mark.parametrize(
    ("rule", "branch", "deploys"),
    [
        ("main", "main", True),
        ("main", "Main", False),
        ("release/*", "release/1.2", True),
        ("release/*", "main", False),
        ("*", "anything/at/all", True),
        (None, "main", False),
    ],
)
def test_a_deploy_rule_is_a_glob_over_branches(rule: str | None, branch: str, deploys: bool) -> None:
    environment = Environment("env_1", "prj_1", "shop", "production", "production", rule, datetime.now(UTC))
    assert environment.deploys(branch) is deploys


def test_the_narrowest_scope_wins_and_says_what_it_hides() -> None:
    variables = [Variable("URL", scope, scope) for scope in reversed(SCOPES)]
    assert resolve(variables) == (Variable("URL", "service-environment", "service-environment", "service"),)


def test_a_value_that_hides_nothing_says_so() -> None:
    assert resolve([Variable("URL", "x", "environment")])[0].overrides is None


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(SCOPES)), unique=True))
def test_every_name_is_there_once_in_order_with_its_narrowest_value(given: list[tuple[str, VariableScope]]) -> None:
    chosen = resolve(Variable(name, scope, scope) for name, scope in given)
    assert [each.name for each in chosen] == sorted({name for name, _ in given})
    for each in chosen:
        scopes = [scope for name, scope in given if name == each.name]
        assert each.scope == max(scopes, key=SCOPES.index)


@pytest.mark.parametrize("name", ["A", "_a", "DATABASE_URL", "x" * 128])
def test_names_that_an_environment_can_hold_are_taken(name: str) -> None:
    check_variables({name: "value"})


@pytest.mark.parametrize(
    "name", ["", "1A", "A-B", "A B", "A=B", "Ä", "x" * 129, "PORT", "PATH", "HOME", "HIGHROAD_URL", "LD_PRELOAD"]
)
def test_other_names_and_highroads_own_are_refused(name: str) -> None:
    with pytest.raises(BadVariable) as refused:
        check_variables({name: "value"})
    assert len(refused.value.errors) == 1


@pytest.mark.parametrize("value", ["a\0b", "x" * (LARGEST_VALUE + 1), "ä" * (LARGEST_VALUE // 2 + 1)])
def test_a_value_that_no_process_can_get_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(BadVariable) as refused:
        check_variables({"KEY": value})
    assert value not in refused.value.detail


def test_every_wrong_variable_is_named_at_once() -> None:
    with pytest.raises(BadVariable) as refused:
        check_variables({"1": "", "FINE": "", "PATH": ""})
    assert [error.pointer for error in refused.value.errors] == ["/set/1", "/set/PATH"]
