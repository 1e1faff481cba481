"""Whose approval counts, how many are missing, and what makes one void."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from highroad.gates.approvals import BadRule, Person, Situation, Vote, alternatives, satisfied, tally, why_not, words
from highroad.gates.model import Alternative, ApprovalRule, Of

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
RULE = ApprovalRule(alternatives("2 of team payments or 1 of owner"))


def person(name: str, *teams: str, role: str = "member", active: bool = True, may: bool = True) -> Person:
    return Person(f"usr_{name}", f"{name}@example.com", active, may, frozenset(teams), role, frozenset({"deployer"}))


def vote(name: str, *, hours: float = 0, round: int = 1) -> Vote:
    return Vote(f"usr_{name}", f"{name}@example.com", "approve", "", NOW - timedelta(hours=hours), round)


PAYMENTS = [person("ann", "payments"), person("bob", "payments"), person("eve", "payments")]
OWNER = person("olga", role="owner")


def now(*votes: Vote, people: list[Person] | None = None, authors: frozenset[str] = frozenset()) -> Situation:
    known = [*PAYMENTS, OWNER, person("zoe")] if people is None else people
    return Situation(votes, {each.id: each for each in known}, authors, 1, NOW)


def open_for(*votes: Vote, **situation: object) -> bool:
    return satisfied(tally(RULE, now(*votes, **situation)))  # type: ignore[arg-type]  # by name


def test_two_of_the_team_or_one_owner_suffice() -> None:
    assert open_for(vote("ann"), vote("bob"))
    assert open_for(vote("olga"))
    assert not open_for(vote("ann"))
    assert not open_for(vote("zoe"), vote("ann"))


def test_what_is_missing_is_told_in_words() -> None:
    assert words(tally(RULE, now())) == "for 2 of 2 approvals of team payments or 1 approval of owner"
    assert words(tally(RULE, now(vote("ann")))) == "for 1 of 2 approvals of team payments or 1 approval of owner"


def test_one_person_counts_once() -> None:
    assert not open_for(vote("ann"), replace(vote("ann"), comment="again"))


@pytest.mark.parametrize("known", ["usr_bob", "bob@example.com"])
def test_an_author_never_counts(known: str) -> None:
    authors = frozenset({known})
    assert not open_for(vote("ann"), vote("bob"), authors=authors)
    assert open_for(vote("ann"), vote("eve"), authors=authors)


def test_an_author_counts_where_the_rule_says_so() -> None:
    rule = replace(RULE, not_author=False)
    assert satisfied(tally(rule, now(vote("ann"), vote("bob"), authors=frozenset({"usr_bob"}))))


def test_an_approval_grows_old() -> None:
    assert open_for(vote("ann", hours=24), vote("bob"))
    assert not open_for(vote("ann", hours=24.001), vote("bob"))
    assert satisfied(tally(replace(RULE, max_age=None), now(vote("ann", hours=999), vote("bob"))))


def test_an_approval_from_before_the_clock_was_put_back_still_counts() -> None:
    assert open_for(vote("ann", hours=-3), vote("bob"))


def test_an_approval_of_another_plan_is_void() -> None:
    assert not open_for(vote("ann", round=0), vote("bob"))
    kept = replace(RULE, void_on_change=False)
    assert satisfied(tally(kept, now(vote("ann", round=0), vote("bob"))))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (person("bob", "payments", active=False), "they are no longer active"),
        (person("bob", "payments", may=False), "they may no longer approve here"),
        (person("bob", "billing"), "they are not among team payments or owner"),
        (None, "they are no longer active"),
    ],
)
def test_who_is_no_longer_an_approver_counts_no_more(changed: Person | None, why: str) -> None:
    people = [PAYMENTS[0], *([changed] if changed else [])]
    situation = now(vote("ann"), vote("bob"), people=people)
    assert not satisfied(tally(RULE, situation))
    assert why_not(RULE, vote("bob"), situation) == why


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2 of team payments or 1 of owner", [(2, "team", "payments"), (1, "organization", "owner")]),
        ("2 approvals of the team payments OR an owner", [(2, "team", "payments"), (1, "organization", "owner")]),
        ("role manager", [(1, "role", "manager")]),
        ("3 owners or 2 of admins", [(3, "organization", "owner"), (2, "organization", "admin")]),
        ("Ada@Example.com or user bob@example.com", [(1, "user", "ada@example.com"), (1, "user", "bob@example.com")]),
        ("1 of team a or 1 of team a", [(1, "team", "a")]),
    ],
)
def test_rules_are_read_as_people_write_them(text: str, found: list[tuple[int, str, str]]) -> None:
    expected = tuple(Alternative(count, Of(kind, name)) for count, kind, name in found)  # type: ignore[arg-type]
    assert alternatives(text) == expected


def test_a_rule_reads_back_as_it_is_shown() -> None:
    assert alternatives(str(RULE)) == RULE.alternatives


@pytest.mark.parametrize(
    "text",
    [
        "",
        "or",
        "2",
        "0 of team payments",
        "99 of team x",
        "2 of ada@example.com",
        "team",
        "team a b",
        "2 of boss",
        "x" * 900,
    ],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadRule) as refused:
        alternatives(text)
    assert refused.value.next_step


@given(some.text(max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        found = alternatives(text)
    except BadRule:
        return
    assert alternatives(str(ApprovalRule(found))) == found


NAMES = ["ann", "bob", "eve", "olga", "zoe"]


@given(
    votes=some.lists(
        some.builds(
            vote,
            some.sampled_from(NAMES),
            hours=some.floats(-1, 48),
            round=some.integers(0, 2),
        ),
        max_size=8,
    ),
    authors=some.sets(some.sampled_from([f"usr_{name}" for name in NAMES])),
    count=some.integers(1, 3),
)
def test_no_set_of_approvals_opens_it_without_enough_different_fresh_strangers(
    votes: list[Vote], authors: set[str], count: int
) -> None:
    rule = ApprovalRule((Alternative(count, Of("team", "payments")),))
    good = {
        each.user_id
        for each in votes
        if each.user_id in {"usr_ann", "usr_bob", "usr_eve"} - authors
        and each.round == 1
        and NOW - each.at <= timedelta(hours=24)
    }
    assert satisfied(tally(rule, now(*votes, authors=frozenset(authors)))) == (len(good) >= count)
