"""What a text has to be before the parser gets it: one that is too intricate would take the whole process along."""

from __future__ import annotations

import pytest

from highroad.access.policy.checking import DEEPEST, LONGEST_PATH, MOST_OPERATORS, BadPolicy, problems, require_policy
from highroad.access.policy.engine import Company, compile_policies


def when(condition: str) -> str:
    return f"permit(principal, action, resource) when {{ {condition} }};"


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 1000 + "true" + ")" * 1000,
        "[" * 3000 + "]" * 3000,
        "{a:" * 4000 + "1" + "}" * 4000,
        "if true then " * 100 + "true" + " else true" * 100,
        "1 == 1 && " * 100 + "true",
        "!" * 3000 + "true",
        "-" * 3000 + "1 == 1",
        "context" + ".a" * 5000,
    ],
)
def test_an_intricate_policy_is_refused_before_it_is_parsed(condition: str) -> None:
    assert [each.line for each in problems(when(condition))] == [1]


def test_brackets_and_operators_in_texts_and_comments_do_not_count() -> None:
    assert problems("// " + "(" * 1000 + "\n" + when('context.origin == "' + "(&&" * 100 + '"')) == []


@pytest.mark.parametrize(
    "condition",
    [
        "1 == 1 && " * MOST_OPERATORS + "true",
        "(" * (DEEPEST - 1) + "true" + ")" * (DEEPEST - 1),
        "(" * (DEEPEST - 1) + "true" + " && true" * MOST_OPERATORS + ")" * (DEEPEST - 1),
    ],
)
def test_what_the_check_lets_through_comes_into_force(condition: str) -> None:
    require_policy(when(condition))
    compile_policies(company=[Company("long", 1, when(condition))])


def test_every_problem_has_the_line_of_its_statement() -> None:
    text = "permit(principal, action, resource);\n\nforbid(principal, action, resource) when { nonsense };\n"
    with pytest.raises(BadPolicy) as refused:
        require_policy(text)
    assert "line 3" in refused.value.detail


def test_the_longest_path_of_attributes_is_bounded() -> None:
    assert "attributes in a row" in problems(when("context" + ".a" * (LONGEST_PATH + 1)))[0].detail
