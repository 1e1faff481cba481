"""What an installation says of itself, and to whom."""

from __future__ import annotations

from tests.world import Api

FOR_THOSE_KNOWN = ("isolation", "warnings", "toolchains")


def test_strangers_learn_where_they_are_and_no_more(sqlite_api: Api) -> None:
    answer = sqlite_api.nobody.get("/system").json()
    assert (answer["url"], answer["domain"]) == ("http://localhost:8080", "localhost")
    assert [answer[name] for name in FOR_THOSE_KNOWN] == [None] * 3


def test_whoever_is_signed_in_learns_what_the_machine_can_do(sqlite_api: Api) -> None:
    answer = sqlite_api.caller_with("git").get("/system").json()
    assert all(answer[name] is not None for name in FOR_THOSE_KNOWN)


def test_a_token_that_does_not_hold_is_told_so(sqlite_api: Api) -> None:
    assert sqlite_api.caller("hr_x").get("/system").status_code == 401
